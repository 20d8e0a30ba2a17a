"""`CONDITIONS`: the same weights on windows of other light, cameras, sensors, noise and time steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from model.card import Card
from model.networks import Runnable
from streaming.simulate.presets import PRESETS, Preset
from streaming.simulate.windows import WindowSettings
from training.datasets import LabelledWindow
from training.datasets.scenes import CALL, simulate_call
from training.datasets.simulated import HELD_OUT_SEEDS
from training.measure import OnProgress, Report, measure

USUAL = "davis346"
LEAST_SUB_FRAMES = 4
STEP_US = (4_000, 8_000, 16_000)
STEPS = (2, 3, 4, 6, 8, 10)
RAIN_HZ = (2.0, 5.0)
"""Background events a second and pixel; sensors at night have about a tenth."""
SHAKE_PX, SHAKE_HZ = (1.5, 4.0), (6.0, 14.0)


@dataclass(frozen=True, slots=True)
class Condition:
    """What windows are measured under.

    Attributes:
        name: a few words.
        window: what is simulated.
    """

    name: str
    window: WindowSettings


@dataclass(frozen=True, slots=True)
class ConditionScores:
    """What weights do under a condition.

    Attributes:
        name: of the condition.
        windows, boxes: how many.
        map50: mean over classes. ap50: by class name; NaN without boxes.
        recall, false_boxes: at the default threshold; false boxes a window.
    """

    name: str
    windows: int
    boxes: int
    map50: float
    ap50: dict[str, float]
    recall: float
    false_boxes: float

    @classmethod
    def of(cls, name: str, report: Report) -> ConditionScores:
        scores, operating = report.scores, report.operating
        return cls(
            name, report.windows, report.boxes, scores.map50, scores.ap50, operating.recall,
            operating.false_boxes,
        )  # fmt: skip


def conditions(step_us: int, steps: int) -> tuple[Condition, ...]:
    """Day first; every other condition differs from it in one thing.

    Args:
        step_us: length of the network's steps.
        steps: T, how many it was trained on.
    """
    day = _seen_by(WindowSettings(steps=steps, step_us=step_us), PRESETS[USUAL])
    return tuple(Condition(name, window) for name, window in _variants(day))


def _variants(day: WindowSettings) -> Iterator[tuple[str, WindowSettings]]:
    yield f"day, {_sensor_name(USUAL)}", day
    yield "night", replace(day, sensor=replace(day.sensor, night_chance=1.0))
    yield "rain of noise", replace(day, sensor=replace(day.sensor, noise_hz=RAIN_HZ))
    yield "still camera", replace(day, camera=replace(day.camera, still_chance=1.0))
    shaking = replace(day.camera, still_chance=0.0, shake_px=SHAKE_PX, shake_hz=SHAKE_HZ)
    yield "camera shake", replace(day, camera=shaking)
    for name, preset in PRESETS.items():
        if name != USUAL:
            yield _sensor_name(name), _seen_by(day, preset)
    for step_us in STEP_US:
        if step_us != day.step_us:
            yield _steps_name(day.steps, step_us), _timed(day, day.steps, step_us)
    for steps in STEPS:
        if steps != day.steps:
            yield _steps_name(steps, day.step_us), _timed(day, steps, day.step_us)


def _sensor_name(name: str) -> str:
    return f"{name} {PRESETS[name].width} x {PRESETS[name].height}"


def _seen_by(window: WindowSettings, preset: Preset) -> WindowSettings:
    """The same scenes by day, seen by another sensor."""
    return replace(
        window,
        sensor_width=preset.width,
        sensor_height=preset.height,
        render_scale=preset.render_scale,
        sensor=replace(preset.sensor, night_chance=0.0),
    )


def _steps_name(steps: int, step_us: int) -> str:
    return f"{steps} steps of {step_us / 1000:g} ms"


def _timed(day: WindowSettings, steps: int, step_us: int) -> WindowSettings:
    """Other steps, with pictures rendered about as densely in time."""
    sub_frames = round(day.sub_frames * steps * step_us / (day.steps * day.step_us))
    return replace(day, steps=steps, step_us=step_us, sub_frames=max(sub_frames, LEAST_SUB_FRAMES))


def windows_of(condition: Condition, count: int) -> list[LabelledWindow]:
    """Its first `count` held-out windows; all conditions have the same seeds. They are not kept on disk."""
    seeds = HELD_OUT_SEEDS[: -(-count // CALL)]
    return [window for seed in seeds for window in simulate_call(condition.window, seed)][:count]


def measure_conditions(
    network: Runnable,
    card: Card,
    count: int,
    on_progress: OnProgress | None = None,
    *,
    among: Sequence[Condition] | None = None,
) -> tuple[ConditionScores, ...]:
    """The network on `count` windows of each condition, at the card's threshold.

    Args:
        network: of the card.
        card: its classes, grid, encoding, steps and threshold.
        count: windows of each condition.
        on_progress: told the number of conditions measured.
        among: the conditions; `conditions` of the card's steps where it is None.
    """
    found = []
    everything = conditions(card.step_us, card.steps) if among is None else among
    for condition in everything:
        windows = windows_of(condition, count)
        report = measure(
            network, windows, card.grid, card.classes, encoding=card.encoding, threshold=card.threshold
        )
        found.append(ConditionScores.of(condition.name, report))
        if on_progress:
            on_progress(len(found), len(everything))
    return tuple(found)
