"""A sensor's health on the wire."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True)


class HotPixelTold(_Told):
    x: int
    y: int
    rate_hz: float


class HotPixelsTold(_Told):
    """Pixels that fire far more often than those around them."""

    count: int
    share: float = Field(description="Of all events.")
    worst: list[HotPixelTold]


class FlickerTold(_Told):
    """Brightness that goes up and down at one frequency."""

    hz: float
    share: float = Field(description="Of all events, those that keep its time; an estimate.")
    tiles: list[int]


class TilesTold(_Told):
    """Tiles of the sensor, row by row from the top left."""

    columns: int
    rows: int
    events_per_s: list[float]


class ClockTold(_Told):
    """The sensor's clock over the last minute."""

    backward: int
    forward: int
    standing: bool
    same_time_share: float
    most_at_once: int


class VerdictTold(_Told):
    topic: Literal["rate", "hot_pixels", "flicker", "balance", "silence", "clock"]
    level: Literal["ok", "warn"]
    words: str


class SensorState(_Told):
    """What the last seconds of a sensor's events say; only `level` before the first report."""

    level: Literal["ok", "warn", "unknown"]
    t_us: int | None = None
    seconds: float = Field(0.0, description="Event time that was looked at.")
    events: int = Field(0, description="In that time.")
    events_per_s: float = 0.0
    on_share: float | None = None
    silent_s: float = 0.0
    tiles: TilesTold | None = None
    hot: HotPixelsTold | None = None
    flicker: list[FlickerTold] = []
    clock: ClockTold | None = None
    verdicts: list[VerdictTold] = []
