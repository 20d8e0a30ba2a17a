"""`sheet_png`: a few moments of a recording side by side, with our boxes and the true ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from benchmarks.real_recordings.watching import Watched
from model.detections import Detections
from service.answers import Answer
from service.clipping import clipped
from streaming.events import Events
from streaming.letterbox import Letterbox
from streaming.picture import (
    DARK,
    Boxes,
    Palette,
    Picture,
    count_events,
    draw_boxes,
    draw_counts,
    encode_png,
    fit_width,
)
from streaming.sources import open_recording
from training.metrics import Truth

MOMENTS = 4
COLUMNS = 2
LEAST_SHARE = 0.02
"""Windows with a smaller share of the fullest one's events are not drawn: there is nothing to see in them."""
WIDTHS = (700, 480, 320)
"""Most columns of one moment: the first that keeps the sheet small is taken, or the last. Pixels of smaller
sensors are enlarged, of larger ones added up, by whole numbers, so that the picture stays even."""
MOST_BYTES = 200_000
TITLE_HEIGHT, GAP = 22, 4
TRUE = (255, 255, 255)
"""Colour of true boxes."""


def moments(answers: Sequence[Answer]) -> list[Answer]:
    """At most `MOMENTS` answers spread over the recording, the one with most events among them."""
    most = max((answer.events for answer in answers), default=0)
    worth = [answer for answer in answers if answer.events >= LEAST_SHARE * most]
    spread = np.linspace(0, len(worth) - 1, min(MOMENTS, len(worth))).round().astype(int).tolist()
    fullest = int(np.argmax([answer.events for answer in worth]))
    if fullest not in spread:
        spread[int(np.argmin([abs(index - fullest) for index in spread]))] = fullest
    return [worth[index] for index in spread]


def sheet_png(watched: Watched, truth: Truth | None) -> bytes:
    """The `moments` in rows: events of the window that was looked at, boxes found, true boxes in white.

    Args:
        watched: a recording with at least one answer.
        truth: sensor pixels; drawn into the judged window alone, of which it is.
    """
    shown = [(answer, _events(watched, answer)) for answer in moments(watched.answers)]
    for width in WIDTHS:
        tiles = [_tile(watched, *each, truth, width) for each in shown]
        data = encode_png(_rows(tiles))
        if len(data) <= MOST_BYTES:
            break
    return data


def _rows(tiles: list[Picture]) -> Picture:
    columns = min(COLUMNS, len(tiles))
    tiles = tiles + [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
    return np.vstack([np.hstack(tiles[first : first + columns]) for first in range(0, len(tiles), columns)])


def _events(watched: Watched, answer: Answer) -> Events:
    begin_us, end_us = (t_us - watched.start_us for t_us in answer.t_us)
    with open_recording(watched.path) as source:
        return Events.concatenate(clipped(source.packets(), begin_us, end_us))


def _tile(watched: Watched, answer: Answer, events: Events, truth: Truth | None, most_width: int) -> Picture:
    width, height = watched.summary.width, watched.summary.height
    shrunk = math.ceil(width / most_width)
    box = Letterbox(width, height, width // shrunk, height // shrunk)
    picture = draw_counts(count_events(events, box))
    picture = fit_width(picture, most_width // box.grid_width * box.grid_width)
    boxes, palette = _boxes(answer.detections, truth if answer is watched.fullest else None)
    picture = draw_boxes(picture, boxes, scale=picture.shape[1] / width, palette=palette)
    return _titled(picture, _title(answer, watched.start_us))


def _boxes(found: Detections, truth: Truth | None) -> tuple[Boxes, Palette]:
    """Found and true boxes as one, so that captions keep clear of each other; each has its own colour."""
    plain = Boxes(found.xyxy, found.label, found.score, found.classes)
    captions = [plain.caption(index) for index in range(len(found))]
    colours = [DARK.boxes[label % len(DARK.boxes)] for label in found.label]
    xyxy = found.xyxy
    if truth is not None:
        xyxy = np.concatenate([xyxy, truth.xyxy])
        captions += [f"true {found.classes[label]}" for label in truth.label]
        colours += [TRUE] * len(truth.label)
    boxes = Boxes(xyxy, np.arange(len(captions)), None, tuple(captions))
    return boxes, replace(DARK, boxes=tuple(colours))


def _title(answer: Answer, start_us: int) -> str:
    begin_ms, end_ms = ((t_us - start_us) / 1000 for t_us in answer.t_us)
    return f"{begin_ms:g}-{end_ms:g} ms   {answer.events:,} events   boxes: {len(answer.detections)}"


def _titled(picture: Picture, title: str) -> Picture:
    tile = cv2.copyMakeBorder(picture, TITLE_HEIGHT, GAP, 0, GAP, cv2.BORDER_CONSTANT, value=(0, 0, 0))
    cv2.putText(tile, title, (4, TITLE_HEIGHT - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.42, DARK.on, 1, cv2.LINE_AA)
    return np.asarray(tile, np.uint8)
