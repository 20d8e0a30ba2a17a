"""`measure_tracking`: ids that last on simulated streets, beside a plain way and what could be reached."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any

import motrics
import numpy as np
import torch
from numpy.typing import NDArray

from model.boxes import iou_xyxy
from model.detections import Detections
from model.detector import Detector
from model.tracking import Tracker, TrackerSettings, make_tracker
from model.tracking.tracks import NO_TRACK
from streaming.letterbox import Letterbox
from streaming.simulate.source import SimulatedSource, open_simulation
from streaming.simulate.truth import EVERY_US
from streaming.slicing import Stepper
from streaming.step import Step
from training.measure import OnProgress
from training.metrics.tracking import MATCH_IOU, Moment, NamedBoxes, TrackScores, track_scores
from training.streaming_accuracy import SKIP_US, StreamingSettings

CROWDED = "sim://street?people=12&cars=4&bikes=4"
"""The fullest street, where most cross and hide each other."""
CROSSING_IOU = 0.1


@dataclass(frozen=True, slots=True)
class TrackingScores:
    """Tracking on simulated streets.

    Attributes:
        scene, streets, seconds: what was watched.
        moments: at how many of them ids were held against the truth.
        objects, boxes: true ones; an object that leaves and comes back is another one.
        crossings: pairs of objects whose boxes overlapped at some time.
        hidden: times an object was hidden, and then seen again.
        settings: of the tracker.
        tracker: as the service does it.
        overlap: baseline: a box goes on with the box of the answer before that it overlaps.
        named: the boxes that begin tracks, named by the truth: what ids on these boxes can reach.
        true_boxes: the tracker on true boxes: what it does with a detector without fault.
    """

    scene: str
    streets: int
    seconds: float
    moments: int
    objects: int
    boxes: int
    crossings: int
    hidden: int
    settings: dict[str, Any]
    tracker: TrackScores
    overlap: TrackScores
    named: TrackScores
    true_boxes: TrackScores


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One answer: boxes above the tracker's floor, and what is there; None where nobody asks."""

    t_us: int
    found: Detections
    truth: NamedBoxes | None


def measure_tracking(
    detector: Detector, settings: StreamingSettings, on_progress: OnProgress | None = None
) -> TrackingScores:
    """Watch the streets and say how well ids last.

    Ids are held against the truth every 40 ms. The first half second of a street does not count.

    Args:
        detector: runs the steps of one stream.
        settings: what to watch; the latency is not looked at.
        on_progress: told the number of streets watched.

    Raises:
        BadSource: the scene's URI means nothing.
    """
    tracker = TrackerSettings.around(detector.card.threshold)
    streets: list[list[Look]] = []
    for seed in range(settings.streets):
        with open_simulation(settings.uri(seed)) as source, _one_thread():
            streets.append(list(_watch(detector, source, tracker.low)))
        if on_progress:
            on_progress(seed + 1, settings.streets)
    return scores_of(streets, settings, tracker)


def scores_of(
    streets: list[list[Look]], settings: StreamingSettings, tracker: TrackerSettings
) -> TrackingScores:
    """The figures of streets that were watched.

    Args:
        streets: answers of each.
        settings: what was watched.
        tracker: how boxes become tracks.
    """
    truths = [[look.truth for look in street if look.truth is not None] for street in streets]
    return TrackingScores(
        scene=settings.scene,
        streets=settings.streets,
        seconds=settings.seconds,
        moments=sum(map(len, truths)),
        objects=sum(len({each for there in street for each in there.ids.tolist()}) for street in truths),
        boxes=sum(len(there.ids) for street in truths for there in street),
        crossings=sum(map(_crossings, truths)),
        hidden=sum(map(_hidden, truths)),
        settings=asdict(tracker),
        tracker=track_scores(list(tracked(street, tracker)) for street in streets),
        overlap=track_scores(list(_overlapping(street, tracker)) for street in streets),
        named=track_scores(list(_named(street, tracker)) for street in streets),
        true_boxes=track_scores(list(tracked(_perfect(street), tracker)) for street in streets),
    )


