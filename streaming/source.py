"""`Source`: anything that gives events, finite or live; `DerivedSource`: the base of one over another.

`streaming.sources` makes one of a path or a URI.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Protocol, Self, TypeAlias

from streaming.events import Events

SizeSource: TypeAlias = Literal["file", "caller", "sensor", "extent"]


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What is known of a source before its first event.

    Attributes:
        format: short name, as `spikesight info` prints it ("evt3", "aedat4", "sim", ...).
        width: columns of the sensor, pixels.
        height: rows of the sensor, pixels.
        live: events cannot be asked for again; a slow consumer loses some instead of holding them up.
        sensor: name of the sensor as far as it is known ("Prophesee Gen4.1"), else None.
        size_source: who said the size: the recording itself ("file"), the caller, the sensor's name, or only
            how far its events reach ("extent", `streaming/readers/sizes.py`).
    """

    format: str
    width: int
    height: int
    live: bool = False
    sensor: str | None = None
    size_source: SizeSource = "file"


class Source(Protocol):
    """A context manager whose `packets` keep the contract at the top of `streaming/events.py`."""

    @property
    def info(self) -> SourceInfo: ...

    def packets(self) -> Iterator[Events]:
        """Packets in time order, each at most `MAX_PACKET_EVENTS` long. May be called once.

        A live source may give empty ones, to say that it is there and nothing came.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class DerivedSource:
    """A source over another, whose sensor and lifetime are its own; a subclass gives the `packets`."""

    def __init__(self, source: Source) -> None:
        self._source = source

    @property
    def info(self) -> SourceInfo:
        return self._source.info

    def __enter__(self) -> Self:
        self._source.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._source.__exit__(kind, error, trace)
