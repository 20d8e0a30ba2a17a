"""Streams and answers for tests of history, made without a network or a source."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from model.detections import Detections
from model.tracking.tracks import Change, TrackChange
from service.answers import Answer
from service.channel import Message
from service.happenings import Happening
from service.history import History
from service.options import StreamSpec
from service.settings import Settings
from service.store.entries import Boxes, Watched
from streaming.source import SourceInfo

T = TypeVar("T")
CLASSES = ("person", "car", "bicycle")
Found = tuple[str, float, tuple[float, float, float, float], int]
"""Class, score, box, track (0 for none)."""


@dataclass
class FakeStream:
    """A stream as its observers see it."""

    id: str = "a1"
    name: str = "street"
    spec: StreamSpec = field(default_factory=lambda: StreamSpec(source="sim://street"))
    classes: tuple[str, ...] = CLASSES
    info: SourceInfo | None = field(default_factory=lambda: SourceInfo("sim", 640, 480, live=True))

    def publish(self, message: Message) -> None:
        raise AssertionError("history tells viewers nothing")

    def happened(self, happening: Happening) -> None:
        raise AssertionError("history makes nothing happen")

    def command(self, message: Message) -> None:
        raise AssertionError("history commands nothing")


@dataclass(frozen=True)
class Note(Happening):
    """A happening of any kind."""

    body: dict[str, Any]

    def to_message(self) -> dict[str, Any]:
        return self.body


def answer(t_us: int, found: Sequence[Found] = (), changes: Sequence[TrackChange] = ()) -> Answer:
    boxes = Detections(
        np.array([xyxy for _, _, xyxy, _ in found], np.float32).reshape(-1, 4),
        np.array([score for _, score, _, _ in found], np.float32),
        np.array([CLASSES.index(label) for label, _, _, _ in found], np.int64),
        CLASSES,
    )
    ids = np.array([track for _, _, _, track in found], np.int64)
    span = (t_us - 40_000, t_us)
    return Answer(0, span, 5, boxes, 100, "cpu", track_ids=ids, changes=tuple(changes))


def change(
    what: Change,
    track_id: int,
    t_us: int,
    begun_us: int,
    xyxy: tuple[float, float, float, float] = (0, 0, 10, 20),
    score: float = 0.5,
    votes: tuple[float, ...] = (0.75, 0.25, 0.0),
) -> TrackChange:
    label = int(np.argmax(votes))
    return TrackChange(what, track_id, label, score, xyxy, (0.0, 0.0), votes, t_us, begun_us)


def with_history(folder: Path, work: Callable[[History], Awaitable[T]], **chosen: Any) -> T:
    """What `work` gives with a history over the database in `folder`; when this returns all is written."""

    async def run() -> T:
        async with await History.open(Settings(**{"history_interval_ms": 0, **chosen}), folder) as history:
            return await work(history)

    return asyncio.run(run())


def boxes_at(
    wall_us: int, names: Sequence[str], stream: Watched, xyxy: Callable[[int], tuple[int, int, int, int]]
) -> Boxes:
    """Boxes of one answer at a time of day, sides in whole pixels by the box's number."""
    sides = [[100 * side for side in xyxy(number)] for number in range(len(names))]
    scores = [9000 - 100 * number for number in range(len(names))]
    return Boxes(stream, wall_us, wall_us % 10**9, names, scores, sides, [None] * len(names))
