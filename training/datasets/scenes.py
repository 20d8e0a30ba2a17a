"""`SceneSettings` and `simulate`: one call of the simulator as labelled windows."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

import numpy as np

from streaming.simulate.presets import DAVIS346, DVXPLORER, PRESETS, Preset
from streaming.simulate.sensor import SensorSettings
from streaming.simulate.windows import WindowSettings, simulate_windows
from training.datasets import LabelledWindow

CHUNK = 64
CALL = 16
CALLS = CHUNK // CALL


@dataclass(frozen=True, slots=True)
class Sensor:
    """A sensor that scenes are seen with.

    Attributes:
        width, height: pixels.
        render_scale: rendered px per sensor px.
        share: of the simulator's calls, relative to the other sensors'.
        pixels: their traits.
    """

    width: int
    height: int
    render_scale: float
    share: float
    pixels: SensorSettings = DAVIS346

    @classmethod
    def of(cls, preset: Preset, share: float) -> Sensor:
        return cls(preset.width, preset.height, preset.render_scale, share, preset.sensor)


SENSORS = (
    Sensor.of(PRESETS["davis346"], 0.62),
    Sensor(346, 260, 0.75, 0.06),
    Sensor(320, 240, 0.54, 0.1, DVXPLORER),
    Sensor.of(PRESETS["gen1"], 0.09),
    Sensor.of(PRESETS["dvxplorer"], 0.06),
    Sensor.of(PRESETS["gen3"], 0.05),
    Sensor.of(PRESETS["gen4"], 0.02),
)
"""A DAVIS346 most often, one in eleven of them rendered finely: lenses differ in sharpness. The 320 x 240 one
has a DVXplorer's pixels."""


@dataclass(frozen=True, slots=True)
class SceneSettings:
    """What is simulated.

    Attributes:
        step_us: time of one step, microseconds.
        steps: T, steps of a window.
        sensors: one is drawn for each call of the simulator, which makes `CALL` windows.
    """

    step_us: int = 8_000
    steps: int = 5
    sensors: tuple[Sensor, ...] = SENSORS

    @property
    def classes(self) -> tuple[str, ...]:
        return ("person", "car", "two-wheeler")

    def window(self, sensor: Sensor) -> WindowSettings:
        """What the simulator is asked for."""
        return WindowSettings(
            sensor_width=sensor.width,
            sensor_height=sensor.height,
            render_scale=sensor.render_scale,
            steps=self.steps,
            step_us=self.step_us,
            sensor=sensor.pixels,
        )

    def fingerprint(self) -> str:
        """Eight hex digits that differ for other settings, the simulator's own among them."""
        everything = [asdict(self), *(asdict(self.window(sensor)) for sensor in self.sensors)]
        return hashlib.sha256(json.dumps(everything, sort_keys=True).encode()).hexdigest()[:8]


def simulate(settings: SceneSettings, seed: int) -> list[LabelledWindow]:
    """`CALL` windows; the same for the same settings and seed."""
    window = settings.window(_draw_sensor(settings.sensors, seed))
    return simulate_call(window, seed)


def simulate_call(window: WindowSettings, seed: int) -> list[LabelledWindow]:
    """`CALL` windows of one sensor; the same for the same settings and seed."""
    made = simulate_windows(window, seed=seed, batch=CALL)
    counts = made.counts.numpy()
    return [
        LabelledWindow.of(counts[b], made.boxes[b].numpy(), made.labels[b].numpy(), made.ignore[b].numpy())
        for b in range(CALL)
    ]


def _draw_sensor(sensors: tuple[Sensor, ...], seed: int) -> Sensor:
    shares = np.array([sensor.share for sensor in sensors])
    return sensors[int(np.random.default_rng(seed).choice(len(sensors), p=shares / shares.sum()))]
