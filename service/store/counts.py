"""Boxes and tracks over time, by class."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Label, Select, func, select

from service.store.filters import Filter, conditions
from service.store.tables import TALLY_US, detections, labels, tallies


@dataclass(frozen=True, slots=True)
class Bucket:
    """A span of time.

    Attributes:
        wall_us: its begin, time of day in microseconds, a multiple of its length.
        boxes: boxes kept, by class.
        tracks: tracks by class, each where it was first seen. One that was taken for two classes is in both.
    """

    wall_us: int
    boxes: Mapping[str, int]
    tracks: Mapping[str, int]


def counts(connection: Connection, asked: Filter, bucket_us: int) -> list[Bucket]:
    """The buckets that hold anything, the oldest first.

    Whole tens of seconds without conditions on single boxes are added up from `tallies`, else boxes are read
    one by one; a track that was there before the time that is asked for then counts in the first bucket.
    """
    single = asked.area is not None or asked.min_score is not None or asked.track_id is not None
    if single or bucket_us % TALLY_US:
        boxes, tracks = _from_boxes(connection, asked, bucket_us)
    else:
        boxes, tracks = _from_tallies(connection, asked, bucket_us)
    names = {row.key: row.label for row in connection.execute(select(labels)).all()}
    by_box, by_track = (
        _by_class(connection.execute(boxes), names),
        _by_class(connection.execute(tracks), names),
    )
    return [Bucket(wall_us, by_box[wall_us], by_track[wall_us]) for wall_us in sorted(by_box)]


def _from_tallies(connection: Connection, asked: Filter, bucket_us: int) -> tuple[Select[Any], Select[Any]]:
    begin = _begin(tallies.c.wall_us, bucket_us)
    where = conditions(connection, tallies, asked)
    boxes, tracks = (
        select(begin, tallies.c.label, func.sum(column)).where(*where).group_by(begin.name, tallies.c.label)
        for column in (tallies.c.boxes, tallies.c.tracks)
    )
    return boxes, tracks


def _from_boxes(connection: Connection, asked: Filter, bucket_us: int) -> tuple[Select[Any], Select[Any]]:
    c = detections.c
    where = conditions(connection, detections, asked)
    begin = _begin(c.wall_us, bucket_us)
    boxes = select(begin, c.label, func.count()).where(*where).group_by(begin.name, c.label)
    firsts = select(c.label, func.min(c.wall_us).label("wall_us")).where(*where, c.track_id.is_not(None))
    first = firsts.group_by(c.stream, c.track_id, c.label).subquery().c
    begun = _begin(first.wall_us, bucket_us)
    return boxes, select(begun, first.label, func.count()).group_by(begun.name, first.label)


def _begin(wall_us: ColumnElement[int], bucket_us: int) -> Label[int]:
    """To be grouped by its name: to PostgreSQL two expressions with parameters are never the same."""
    return (wall_us - wall_us % bucket_us).label("begin")


def _by_class(rows: Iterable[Any], names: Mapping[int, str]) -> defaultdict[int, Counter[str]]:
    found: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for wall_us, label, count in rows:
        if count:
            found[wall_us][names[label]] = int(count)
    return found
