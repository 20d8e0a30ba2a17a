"""What is written of a stream's history: boxes of an answer, the end of a track, a happening."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Column, Connection, Table, func, select, update

from service.store import tables
from service.store.documents import to_text
from service.store.upserts import insert_into, insert_rows

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Watched:
    """The stream that something was seen on; width and height in pixels, None before they are known."""

    id: str
    name: str
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True)
class Keys:
    """Numbers in place of names, for the rows of one batch."""

    streams: Mapping[str, int]
    labels: Mapping[str, int]


class Entry(Protocol):
    """Something to be written; its length is the rows it becomes."""

    @property
    def stream(self) -> Watched: ...

    @property
    def table(self) -> Table: ...

    def __len__(self) -> int: ...

    def labels(self) -> Iterable[str]:
        """Names of the classes in it."""

    def rows(self, keys: Keys) -> Iterator[Row]:
        """Rows of `table`."""


@dataclass(frozen=True, slots=True)
class Boxes:
    """The boxes of one answer.

    Attributes:
        wall_us, t_us: time of day and of events, microseconds.
        names: the class of each box.
        score_e4: score of each box in ten-thousandths.
        sides_cpx: (left, top, right, bottom) of each box in hundredths of a pixel.
        track_ids: the track of each box, None without one.
        begun: whether a box is the first that is kept of its track and class.
    """

    stream: Watched
    wall_us: int
    t_us: int
    names: Sequence[str]
    score_e4: Sequence[int]
    sides_cpx: Sequence[Sequence[int]]
    track_ids: Sequence[int | None]
    begun: Sequence[bool]

    @property
    def table(self) -> Table:
        return tables.detections

    def __len__(self) -> int:
        return len(self.names)

    def labels(self) -> Iterable[str]:
        return self.names

    def rows(self, keys: Keys) -> Iterator[Row]:
        shared = {"wall_us": self.wall_us, "stream": keys.streams[self.stream.id], "t_us": self.t_us}
        boxes = zip(self.names, self.score_e4, self.sides_cpx, self.track_ids, strict=True)
        for number, (name, score_e4, (left, top, right, bottom), track_id) in enumerate(boxes):
            yield {
                **shared,
                "number": number,
                "label": keys.labels[name],
                "score_e4": score_e4,
                "left_cpx": left,
                "top_cpx": top,
                "right_cpx": right,
                "bottom_cpx": bottom,
                "track_id": track_id,
            }


@dataclass(frozen=True, slots=True)
class TrackEnd:
    """A track from its first box to its end.

    Attributes:
        wall_us, begun_wall_us: time of day of its end and of its first box, microseconds.
        begun_us, ended_us: the same of the events.
        name: its class, by votes.
        votes: share of each class that had any.
        boxes: answers that showed it.
        best_e4: best score, ten-thousandths.
        path: (milliseconds after `begun_us`, x, y) of its centre, sensor pixels.
    """

    stream: Watched
    track_id: int
    wall_us: int
    begun_wall_us: int
    begun_us: int
    ended_us: int
    name: str
    votes: Mapping[str, float]
    boxes: int
    best_e4: int
    path: Sequence[tuple[int, float, float]]

    @property
    def table(self) -> Table:
        return tables.tracks

    def __len__(self) -> int:
        return 1

    def labels(self) -> Iterable[str]:
        return (self.name,)

    def rows(self, keys: Keys) -> Iterator[Row]:
        yield {
            "wall_us": self.wall_us,
            "stream": keys.streams[self.stream.id],
            "number": self.track_id,
            "begun_wall_us": self.begun_wall_us,
            "begun_us": self.begun_us,
            "ended_us": self.ended_us,
            "label": keys.labels[self.name],
            "votes": to_text(dict(self.votes)),
            "boxes": self.boxes,
            "best_e4": self.best_e4,
            "path": to_text(list(self.path)),
        }


@dataclass(frozen=True, slots=True)
class Happened:
    """A happening, as its viewers were told."""

    stream: Watched
    wall_us: int
    kind: str
    body: Mapping[str, Any]

    @property
    def table(self) -> Table:
        return tables.happenings

    def __len__(self) -> int:
        return 1

    def labels(self) -> Iterable[str]:
        return ()

    def rows(self, keys: Keys) -> Iterator[Row]:
        yield {
            "wall_us": self.wall_us,
            "stream": keys.streams[self.stream.id],
            "number": 0,
            "kind": self.kind,
            "body": to_text(dict(self.body)),
        }


def put(connection: Connection, entries: Sequence[Entry]) -> None:
    """Writes `entries`; those there already, from a try whose end was not heard, stay as they are."""
    names = {name for entry in entries for name in entry.labels()}
    keys = Keys(_streams(connection, entries), _keys(connection, tables.labels.c.label, names))
    rows: dict[Table, list[Row]] = defaultdict(list)
    for entry in entries:
        rows[entry.table].extend(entry.rows(keys))
    for table, found in rows.items():
        insert_rows(connection, insert_into(connection, table).on_conflict_do_nothing(), table, found)
    _tally(connection, (entry for entry in entries if isinstance(entry, Boxes)), keys)


def _tally(connection: Connection, entries: Iterable[Boxes], keys: Keys) -> None:
    boxes: Counter[tuple[int, int, int]] = Counter()
    tracks: Counter[tuple[int, int, int]] = Counter()
    for entry in entries:
        begin_us, stream = entry.wall_us - entry.wall_us % tables.TALLY_US, keys.streams[entry.stream.id]
        for name, begun in zip(entry.names, entry.begun, strict=True):
            boxes[begin_us, stream, keys.labels[name]] += 1
            tracks[begin_us, stream, keys.labels[name]] += begun
    key = tables.tallies.primary_key.columns.keys()
    rows = [dict(zip(key, span, strict=True), boxes=boxes[span], tracks=tracks[span]) for span in boxes]
    insert = insert_into(connection, tables.tallies)
    sums = {name: tables.tallies.c[name] + insert.excluded[name] for name in ("boxes", "tracks")}
    added = insert.on_conflict_do_update(index_elements=key, set_=sums)
    insert_rows(connection, added, tables.tallies, rows)


def _streams(connection: Connection, entries: Sequence[Entry]) -> Mapping[str, int]:
    """Keys of all streams in `entries`, whose names and sizes are brought up to date."""
    seen = {entry.stream.id: entry.stream for entry in entries}
    table = tables.watched
    keys = _keys(connection, table.c.stream_id, seen, name="")
    for row in connection.execute(select(table).where(table.c.key.in_(keys.values()))).all():
        stream = seen[row.stream_id]
        known = {
            "name": stream.name,
            "width": stream.width or row.width,
            "height": stream.height or row.height,
        }
        if known != {name: getattr(row, name) for name in known}:
            connection.execute(update(table).where(table.c.key == row.key).values(known))
    return keys


def _keys(connection: Connection, column: Column[str], wanted: Iterable[str], **rest: str) -> dict[str, int]:
    """Keys of the `wanted` names in `column`; new names get the next ones, because one thread writes."""
    table, wanted = column.table, set(wanted)
    found = connection.execute(select(column, table.c.key).where(column.in_(wanted))).all()
    keys = {name: int(key) for name, key in found}
    new = sorted(wanted - keys.keys())
    if new:
        last = connection.execute(select(func.max(table.c.key))).scalar() or 0
        keys |= {name: last + 1 + at for at, name in enumerate(new)}
        rows = [{column.name: name, "key": keys[name], **rest} for name in new]
        connection.execute(insert_into(connection, tables.metadata.tables[table.name]), rows)
    return keys
