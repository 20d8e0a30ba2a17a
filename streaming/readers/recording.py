"""`Recording`: the base of all file readers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import ClassVar, Self

from streaming.errors import BrokenRecording
from streaming.events import MAX_PACKET_EVENTS, Events, validate
from streaming.readers.sizes import Size
from streaming.source import SourceInfo


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
                part = events[start : start + MAX_PACKET_EVENTS]
                yield from self._valid(part, after_us)
                after_us = int(part.t_us[-1])

    def _valid(self, events: Events, after_us: int | None) -> Iterator[Events]:
        """The packet; where it breaks the contract, what is good before the fault, then the error."""

        def check(count: int) -> None:
            width, height = self.info.width, self.info.height
            validate(events[:count], width, height, after_us=after_us, where=self.name)

        try:
            check(len(events))
        except BrokenRecording:
            if good := longest(len(events), check):
                yield events[:good]
            raise
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
