"""A recording to answers inside this process: what `spikesight detect` runs."""

from __future__ import annotations

from collections.abc import Iterator

from model.detector import Detector
from service.answers import Answer
from service.clipping import clipped
from service.inference import Outcome, StreamBatcher, lane_options
from service.options import DetectOptions
from streaming.letterbox import Letterbox
from streaming.slicing import Stepper
from streaming.source import Source
from streaming.step import Step

__all__ = ["DetectOptions", "detect_recording"]

_ONLY = "recording"


def detect_recording(source: Source, detector: Detector, options: DetectOptions) -> Iterator[Answer]:
    """Answers of a recording, as the service gives them but without processes, queues and drops.

    Args:
        source: opened; read to its end (or to `options.end_us`).
        detector: the model; `options.model` is not looked at.
        options: thresholds, stride, tracking and time range; size and format belong to the source.

    Raises:
        StreamingError: what reading raises, after the answers from what came before.
        ModelError: what the detector raises.
    """
    info, card = source.info, detector.card
    chosen = {
        "threshold": options.threshold,
        "iou": options.iou,
        "stride": options.stride,
        "track": options.track,
    }
    batcher: StreamBatcher[None] = StreamBatcher(detector, max_batch=1)
    batcher.open(_ONLY, lane_options(card, info.width, info.height, chosen))
    stepper = Stepper(Letterbox(info.width, info.height, *card.grid), card.step_us)
    for events in clipped(source.packets(), options.start_us, options.end_us):
        for step in stepper.push(events):
            yield from _answers(batcher, step)
    last = stepper.flush()
    if last is not None:
        yield from _answers(batcher, last)
    rest = batcher.flush(_ONLY)
    if rest is not None:
        yield rest


def _answers(batcher: StreamBatcher[None], step: Step) -> Iterator[Answer]:
    batcher.push(_ONLY, step, None)
    for outcome in batcher.run_once():
        yield from given(outcome)


def given(outcome: Outcome[None]) -> Iterator[Answer]:
    """The answers of an outcome in their order."""
    for answer in (outcome.early, outcome.due):
        if answer is not None:
            yield answer
