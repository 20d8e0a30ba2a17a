"""A source of packets that a test made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Self

from streaming.events import Events
from streaming.source import SourceInfo


class ListSource:
    """Gives its packets once."""

    def __init__(self, packets: Sequence[Events], width: int, height: int) -> None:
        self.info = SourceInfo("list", width, height)
        self.closed = False
        self._packets = packets

    def packets(self) -> Iterator[Events]:
        yield from self._packets

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.closed = True
