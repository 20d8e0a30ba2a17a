"""Rows of history as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Row

from service.store.counts import Bucket
from service.store.moments import iso

Json = dict[str, Any]


def detection(row: Row[Any]) -> Json:
    return {
        **_stream(row),
        "t_us": row.t_us,
        "label": row.class_name,
        "score": row.score_e4 / 1e4,
        "xyxy": [side / 100 for side in (row.left_cpx, row.top_cpx, row.right_cpx, row.bottom_cpx)],
        "track_id": row.track_id,
    }


def track(row: Row[Any]) -> Json:
    return {
        **_stream(row),
        "track_id": row.number,
        "begun": iso(row.begun_wall_us),
        "t_us": [row.begun_us, row.ended_us],
        "label": row.class_name,
        "votes": json.loads(row.votes),
        "boxes": row.boxes,
        "score": row.best_e4 / 1e4,
        "path": [[row.begun_us + 1000 * ms, x, y] for ms, x, y in json.loads(row.path)],
    }


def happening(row: Row[Any]) -> Json:
    return {**_stream(row), "kind": row.kind, "body": json.loads(row.body)}


def buckets(found: list[Bucket]) -> Iterator[Json]:
    for bucket in found:
        yield {"time": iso(bucket.wall_us), "boxes": dict(bucket.boxes), "tracks": dict(bucket.tracks)}


def _stream(row: Row[Any]) -> Json:
    return {"time": iso(row.wall_us), "stream": row.stream_id, "name": row.name}
