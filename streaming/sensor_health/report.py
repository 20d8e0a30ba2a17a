"""`SensorHealth`: what the last seconds of a sensor's events say about it. Plain values, no compiled code."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, TypeAlias

COLUMNS, ROWS = 8, 6
"""Tiles of the sensor, numbered row by row from the top left."""
TILES = COLUMNS * ROWS
WORST = 16
"""Hot pixels that are named."""

HOT_LEAST_S = 0.2
"""In less time a moving edge looks like hot pixels."""
FLICKER_LEAST_S = 1.0
"""In less time frequencies cannot be told apart."""
FORGET_S = 5.0
"""After so long a silence what was counted says nothing of now."""

Level: TypeAlias = Literal["ok", "warn"]
Topic: TypeAlias = Literal["rate", "hot_pixels", "flicker", "balance", "silence", "clock"]


@dataclass(frozen=True, slots=True)
class HotPixel:
    """A pixel that fires far more often than those around it; `rate_hz` events a second."""

    x: int
    y: int
    rate_hz: float


@dataclass(frozen=True, slots=True)
class HotPixelsFound:
    """All hot pixels.

    Attributes:
        count: how many.
        share: of all events, 0..1.
        worst: the busiest of them, at most `WORST`.
    """

    count: int = 0
    share: float = 0.0
    worst: tuple[HotPixel, ...] = ()


@dataclass(frozen=True, slots=True)
class Flicker:
    """Brightness that goes up and down at one frequency: a lamp, a screen, something that spins.

    Attributes:
        hz: its frequency.
        share: of all events that keep its time, 0..1; an estimate.
        tiles: the tiles in which it is seen.
    """

    hz: float
    share: float
    tiles: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Clock:
    """The sensor's clock.

    Attributes:
        backward: how often time ran back, in the last minute; in a recording, at all.
        forward: how often time leapt ahead of the wall clock by more than a second, likewise.
        standing: events come while their time does not go on.
        same_time_share: events with the time of the event before them, 0..1.
        most_at_once: most events with one and the same time.
    """

    backward: int = 0
    forward: int = 0
    standing: bool = False
    same_time_share: float = 0.0
    most_at_once: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """One finding: what it is about, whether somebody should look, and the words for it."""

    topic: Topic
    level: Level
    words: str


@dataclass(frozen=True, slots=True)
class SensorHealth:
    """What the last seconds say.

    Attributes:
        t_us: time of the newest event, None before the first.
        seconds: event time that was looked at.
        events: in that time.
        events_per_s: now; of a recording, over those seconds.
        on_share: ON events among all, 0..1; None without events.
        silent_s: how long nothing has come.
        tiles: events per second of each tile, `COLUMNS` x `ROWS`.
        hot: hot pixels.
        flicker: the strongest first.
        clock: the sensor's clock.
        verdicts: in words.
    """

    t_us: int | None
    seconds: float
    events: int
    events_per_s: float
    on_share: float | None
    silent_s: float
    tiles: tuple[float, ...]
    hot: HotPixelsFound
    flicker: tuple[Flicker, ...]
    clock: Clock
    verdicts: tuple[Verdict, ...] = ()

    def forgotten(self) -> SensorHealth:
        """Without what was counted before a long silence."""
        return replace(
            self, seconds=0.0, events=0, on_share=None, tiles=(0.0,) * TILES, hot=HotPixelsFound(), flicker=()
        )

    @property
    def level(self) -> Level:
        """ "warn" where a verdict is."""
        return "warn" if any(verdict.level == "warn" for verdict in self.verdicts) else "ok"

    def to_json(self) -> dict[str, Any]:
        """Plain types, rounded to what means something."""
        told = asdict(self)
        told["tiles"] = {
            "columns": COLUMNS,
            "rows": ROWS,
            "events_per_s": [round(rate, 1) for rate in self.tiles],
        }
        rounded: dict[str, Any] = _rounded(told)
        return {"level": self.level, **rounded}


CLASSES = (SensorHealth, HotPixelsFound, HotPixel, Flicker, Clock, Verdict)
"""What a `SensorHealth` is made of, for those who take one from another process."""


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return round(value, 4) if isinstance(value, float) else value
