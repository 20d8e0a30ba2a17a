"""Boxes and tracks over time, by class."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, func, select

from service.store.filters import Filter, conditions
from service.store.tables import detections, labels


@dataclass(frozen=True, slots=True)
class Bucket:
    """A span of time.

    Attributes:
        wall_us: its begin, time of day in microseconds, a multiple of its length.
        boxes: boxes kept, by class.
        tracks: different tracks that they belong to, by class.
    """

    wall_us: int
    boxes: Mapping[str, int] = field(default_factory=Counter)
    tracks: Mapping[str, int] = field(default_factory=Counter)


def counts(connection: Connection, asked: Filter, bucket_us: int) -> list[Bucket]:
    """The buckets that hold anything, the oldest first."""
    c = detections.c
    begin = (c.wall_us - c.wall_us % bucket_us).label("begin")
    query = (
        select(begin, c.label, func.count(), func.count(c.track_id.distinct()))
        .where(*conditions(connection, detections, asked))
        .group_by(begin, c.label, c.stream)  # ids of tracks are different ones on each stream
    )
    names: dict[int, str] = dict(connection.execute(select(labels.c.key, labels.c.label)).tuples())
    boxes: dict[int, Counter[str]] = defaultdict(Counter)
    tracks: dict[int, Counter[str]] = defaultdict(Counter)
    for wall_us, label, box_count, track_count in connection.execute(query).all():
        boxes[wall_us][names[label]] += box_count
        tracks[wall_us] += Counter({names[label]: track_count})
    return [Bucket(wall_us, boxes[wall_us], tracks[wall_us]) for wall_us in sorted(boxes)]
