"""`measure_latency`: what a step and an answer cost on one core."""

from __future__ import annotations

import platform
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model.detector import Detector
from streaming.simulate.windows import WindowSettings
from training.augment import plain_view, render
from training.datasets.scenes import simulate_call
from training.datasets.simulated import HELD_OUT_SEEDS

CPU_INFO = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True)
class Latency:
    """CPU ms of one stream on one thread.

    Attributes:
        engine: what ran the steps.
        machine: the processor.
        step_ms, step_p90_ms: median and 90th percentile of a step.
        decode_ms: median of decoding and suppression, once an answer.
        answer_ms: from a window's last event to its boxes: one step and decoding.
        window_ms: all steps of a window and decoding: the load of one stream in each window's time.
    """

    engine: str
    machine: str
    step_ms: float
    step_p90_ms: float
    decode_ms: float
    answer_ms: float
    window_ms: float


def measure_latency(detector: Detector) -> Latency:
    """Medians over held-out simulated windows.

    Args:
        detector: on the CPU with one thread.
    """
    card = detector.card
    windows = simulate_call(WindowSettings(steps=card.steps, step_us=card.step_us), HELD_OUT_SEEDS.start)
    step_ms, decode_ms = [], []
    for window in windows:
        sample = render(window, plain_view(window.shape, card.grid), card.grid)
        state = detector.initial_state(1)
        for counts in sample.counts.astype(np.uint16):
            begin_s = time.process_time()
            output = detector.step(counts[None], state)
            step_ms.append((time.process_time() - begin_s) * 1e3)
            state = output.state
        begin_s = time.process_time()
        detector.detections(output.maps)
        decode_ms.append((time.process_time() - begin_s) * 1e3)
    step, decode = float(np.median(step_ms)), float(np.median(decode_ms))
    return Latency(
        engine=detector.engine.name,
        machine=_machine(),
        step_ms=step,
        step_p90_ms=float(np.percentile(step_ms, 90)),
        decode_ms=decode,
        answer_ms=step + decode,
        window_ms=card.steps * step + decode,
    )


def _machine() -> str:
    """The processor's name where the system tells it."""
    if CPU_INFO.exists():
        for line in CPU_INFO.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
