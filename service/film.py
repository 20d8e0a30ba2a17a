"""Films and sheets of a recording: its events, and an answer's boxes over the events it looked at."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from model.detections import Detections
from service.answers import Answer
from streaming.letterbox import Letterbox
from streaming.picture import Boxes, Picture, draw_boxes, draw_counts, fit_width
from streaming.slicing import DEFAULT_MAX_GAP_US, Stepper
from streaming.source import Source
from streaming.step import Step

LEAST_WIDTH = 640
"""Pictures of small sensors are enlarged to this, so that labels can be read."""


def frames(source: Source, frame_us: int, answers: Sequence[Answer] = ()) -> Iterator[Picture]:
    """One picture per `frame_us` of the recording, each of one size.

    Args:
        source: the recording, opened anew.
        frame_us: time that one picture shows, microseconds.
        answers: boxes to draw, in the order of their times; none for events alone.
    """
    ends_us = [answer.t_us[1] for answer in answers]
    for step in _steps(source, frame_us):
        picture = draw_counts(step.counts)
        width = max(picture.shape[1], LEAST_WIDTH)
        scale = width / picture.shape[1]
        picture = fit_width(picture, width)
        nearest = _nearest(ends_us, step.t_us[1], frame_us)
        if nearest is not None:
            picture = draw_boxes(picture, _boxes(answers[nearest].detections), scale=scale)
        yield picture


def _steps(source: Source, frame_us: int) -> Iterator[Step]:
    info = source.info
    letterbox = Letterbox(info.width, info.height, info.width, info.height)
    stepper = Stepper(letterbox, frame_us, max_gap_us=max(frame_us, DEFAULT_MAX_GAP_US))
    for packet in source.packets():
        yield from stepper.push(packet)
    if (last := stepper.flush()) is not None:
        yield last


def _nearest(ends_us: list[int], end_us: int, within_us: int) -> int | None:
    """Index of the answer that ends nearest to `end_us`, None where none ends within one frame of it."""
    right = bisect_left(ends_us, end_us)
    near = [index for index in (right - 1, right) if 0 <= index < len(ends_us)]
    best = min(near, key=lambda index: abs(ends_us[index] - end_us), default=None)
    return best if best is not None and abs(ends_us[best] - end_us) < within_us else None


def _boxes(detections: Detections) -> Boxes:
    return Boxes(detections.xyxy, detections.label, detections.score, detections.classes)
