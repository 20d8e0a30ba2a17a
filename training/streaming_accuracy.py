"""`measure_streaming`: a detector on simulated streets, step by step, with its latency charged."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.detections import Detections
from model.detector import Detector
from model.state import State
from streaming.letterbox import Letterbox
from streaming.simulate.source import SimulatedSource, open_simulation
from streaming.slicing import Stepper
from streaming.step import Step
from training.datasets import BoxRule
from training.measure import AP_IOU, AP_THRESHOLD, OnProgress
from training.metrics import Truth
from training.metrics.average_precision import Scores, average_precision
from training.metrics.streaming import DROPPED, TimedAnswer, out_times, paired

SKIP_US = BoxRule().skip_us
DELAYS_MS = (0, 8, 16, 24, 32, 40, 60, 80)
"""Delays of answers at which accuracy is told besides."""


@dataclass(frozen=True, slots=True)
class StreamingSettings:
    """Streets to watch.

    Attributes:
        streets: how many, with the seeds from 0 on; no training has seen any.
        seconds: of each.
        scene: the source without its seed, duration and speed.
        latency_ms: time from a window's end to its answer; None takes the CPU time of every step, which is
            what it lasts on a core of its own.
    """

    streets: int = 4
    seconds: float = 10.0
    scene: str = "sim://street?"
    latency_ms: float | None = None

    def uri(self, seed: int) -> str:
        """The source of one street."""
        joint = "" if self.scene.endswith("?") else "&"
        return f"{self.scene}{joint}seed={seed}&duration_s={self.seconds:g}&speed=max"


@dataclass(frozen=True, slots=True)
class StreamingScores:
    """Average precision over time.

    Attributes:
        scene, streets, seconds: what was watched.
        moments: at which answers were held against the truth: the ends of all steps.
        answers, dropped: windows answered, and given up because the processor was late.
        latency_ms: mean time from a window's end to its answer.
        given_latency_ms: what an answer was charged, None where it was the CPU time of its steps.
        engine: what ran the steps.
        offline_map50, offline_map50_95: every window's answer against the truth at its own end.
        map50, map50_95: at each moment, the newest answer that was out.
        ap50: the same by class.
        energy_mj_s: millijoule for a second of events.
        delays: mAP50 at each moment where every answer took so many milliseconds, none dropped.
    """

    scene: str
    streets: int
    seconds: float
    moments: int
    answers: int
    dropped: int
    latency_ms: float
    given_latency_ms: float | None
    engine: str
    offline_map50: float
    offline_map50_95: float
    map50: float
    map50_95: float
    ap50: dict[str, float]
    energy_mj_s: float
    delays: dict[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class _Watched:
    """One street: answers with the costs of their steps, and the truth at the end of every step.

    T steps make an answer of a network that looks at windows, one an answer of a rolling one.
    """

    found: list[Detections]
    ready_us: NDArray[np.int64]  # (W, T)
    cost_us: NDArray[np.int64]  # (W, T)
    truth: list[tuple[int, Truth]]
    energy_mj: float

    def delayed(self, delay_ms: int) -> list[TimedAnswer]:
        """All answers, each out so long after its end."""
        rows = zip(self.ready_us[:, -1].tolist(), self.found, strict=True)
        return [TimedAnswer(end, end + delay_ms * 1000, found) for end, found in rows]

    def answers(self) -> list[TimedAnswer]:
        """Those of windows that were not dropped."""
        out = out_times(self.ready_us, self.cost_us)
        rows = zip(self.ready_us[:, -1], out, self.found, strict=True)
        return [TimedAnswer(int(end), int(at), found) for end, at, found in rows if at != DROPPED]

    def offline(self) -> list[tuple[Detections, Truth]]:
        """Every answer with the truth at its own window's end."""
        truth = dict(self.truth)
        ends = zip(self.ready_us[:, -1].tolist(), self.found, strict=True)
        return [(found, truth[end]) for end, found in ends if end in truth]


def measure_streaming(
    detector: Detector, settings: StreamingSettings, on_progress: OnProgress | None = None
) -> StreamingScores:
    """Watch the streets and say how good answers are when they are out.

    Answers come with every window of T steps, of rolling networks with every step. The first half second of a
    street does not count.

    Args:
        detector: runs the steps of one stream, on the CPU with one thread.
        settings: what to watch, and the latency.
        on_progress: told the number of streets watched.

    Raises:
        BadSource: the scene's URI means nothing.
    """
    streets: list[_Watched] = []
    for seed in range(settings.streets):
        with open_simulation(settings.uri(seed)) as source:
            streets.append(_watch(detector, source, settings.latency_ms))
        if on_progress:
            on_progress(seed + 1, settings.streets)
    return _scores(detector, settings, streets)


