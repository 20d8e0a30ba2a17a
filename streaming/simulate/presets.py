"""Sensors one can buy, as ranges: each scene of training draws its own, a long scene has the typical one.

Figures are from the makers' data sheets where they state them (size, rate of the bus, latency) and else wide
guesses around what recordings of such sensors show.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from streaming.simulate.sensor import SensorSettings

TYPICAL_SPREAD: Final = 0.1
"""Of a range, the share around its middle that is typical."""


@dataclass(frozen=True)
class Preset:
    """A model of sensor.

    Attributes:
        width, height: px.
        render_scale: rendered px per sensor px at which training windows are drawn.
        sensor: its traits in training.
        stamp_us: how coarse its timestamps are.
    """

    width: int
    height: int
    render_scale: float
    sensor: SensorSettings
    stamp_us: int = 1

    def typical(self, night: bool) -> SensorSettings:
        """The sensor in the middle of the ranges, by day or at night."""
        ranges: dict[str, Any] = {
            field.name: _middle(*value)
            for field in fields(self.sensor)
            if isinstance(value := getattr(self.sensor, field.name), tuple)
        }
        return replace(self.sensor, **ranges, bias=self.sensor.bias / 4, night_chance=float(night))


def _middle(low: float, high: float) -> tuple[float, float]:
    """The middle of a range by the logarithm, where it does not begin at 0."""
    if low <= 0:
        middle, half = (low + high) / 2, (high - low) * TYPICAL_SPREAD / 2
        return middle - half, middle + half
    middle, factor = math.sqrt(low * high), (high / low) ** (TYPICAL_SPREAD / 2)
    return middle / factor, middle * factor


DAVIS346: Final = SensorSettings(bus_hz=12e6)
DVXPLORER: Final = SensorSettings(
    threshold=(0.2, 0.5), mismatch=(0.05, 0.25), refractory_s=(0.001, 0.008), jitter_s=(0.0001, 0.001),
    shot_noise=(0.004, 0.06), noise_hz=(0.05, 1.5), bus_hz=200e6,
)  # fmt: skip
GEN1: Final = SensorSettings(
    threshold=(0.15, 0.4), bias=0.25, time_constant_s=(0.0004, 0.006), follower_s=(0.0002, 0.002),
    refractory_s=(0.0005, 0.008), shot_noise=(0.003, 0.03), noise_hz=(0.01, 0.3), bus_hz=30e6,
)  # fmt: skip
GEN3: Final = SensorSettings(
    threshold=(0.15, 0.4), mismatch=(0.03, 0.15), bias=0.25, lean=-0.1, time_constant_s=(0.0002, 0.003),
    follower_s=(0.0001, 0.001), refractory_s=(0.0002, 0.008), shot_noise=(0.003, 0.05),
    noise_hz=(0.005, 0.2), bus_hz=50e6,
)  # fmt: skip
GEN4: Final = SensorSettings(
    threshold=(0.15, 0.4), mismatch=(0.02, 0.12), bias=0.2, lean=0.1, time_constant_s=(0.0001, 0.002),
    follower_s=(0.0001, 0.0008), refractory_s=(0.0002, 0.006), jitter_s=(0.00001, 0.0003),
    shot_noise=(0.004, 0.08), noise_hz=(0.05, 4.0), hot_share=(1e-6, 5e-5), bus_hz=60e6,
)  # fmt: skip

PRESETS: Final[Mapping[str, Preset]] = {
    "davis346": Preset(346, 260, 0.5, DAVIS346),
    "dvxplorer": Preset(640, 480, 0.27, DVXPLORER, stamp_us=100),
    "gen1": Preset(304, 240, 0.57, GEN1),
    "gen3": Preset(640, 480, 0.27, GEN3),
    "gen4": Preset(1280, 720, 0.2, GEN4),
}
"""By the names that `sim://street?sensor=` takes."""
