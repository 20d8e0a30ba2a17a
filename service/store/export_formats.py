"""Detections as CSV, Parquet and COCO, written as they come and never held whole."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from sqlalchemy import Row

from service.store.moments import iso

Format: TypeAlias = Literal["csv", "parquet", "coco"]
Rows: TypeAlias = "Iterable[Row[Any]]"
SUFFIXES: MappingProxyType[str, str] = MappingProxyType(
    {"csv": ".csv", "parquet": ".parquet", "coco": ".json"}
)
COLUMNS = ("time", "stream", "name", "t_us", "label", "score", "left", "top", "right", "bottom", "track_id")
_TYPES = dict.fromkeys(COLUMNS, "VARCHAR") | dict.fromkeys(("time", "t_us", "track_id"), "BIGINT")
_TYPES |= dict.fromkeys(("score", "left", "top", "right", "bottom"), "DOUBLE")
_DUCKDB = MappingProxyType(
    # Nothing may be fetched: what it needs is built in.
    {
        "threads": "1",
        "memory_limit": "256MB",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }
)


def write(rows: Rows, path: Path, form: Format) -> None:
    """`rows` of `paging.page`, the oldest first, to `path`."""
    {"csv": _write_csv, "parquet": _write_parquet, "coco": _write_coco}[form](rows, path)


def _write_csv(rows: Rows, path: Path) -> None:
    _write_table(((iso(row.wall_us), *_values(row)) for row in rows), path)


def _write_parquet(rows: Rows, path: Path) -> None:
    """By way of a CSV beside it, which DuckDB reads in pieces."""
    import duckdb

    with TemporaryDirectory(dir=path.parent) as folder, duckdb.connect(config=dict(_DUCKDB)) as connection:
        table = Path(folder) / "rows.csv"
        _write_table(((row.wall_us, *_values(row)) for row in rows), table)
        read = connection.read_csv(str(table), header=True, columns=_TYPES, quotechar='"', escapechar='"')
        read.project("make_timestamptz(time) AS time, * EXCLUDE (time)").write_parquet(
            str(path), compression="zstd"
        )


def _write_table(rows: Iterable[tuple[Any, ...]], path: Path) -> None:
    with path.open("w", encoding="utf8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        table.writerows(rows)


def _values(row: Row[Any]) -> tuple[Any, ...]:
    sides = (side / 100 for side in (row.left_cpx, row.top_cpx, row.right_cpx, row.bottom_cpx))
    return row.stream_id, row.name, row.t_us, row.class_name, row.score_e4 / 1e4, *sides, row.track_id


def _write_coco(rows: Rows, path: Path) -> None:
    """An image is one answer of one stream. Annotations are kept beside until all images are written."""
    categories: dict[str, int] = {}
    with path.open("w", encoding="utf8") as file, TemporaryFile("w+", dir=path.parent) as annotations:
        file.write('{"info": {"description": "Detections by Spikesight"}, "images": [')
        boxes = 0
        for number, (image, found) in enumerate(_images(rows), start=1):
            file.write((",\n" if number > 1 else "\n") + json.dumps({"id": number, **image}))
            for row in found:
                category = categories.setdefault(row.class_name, len(categories) + 1)
                boxes += 1
                annotation = {"id": boxes, "image_id": number, "category_id": category, **_annotation(row)}
                annotations.write((",\n" if boxes > 1 else "\n") + json.dumps(annotation))
        file.write('],\n"annotations": [')
        annotations.seek(0)
        for line in annotations:
            file.write(line)
        file.write('],\n"categories": ')
        file.write(json.dumps([{"id": number, "name": name} for name, number in categories.items()]) + "}\n")


def _images(rows: Rows) -> Iterator[tuple[dict[str, Any], list[Row[Any]]]]:
    for (wall_us, stream), group in groupby(rows, key=lambda row: (row.wall_us, row.stream_id)):
        found = list(group)
        first = found[0]
        image = {
            "file_name": f"{stream}/{first.t_us}",
            "width": first.width,
            "height": first.height,
            "date_captured": iso(wall_us),
            "t_us": first.t_us,
            "stream": stream,
            "stream_name": first.name,
        }
        yield image, found


def _annotation(row: Row[Any]) -> dict[str, Any]:
    width, height = row.right_cpx - row.left_cpx, row.bottom_cpx - row.top_cpx
    return {
        "bbox": [side / 100 for side in (row.left_cpx, row.top_cpx, width, height)],
        "area": round(width * height / 1e4, 4),
        "iscrowd": 0,
        "score": row.score_e4 / 1e4,
        "track_id": row.track_id,
    }
