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
from service.store import wire
from service.store.entries import Boxes, Entry, Watched
from service.store.filters import Filter
from service.store.paging import Ask
from service.store.tables import detections, happenings, tracks
from streaming.source import SourceInfo

T = TypeVar("T")
CLASSES = ("person", "car", "bicycle")
Found = tuple[str, float, tuple[float, float, float, float], int]
"""Class, score, box, track (0 for none)."""
TOLD = {
    "detections": (detections, wire.detection),
    "tracks": (tracks, wire.track),
    "happenings": (happenings, wire.happening),
}


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


@dataclass(frozen=True)
class Home:
    """Where a service keeps its things.

    Attributes:
        folder: its data folder.
        url: its database, None for SQLite in the folder.
    """

    folder: Path
    url: str | None = None

    def settings(self, **chosen: Any) -> Settings:
        return Settings(data_dir=self.folder, database_url=self.url, **{"history_interval_ms": 0, **chosen})

    def run(self, work: Callable[[History], Awaitable[T]], **chosen: Any) -> T:
        """What `work` gives with the history that lives here; when this returns all is written."""

        async def run() -> T:
            async with await History.open(self.settings(**chosen), self.folder) as history:
                return await work(history)

        return asyncio.run(run())

    def record(self, *answers: Answer, stream: FakeStream | None = None, **chosen: Any) -> None:
        """A stream that gives `answers` and ends."""

        async def watch(history: History) -> None:
            observer = history.observe(stream or FakeStream())
            for one in answers:
                observer.answered(one)
            observer.ended()

        self.run(watch, **chosen)

    def put(self, *entries: Entry) -> None:
        """As if streams had left these."""

        async def keep(history: History) -> None:
            for entry in entries:
                history._keep(entry)

        self.run(keep)

    def kept(self, what: str, **asked: Any) -> list[dict[str, Any]]:
        """All "detections", "tracks" or "happenings", the oldest first."""
        table, told = TOLD[what]
        ask = Ask(Filter(**asked), limit=100_000, newest_first=False)
        page = self.run(lambda history: history.page(table, ask))
        assert page.next is None
        return [told(row) for row in page.rows]


def boxes_at(
    wall_us: int, names: Sequence[str], stream: Watched, xyxy: Callable[[int], tuple[float, ...]]
) -> Boxes:
    """Boxes of one answer at a time of day, with sides by the box's number; scores 0.9, 0.89, ..."""
    sides = [[round(100 * side) for side in xyxy(number)] for number in range(len(names))]
    scores = [max(0, 9000 - 100 * number) for number in range(len(names))]
    return Boxes(
        stream, wall_us, wall_us % 10**9, names, scores, sides, [None] * len(names), [False] * len(names)
    )


async def until(condition: Callable[[], bool]) -> None:
    """Returns when it holds; nothing tells of it, so it is asked again and again."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
