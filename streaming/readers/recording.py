"""`Recording`: the base of all file readers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from streaming.errors import BrokenRecording
from streaming.events import MAX_PACKET_EVENTS, Events, validate
from streaming.readers.sizes import Size
from streaming.source import SourceInfo

JITTER_US = 100
"""Sensors repeat a few microseconds (Gen4.1: up to 16 after each millisecond); such events keep the newest
time. A larger step back is `BackwardTime`."""


def longest(count: int, check: Callable[[int], object]) -> int:
    """The largest n < `count` for which `check(n)` raises no `BrokenRecording`; it fails for all beyond."""
    good, bad = 0, count
    while bad - good > 1:
        middle = (good + bad) // 2
        try:
            check(middle)
            good = middle
        except BrokenRecording:
            bad = middle
    return good


class Recording(ABC):
    """A file of events, streamed in constant memory; keeps the `Source` protocol.

    A subclass reads the header in `_open` and yields packets in `_read`; the base cuts them to
    `MAX_PACKET_EVENTS` and holds them to the stream's contract.

    Args:
        path: the file.
        stated: size of the sensor as the caller says, used where the file does not say.

    Raises:
        StreamingError: the header cannot be understood.
    """

    format: ClassVar[str]
    jitter_us: ClassVar[int] = 0
    """`JITTER_US` in formats of what a sensor sent."""

    def __init__(self, path: Path, stated: Size | None = None) -> None:
        self.path = path
        with ExitStack() as opened:
            self._info = self._open(opened, stated)
            self._opened = opened.pop_all()

    @property
    def info(self) -> SourceInfo:
        return self._info

    @property
    def name(self) -> str:
        """Name of the file, as messages call it."""
        return self.path.name

    def packets(self) -> Iterator[Events]:
        """Packets in time order, each at most `MAX_PACKET_EVENTS` long. May be called once.

        Raises:
            BrokenRecording: after everything that was whole; the message says where the fault is.
        """
        after_us: int | None = None
        for events in self._read():
            for start in range(0, len(events), MAX_PACKET_EVENTS):
                for part in self._valid(events[start : start + MAX_PACKET_EVENTS], after_us):
                    after_us = int(part.t_us[-1])
                    yield part

    def _valid(self, events: Events, after_us: int | None) -> Iterator[Events]:
        """The packet; where it breaks the contract, what is good before the fault, then the error."""

        def check(events: Events) -> None:
            validate(events, self.info.width, self.info.height, after_us=after_us, where=self.name)

        try:
            check(events)
        except BrokenRecording:
            events = _settled(events, after_us, self.jitter_us)
            if good := longest(len(events) + 1, lambda count: check(events[:count])):
                yield events[:good]
            if good < len(events):
                check(events)
            return
        yield events

    @abstractmethod
    def fraction(self) -> float:
        """How much of the file is read, 0..1."""

    @abstractmethod
    def _open(self, opened: ExitStack, stated: Size | None) -> SourceInfo:
        """Opens what is needed into `opened` and reads the header."""

    @abstractmethod
    def _read(self) -> Iterator[Events]:
        """Events in file order, in packets of any bounded size, not yet checked."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()


def _settled(events: Events, after_us: int | None, jitter_us: int) -> Events:
    """The same events; those up to `jitter_us` older than one before them have the newest time."""
    newest_us = np.maximum.accumulate(events.t_us)
    if after_us is not None:
        newest_us = np.maximum(newest_us, after_us)
    t_us = np.where(newest_us - events.t_us <= jitter_us, newest_us, events.t_us)
    return Events(t_us, events.x, events.y, events.p)
