"""`Filter`: which rows of history are asked for."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Table, false, func, or_, select

from service.errors import UnknownStream
from service.store.area import Area
from service.store.tables import detections, happenings, labels, tracks, watched


@dataclass(frozen=True, slots=True)
class Filter:
    """All conditions must hold; an empty one asks nothing.

    Attributes:
        streams: ids or names.
        from_us, to_us: time of day in microseconds, end exclusive. Of a track: it lived within.
        classes: names of classes.
        area: where on the picture; of detections only.
        min_score: 0..1; of a track its best.
        track_id: of one track.
        kinds: of happenings.
    """

    streams: tuple[str, ...] = ()
    from_us: int | None = None
    to_us: int | None = None
    classes: tuple[str, ...] = ()
    area: Area | None = None
    min_score: float | None = None
    track_id: int | None = None
    kinds: tuple[str, ...] = ()


def conditions(connection: Connection, table: Table, asked: Filter) -> list[ColumnElement[bool]]:
    """`asked` of one of the tables of history, with names looked up."""
    found = list(_times(table, asked))
    if asked.streams:
        keys = connection.scalars(select(watched.c.key).where(_named(asked.streams))).all()
        found.append(_one_of(table.c.stream, keys))
    if asked.classes and table is not happenings:
        by_label = labels.c.label.in_(asked.classes)
        found.append(_one_of(table.c.label, connection.scalars(select(labels.c.key).where(by_label)).all()))
    if table is detections:
        found += _of_detections(asked)
        found += _lifetime(connection, found, asked) if asked.track_id is not None else ()
    if table is tracks:
        found += _of_tracks(asked)
    if asked.kinds and table is happenings:
        found.append(_one_of(table.c.kind, asked.kinds))
    return found


def check_streams(connection: Connection, asked: Filter, known: Collection[str]) -> None:
    """Raises `UnknownStream` where one is neither in history nor among those `known` besides."""
    wanted = set(asked.streams).difference(known)
    if wanted:
        names = select(watched.c.stream_id, watched.c.name).where(_named(wanted))
        wanted -= {name for row in connection.execute(names).all() for name in row}
    if wanted:
        raise UnknownStream(
            f"no stream {min(wanted)[:80]!r} is in the history, by id or by name; GET /streams lists those "
            "that run, GET /tracks and GET /detections name those that were seen"
        )


def _named(wanted: Collection[str]) -> ColumnElement[bool]:
    return or_(watched.c.stream_id.in_(wanted), watched.c.name.in_(wanted))


def _times(table: Table, asked: Filter) -> Iterator[ColumnElement[bool]]:
    if asked.from_us is not None:
        yield table.c.wall_us >= asked.from_us
    if asked.to_us is not None:
        begun = table.c.begun_wall_us if table is tracks else table.c.wall_us
        yield begun < asked.to_us


def _of_detections(asked: Filter) -> Iterator[ColumnElement[bool]]:
    if asked.min_score is not None:
        yield detections.c.score_e4 >= round(asked.min_score * 1e4)
    if asked.track_id is not None:
        yield detections.c.track_id == asked.track_id
    if asked.area is not None:
        yield asked.area.holds()


def _lifetime(
    connection: Connection, found: list[ColumnElement[bool]], asked: Filter
) -> Iterator[ColumnElement[bool]]:
    """When the track was there, if it has ended: no index knows the boxes of a track."""
    lives = select(func.min(tracks.c.begun_wall_us), func.max(tracks.c.wall_us))
    begun_us, ended_us = connection.execute(lives.where(tracks.c.number == asked.track_id)).one()
    if begun_us is not None:
        yield detections.c.wall_us.between(begun_us, ended_us)


def _of_tracks(asked: Filter) -> Iterator[ColumnElement[bool]]:
    if asked.min_score is not None:
        yield tracks.c.best_e4 >= round(asked.min_score * 1e4)
    if asked.track_id is not None:
        yield tracks.c.number == asked.track_id


def _one_of(column: Column[Any], keys: Sequence[Any]) -> ColumnElement[bool]:
    """`==` for one key: that is what lets an index give the rows in order."""
    if not keys:
        return false()
    equal: ColumnElement[bool] = column == keys[0]
    return equal if len(keys) == 1 else column.in_(keys)