def _watch(detector: Detector, source: SimulatedSource, latency_ms: float | None) -> _Watched:
    card = detector.card
    letterbox = Letterbox(source.info.width or 0, source.info.height or 0, *card.grid)
    steps = list(_steps(source, Stepper(letterbox, card.step_us, start_us=0)))
    each = 1 if card.mode == "rolling" else card.steps
    answers = len(steps) // each
    found, cost_us, energy_mj = [], np.zeros((answers, each), np.int64), 0.0
    state = detector.initial_state(1)
    for index in range(answers):
        counts = [step.counts for step in steps[index * each : (index + 1) * each]]
        if card.mode == "window":
            state = detector.initial_state(1)
        boxes, cost_us[index], state, spent_mj = _answer(detector, counts, state)
        energy_mj += spent_mj
        found.append(boxes.with_xyxy(letterbox.grid_xyxy_to_sensor_xyxy(boxes.xyxy)))
    if latency_ms is not None:
        cost_us[:] = 0
        cost_us[:, -1] = round(latency_ms * 1e3)
    ready_us = np.array([step.t_us[1] for step in steps[: answers * each]], np.int64)
    truth = [(int(t_us), _truth(source, int(t_us))) for t_us in ready_us if t_us > SKIP_US]
    return _Watched(found, ready_us.reshape(answers, each), cost_us, truth, energy_mj)


def _steps(source: SimulatedSource, stepper: Stepper) -> Iterator[Step]:
    for events in source.packets():
        yield from stepper.push(events)
    last = stepper.flush()
    if last is not None:
        yield last


def _answer(
    detector: Detector, window: list[NDArray[np.uint16]], state: State
) -> tuple[Detections, NDArray[np.int64], State, float]:
    """Boxes on the grid, microseconds that each step took (decoding in the last), the state, millijoule."""
    cost_us, energy_mj = np.zeros(len(window), np.int64), 0.0
    for index, counts in enumerate(window):
        begin_s = time.process_time()
        output = detector.step(counts[None], state)
        state = output.state
        if index == len(window) - 1:
            detector.detections(output.maps)  # what run time decodes, at the card's threshold
        cost_us[index] = round((time.process_time() - begin_s) * 1e6)
        energy_mj += float(detector.energy(output.activity)[0])
    (found,) = detector.detections(output.maps, threshold=AP_THRESHOLD, iou=AP_IOU)
    return found, cost_us, state, energy_mj


def _truth(source: SimulatedSource, t_us: int) -> Truth:
    there = source.truth(t_us)
    return Truth(there.xyxy, there.labels, np.zeros((0, 4), np.float32))


def _scores(detector: Detector, settings: StreamingSettings, streets: list[_Watched]) -> StreamingScores:
    classes = detector.card.classes
    answers = [street.answers() for street in streets]
    pairs = [each for street in streets for each in street.offline()]
    offline = average_precision([found for found, _ in pairs], [there for _, there in pairs], classes)
    scores = _paired_scores(answers, streets, classes)
    late = [answer.out_us - answer.end_us for out in answers for answer in out]
    return StreamingScores(
        scene=settings.scene,
        streets=settings.streets,
        seconds=settings.seconds,
        moments=sum(len(street.truth) for street in streets),
        answers=len(late),
        dropped=sum(len(street.found) for street in streets) - len(late),
        latency_ms=float(np.mean(late)) / 1e3 if late else float("nan"),
        given_latency_ms=settings.latency_ms,
        engine=detector.engine.name,
        offline_map50=offline.map50,
        offline_map50_95=offline.map50_95,
        map50=scores.map50,
        map50_95=scores.map50_95,
        ap50=scores.ap50,
        energy_mj_s=sum(street.energy_mj for street in streets) / (settings.streets * settings.seconds),
        delays={
            str(delay): _paired_scores([s.delayed(delay) for s in streets], streets, classes).map50
            for delay in DELAYS_MS
        },
    )


def _paired_scores(
    answers: list[list[TimedAnswer]], streets: list[_Watched], classes: tuple[str, ...]
) -> Scores:
    seen = [paired(out, street.truth, classes) for out, street in zip(answers, streets, strict=True)]
    found = [each for boxes, _ in seen for each in boxes]
    return average_precision(found, [each for _, there in seen for each in there], classes)
