"""What observers need to be tested without a source: a stream that is told what it brings, and documents."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from model.detections import Detections
from model.tracking.tracks import NO_TRACK, Change, TrackChange
from service.answers import Answer
from service.channel import Message
from service.errors import StoreUnavailable
from service.happenings import Happening
from service.observers import LinkState, Observer
from service.options import StreamSpec
from streaming.source import SourceInfo

CLASSES = ("person", "car", "two-wheeler")
ANSWER_US = 40_000
Box = tuple[float, float, float, float]


class MemoryDocuments:
    """As the database keeps them: JSON texts. `broken` makes it refuse."""

    def __init__(self) -> None:
        self.texts: dict[tuple[str, str], str] = {}
        self.broken = False

    async def save(self, kind: str, key: str, body: dict[str, Any]) -> None:
        self._check()
        self.texts[kind, key] = json.dumps(body, allow_nan=False)

    async def delete(self, kind: str, key: str) -> bool:
        self._check()
        return self.texts.pop((kind, key), None) is not None

    async def all(self, kind: str) -> dict[str, dict[str, Any]]:
        self._check()
        return {key: json.loads(text) for (of, key), text in self.texts.items() if of == kind}

    def kinds(self) -> set[str]:
        return {kind for kind, _ in self.texts}

    def _check(self) -> None:
        if self.broken:
            raise StoreUnavailable("the database is locked")


class ObservedStream:
    """A `StreamPort` whose observers are added by hand and told what happens as a live stream would."""

    def __init__(self, name: str = "front", *, keep: bool = True, track: bool = True) -> None:
        self.id, self.name = f"id-of-{name}", name
        self.spec = StreamSpec("sim://street", name, keep=keep, track=track)
        self.classes = CLASSES
        self.info: SourceInfo | None = None
        self.observers: list[Observer] = []
        self.messages: list[Message] = []
        self.happenings: list[Happening] = []
        self.t_us = 0
        self.running = True

    def publish(self, message: Message) -> None:
        json.dumps(message, allow_nan=False)
        self.messages.append(message)

    def happened(self, happening: Happening) -> None:
        self.happenings.append(happening)
        self.publish(happening.to_message())
        for observer in self.observers:
            observer.happened(happening)

    def command(self, message: Message) -> None:
        raise AssertionError("there is no child")

    def told_of(self, kind: str) -> list[Message]:
        return [message for message in self.messages if message["type"] == kind]

    # what a source brings

    def size(self, width: int = 320, height: int = 240) -> None:
        self.info = SourceInfo("sim", width, height, live=True)
        for observer in self.observers:
            observer.sized(self.info)

    def answer(
        self,
        boxes: Sequence[tuple[str, float, Box]] = (),
        changes: Sequence[TrackChange] = (),
        *,
        track_ids: Sequence[int] | None = None,
    ) -> None:
        """The next answer, 40 ms later: boxes as (label, score, xyxy)."""
        self.t_us += ANSWER_US
        detections = Detections(
            np.array([xyxy for _, _, xyxy in boxes], np.float32).reshape(-1, 4),
            np.array([score for _, score, _ in boxes], np.float32),
            np.array([CLASSES.index(label) for label, _, _ in boxes], np.int64),
            CLASSES,
        )
        ids = np.array(track_ids if track_ids is not None else [NO_TRACK] * len(boxes), np.int64)
        told = Answer(
            0,
            (self.t_us - ANSWER_US, self.t_us),
            5,
            detections,
            10,
            "cpu",
            track_ids=ids,
            changes=tuple(changes),
        )
        for observer in self.observers:
            observer.answered(told)

    def track(
        self, track_id: int, point: tuple[float, float], label: str = "person", change: Change = "update"
    ) -> None:
        """The next answer, with one track whose box stands on `point`."""
        self.answer(changes=[self.change(track_id, point, label, change)])

    def change(
        self, track_id: int, point: tuple[float, float], label: str = "person", change: Change = "update"
    ) -> TrackChange:
        x, y = point
        return track_change(track_id, (x - 5, y - 20, x + 5, y), self.t_us + ANSWER_US, label, change)

    def link(self, state: LinkState) -> None:
        for observer in self.observers:
            observer.linked(state, "")

    def reset(self) -> None:
        for observer in self.observers:
            observer.was_reset("requested")

    def tick(self) -> None:
        for observer in self.observers:
            observer.tick()

    def end(self) -> None:
        self.running = False
        for observer in self.observers:
            observer.ended()

    def status(self) -> dict[str, Any]:
        about: dict[str, Any] = {}
        for observer in self.observers:
            about |= observer.status()
        json.dumps(about, allow_nan=False)
        return about


def track_change(
    track_id: int, xyxy: Box, t_us: int, label: str = "person", change: Change = "update"
) -> TrackChange:
    votes = tuple(float(name == label) for name in CLASSES)
    return TrackChange(change, track_id, CLASSES.index(label), 0.9, xyxy, (0.0, 0.0), votes, t_us, 0)
