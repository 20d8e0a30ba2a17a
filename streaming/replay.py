"""`Replay`: a recording played by the clock, once or for ever."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, TypeAlias
from urllib.parse import parse_qsl

import numpy as np

from streaming.errors import BadSource
from streaming.events import Events
from streaming.filters.settings import Setting, parse_filter
from streaming.source import DerivedSource, Source

Speed: TypeAlias = float | Literal["max"]

SLICE_US = 5_000
"""Longest slice of event time given at once, so that a live picture moves smoothly."""
TURN_US = 1_000
"""Time between the last event of one turn and the first of the next."""
LONGEST_PAUSE_S = 5.0
"""Longer silences of a recording (or forged times) are cut to this."""


class Replay(DerivedSource):
    """A `Source` that gives another's events when their time has come.

    Packets are cut into slices of at most `slice_us`; each is given when the clock has reached its end.
    With `loop` the source is opened again at its end, and time goes on: it never runs backward. A consumer
    that is late gets the next slices at once, until it has caught up.

    Args:
        open_again: opens the source; called once, and again for every further turn of a loop.
        speed: event seconds per second, 0.001..1000, or "max" for no waiting at all.
        loop: begins anew at the end; a source without events ends all the same.
        slice_us: longest slice, microseconds of event time.
        clock: seconds, as `time.monotonic`.
        sleep: waits for seconds.

    Raises:
        BadSource: the speed is out of range.
        StreamingError: as `open_again`.
    """

    def __init__(
        self,
        open_again: Callable[[], Source],
        *,
        speed: Speed = 1.0,
        loop: bool = False,
        slice_us: int = SLICE_US,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if speed != "max" and not 0.001 <= speed <= 1_000:
            raise BadSource(f"speed must be 0.001..1000 or max, got {speed}")
        self._open_again, self._speed, self._loop, self._slice_us = open_again, speed, loop, slice_us
        self._clock, self._sleep = clock, sleep
        self._zero_s: float | None = None
        super().__init__(open_again())

    @property
    def event_clock_s(self) -> float | None:
        """The clock at event time 0 where events play at its speed, for latencies; None before the first."""
        return self._zero_s if self._speed == 1 else None

    def packets(self) -> Iterator[Events]:
        """Slices in time order, each when its time has come. May be called once."""
        newest_us: int | None = None
        while True:
            shift_us: int | None = None
            for packet in self._source.packets():
                if shift_us is None and len(packet):
                    shift_us = 0 if newest_us is None else newest_us + TURN_US - int(packet.t_us[0])
                moved = Events(packet.t_us + (shift_us or 0), packet.x, packet.y, packet.p)
                newest_us = int(moved.t_us[-1]) if len(moved) else newest_us
                yield from self._paced(moved)
            if not self._loop or shift_us is None:
                return
            self._reopen()

    def _reopen(self) -> None:
        self._source.__exit__(None, None, None)
        self._source = self._open_again()
        self._source.__enter__()

    def _paced(self, events: Events) -> Iterator[Events]:
        if self._speed == "max" or len(events) == 0:
            yield events
            return
        begin = 0
        while begin < len(events):
            end = int(np.searchsorted(events.t_us, events.t_us[begin] + self._slice_us))
            self._wait_for(int(events.t_us[end - 1]) / 1e6 / self._speed)
            yield events[begin:end]
            begin = end

    def _wait_for(self, played_s: float) -> None:
        """Waits until the clock shows `played_s` after the zero of event time, scaled by the speed."""
        now_s = self._clock()
        if self._zero_s is None:
            self._zero_s = now_s - played_s
        wait_s = self._zero_s + played_s - now_s
        if wait_s > LONGEST_PAUSE_S:
            self._zero_s -= wait_s - LONGEST_PAUSE_S
        if wait_s > 0:
            self._sleep(min(wait_s, LONGEST_PAUSE_S))


def replayed(open_again: Callable[[], Source], query: str) -> Source:
    """The source of a URI with a query: `speed=1&loop=1&filter=hot_pixels&filter=region:0,0,320,240`.

    Without `speed` nothing waits; `loop=1` alone plays at speed 1. Filters run in their order.

    Raises:
        BadSource: a key or value that means nothing; the message names what is allowed.
        StreamingError: as `open_again`.
    """
    values = dict(pairs := parse_qsl(query, keep_blank_values=True))
    unknown = sorted(set(values) - {"speed", "loop", "filter"})
    if unknown:
        raise BadSource(f"found {unknown[0]!r} in a source's query; it may have speed, loop and filter")
    settings = [parse_filter(text) for key, text in pairs if key == "filter"]
    if settings:
        open_again = _filtering(open_again, settings)
    loop = _flag(values.get("loop", "0"))
    if "speed" not in values and not loop:
        return open_again()
    return Replay(open_again, speed=_speed(values.get("speed", "1")), loop=loop)


def _filtering(open_again: Callable[[], Source], settings: Sequence[Setting]) -> Callable[[], Source]:
    from streaming.filters.chain import FilteredSource  # compiled kernels, only where filters run

    return lambda: FilteredSource(open_again(), settings)


def _speed(text: str) -> Speed:
    if text == "max":
        return "max"
    try:
        return float(text)
    except ValueError:
        raise BadSource(f"speed must be 0.001..1000 or max, got {text!r}") from None


def _flag(text: str) -> bool:
    flags = {"1": True, "true": True, "0": False, "false": False}
    if text.lower() not in flags:
        raise BadSource(f"loop must be 1 or 0, got {text!r}")
    return flags[text.lower()]