def tracked(street: list[Look], settings: TrackerSettings) -> Iterator[Moment]:
    """What the tracker makes of a street: boxes with tracks, of the class of most votes."""
    tracker: Tracker | None = None
    label: dict[int, int] = {}
    for look in street:
        tracker = tracker or make_tracker(look.found.classes, settings=settings)
        answer = tracker.update(look.found, look.t_us)
        label |= {change.track_id: change.label for change in answer.changes}
        has = answer.ids != NO_TRACK
        ids = answer.ids[has]
        voted = np.array([label[each] for each in ids.tolist()], np.int64)
        yield from _moment(look, NamedBoxes(look.found.xyxy[has], voted, ids))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Pictures of a street are small: on a busy machine, threads cost 24 times what they bring."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _watch(detector: Detector, source: SimulatedSource, floor: float) -> Iterator[Look]:
    """Answers with the boxes above `floor`, as run time decodes them; the truth every 40 ms."""
    card = detector.card
    letterbox = Letterbox(source.info.width, source.info.height, *card.grid)
    each = 1 if card.mode == "rolling" else card.steps
    state, asked_us = detector.initial_state(1), SKIP_US
    for index, step in enumerate(_steps(source, Stepper(letterbox, card.step_us, start_us=0))):
        if card.mode == "window" and index % each == 0:
            state = detector.initial_state(1)
        output = detector.step(step.counts[None], state)
        state = output.state
        if (index + 1) % each:
            continue
        (boxes,) = detector.detections(output.maps, threshold=min(floor, card.threshold), iou=card.iou)
        found = boxes.with_xyxy(letterbox.grid_xyxy_to_sensor_xyxy(boxes.xyxy))
        t_us = int(step.t_us[1])
        due = t_us >= asked_us + EVERY_US
        asked_us = t_us if due else asked_us
        yield Look(t_us, found, _truth(source, t_us) if due else None)


def _steps(source: SimulatedSource, stepper: Stepper) -> Iterator[Step]:
    for events in source.packets():
        yield from stepper.push(events)
    last = stepper.flush()
    if last is not None:
        yield last


def _truth(source: SimulatedSource, t_us: int) -> NamedBoxes:
    there = source.truth(t_us)
    return NamedBoxes(there.xyxy, there.labels, there.ids)


def _moment(look: Look, found: NamedBoxes) -> Iterator[Moment]:
    if look.truth is not None:
        yield Moment(look.truth, found)


def _perfect(street: list[Look]) -> list[Look]:
    """The street as a detector without fault would see it, at the moments whose truth is known."""
    return [
        replace(look, found=_certain(look.truth, look.found.classes))
        for look in street
        if look.truth is not None
    ]


def _certain(truth: NamedBoxes, classes: tuple[str, ...]) -> Detections:
    return Detections(truth.xyxy, np.ones(len(truth.ids), np.float32), truth.label, classes)


def _overlapping(street: list[Look], settings: TrackerSettings) -> Iterator[Moment]:
    """Each strong box goes on with the box of the answer before that it overlaps, or is new."""
    before = NamedBoxes(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, np.int64))
    next_id = 1
    for look in street:
        strong = look.found.above(settings.high)
        ids = np.arange(next_id, next_id + len(strong), dtype=np.int64)
        next_id += len(strong)
        for now, then in _pairs(strong.xyxy, strong.label, before, settings.iou):
            ids[now] = before.ids[then]
        before = NamedBoxes(strong.xyxy, strong.label, ids)
        yield from _moment(look, before)


def _named(street: list[Look], settings: TrackerSettings) -> Iterator[Moment]:
    """Each strong box by the name of the object that it finds; those that find none are all different."""
    wrong = -1
    for look in street:
        if look.truth is None:
            continue
        strong = look.found.above(settings.high)
        ids = np.arange(wrong, wrong - len(strong), -1, dtype=np.int64)
        wrong -= len(strong)
        for now, there in _pairs(strong.xyxy, strong.label, look.truth, MATCH_IOU):
            ids[now] = look.truth.ids[there]
        yield Moment(look.truth, NamedBoxes(strong.xyxy, strong.label, ids))


def _pairs(
    xyxy: NDArray[np.float32], label: NDArray[np.int64], others: NamedBoxes, iou: float
) -> Iterator[tuple[int, int]]:
    """Boxes and others of the same class that belong together, by the largest overlap in all."""
    for each in set(label.tolist()):
        mine, theirs = np.flatnonzero(label == each), np.flatnonzero(others.label == each)
        matching = motrics.match_boxes(
            xyxy[mine].astype(np.float64), others.xyxy[theirs].astype(np.float64), iou
        )
        yield from ((int(mine[one]), int(theirs[other])) for one, other in matching.matches)


def _crossings(street: list[NamedBoxes]) -> int:
    met: set[tuple[int, int]] = set()
    for there in street:
        overlap = iou_xyxy(there.xyxy[:, None], there.xyxy[None])
        pairs = combinations(range(len(there.ids)), 2)
        met |= {_pair(there.ids[a], there.ids[b]) for a, b in pairs if overlap[a, b] > CROSSING_IOU}
    return len(met)


def _pair(one: np.int64, other: np.int64) -> tuple[int, int]:
    return int(min(one, other)), int(max(one, other))


def _hidden(street: list[NamedBoxes]) -> int:
    last: dict[int, int] = {}
    hidden = 0
    for moment, there in enumerate(street):
        for each in there.ids.tolist():
            hidden += last.get(each, moment) < moment - 1
            last[each] = moment
    return hidden
