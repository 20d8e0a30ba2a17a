"""`shifted_windows`: a clip in steps whose borders lie elsewhere: how much hangs on where they fall?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from model.detections import Detections
from model.detector import Detector
from streaming.events import Events
from streaming.letterbox import Letterbox
from streaming.slicing import Stepper
from streaming.sources import open_recording
from streaming.step import Step

SHIFTS = 5
"""Parts of a step by which the borders move."""


@dataclass(frozen=True, slots=True, eq=False)
class Shifted:
    """One window that begins off the clip's first event.

    Attributes:
        shift_us: when it begins, microseconds after the first event; below 0 is before.
        seen: share of the clip's events inside it, 0..1.
        boxes: found at the card's threshold, sensor pixels.
    """

    shift_us: int
    seen: float
    boxes: Detections


def shifted_windows(path: Path, detector: Detector) -> Iterator[Shifted]:
    """One window for each shift by fifths of a step, up to four earlier and four later.

    Raises:
        StreamingError: the recording cannot be read, and why.
    """
    card = detector.card
    with open_recording(path) as source:
        box = Letterbox(source.info.width, source.info.height, *card.grid)
        events = Events.concatenate(source.packets())
    for part in range(1 - SHIFTS, SHIFTS):
        shift_us = part * card.step_us // SHIFTS
        stepper = Stepper(box, card.step_us, start_us=int(events.t_us[0]) + shift_us)
        steps = list(islice(_steps(stepper, events), card.steps))
        seen = sum(step.events for step in steps) / len(events)
        yield Shifted(shift_us, seen, _found(steps, detector, box))


def _steps(stepper: Stepper, events: Events) -> Iterator[Step]:
    yield from stepper.push(events)
    last = stepper.flush()
    if last is not None:
        yield last


def _found(steps: list[Step], detector: Detector, box: Letterbox) -> Detections:
    state = detector.initial_state()
    for step in steps:
        output = detector.step(step.counts[None], state)
        state = output.state
    (found,) = detector.detections(output.maps)
    return found.with_xyxy(box.grid_xyxy_to_sensor_xyxy(found.xyxy))
