"""Pictures for people: events and boxes drawn as BGR images, encoded for browsers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from streaming.events import Events
from streaming.letterbox import Letterbox
from streaming.slicing import add_packet

Picture: TypeAlias = NDArray[np.uint8]
"""(H, W, 3) uint8, blue, green, red."""
Colour: TypeAlias = tuple[int, int, int]
"""Blue, green, red, 0..255 each."""
Corners: TypeAlias = tuple[int, int, int, int]
"""Left, top, right, bottom, picture pixels."""

FULL_COUNT = 15
"""Events per cell that are drawn at full brightness."""
_LEVELS_PER_COUNT = 8
_LEVELS = FULL_COUNT * _LEVELS_PER_COUNT + 1


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours of a picture. Amber and blue stay apart for colour-blind eyes; boxes keep clear of both."""

    background: Colour = (26, 18, 13)
    off: Colour = (255, 150, 48)
    on: Colour = (72, 184, 255)
    ink: Colour = (20, 14, 10)
    boxes: tuple[Colour, ...] = ((150, 231, 126), (197, 126, 255), (120, 240, 250), (255, 214, 170))


DARK = Palette()


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """Boxes to draw.

    Attributes:
        xyxy: (N, 4) left, top, right, bottom in sensor pixels.
        label: (N,) index into `names`.
        score: (N,) in 0..1; None leaves scores out (true boxes).
        names: class names.
    """

    xyxy: NDArray[Any]
    label: NDArray[Any]
    score: NDArray[Any] | None
    names: tuple[str, ...]

    def caption(self, index: int) -> str:
        name = self.names[int(self.label[index])]
        return name if self.score is None else f"{name} {float(self.score[index]):.2f}"


def count_events(events: Events, letterbox: Letterbox) -> NDArray[np.uint16]:
    """(2, grid_height, grid_width) uint16 counts of `events`; channel 0 is OFF, 1 is ON.

    A picture smaller than the sensor adds neighbours up instead of losing them.

    Raises:
        EventsOutsideSensor: an event lies beyond the sensor.
        BrokenRecording: a polarity is neither 0 nor 1.
    """
    counts = np.zeros((2, letterbox.grid_height, letterbox.grid_width), np.uint16)
    add_packet(events, letterbox.columns(), letterbox.rows(), counts)
    return counts


def draw_counts(counts: NDArray[Any], palette: Palette = DARK) -> Picture:
    """A picture of event counts, brighter by the logarithm of the count.

    Args:
        counts: (2, H, W), any real dtype, not negative: a `Step`'s counts, say.
        palette: its colours.
    """
    table = _colours(palette)
    levels = np.minimum(counts, FULL_COUNT).astype(np.float32) * _LEVELS_PER_COUNT
    off, on = np.ceil(levels).astype(np.int32)
    picture: Picture = table.take(off * _LEVELS + on, axis=0)
    return picture


def fit_width(picture: Picture, width: int) -> Picture:
    """`picture` scaled to `width` columns, its sides in proportion; enlarged pixels stay sharp."""
    height = max(1, round(picture.shape[0] * width / picture.shape[1]))
    if (height, width) == picture.shape[:2]:
        return picture
    how = cv2.INTER_NEAREST if width > picture.shape[1] else cv2.INTER_AREA
    return np.asarray(cv2.resize(picture, (width, height), interpolation=how), np.uint8)


def draw_boxes(picture: Picture, boxes: Boxes, *, scale: float = 1.0, palette: Palette = DARK) -> Picture:
    """A copy of `picture` with boxes, and a chip with label and score over each.

    Args:
        picture: what to draw on.
        boxes: boxes in sensor pixels, best first: it is on top and its chip gets its place first.
        scale: picture pixels per sensor pixel.
        palette: its colours; a label keeps its colour.
    """
    picture = np.ascontiguousarray(picture).copy()
    size = picture.shape[1], picture.shape[0]
    line = 2 if size[0] >= 480 else 1
    corners = [_corners(xyxy * scale, *size) for xyxy in boxes.xyxy]
    colours = [palette.boxes[int(label) % len(palette.boxes)] for label in boxes.label]
    for (left, top, right, bottom), colour in reversed(list(zip(corners, colours, strict=True))):
        cv2.rectangle(picture, (left, top), (right, bottom), palette.ink, line + 2, cv2.LINE_AA)
        cv2.rectangle(picture, (left, top), (right, bottom), colour, line, cv2.LINE_AA)
    taken: list[Corners] = []
    for index, (corner, colour) in enumerate(zip(corners, colours, strict=True)):
        taken.append(_draw_chip(picture, boxes.caption(index), corner, taken, colour, palette.ink))
    return picture


def encode_png(picture: Picture, width: int | None = None) -> bytes:
    """PNG bytes of `picture`, scaled to `width` columns where that is given."""
    return _encode(".png", picture, width, [cv2.IMWRITE_PNG_COMPRESSION, 3])


def encode_webp(picture: Picture, width: int | None = None, quality: int = 75) -> bytes:
    """WebP bytes of `picture`, scaled to `width` columns where that is given; quality 1..100."""
    return _encode(".webp", picture, width, [cv2.IMWRITE_WEBP_QUALITY, quality])


@cache
def _colours(palette: Palette) -> Picture:
    """(_LEVELS * _LEVELS, 3) uint8: the colour of every pair of an OFF level and an ON level."""
    counts = np.arange(_LEVELS) / _LEVELS_PER_COUNT
    bright = np.log1p(24 * counts) / np.log1p(24 * FULL_COUNT)  # 24: a lone event has 0.55
    dark, off, on = (np.array(c, np.float64) for c in (palette.background, palette.off, palette.on))
    mixed = dark + bright[:, None, None] * (off - dark) + bright[None, :, None] * (on - dark)
    table: Picture = np.clip(np.rint(mixed), 0, 255).astype(np.uint8).reshape(-1, 3)
    return table


def _corners(xyxy: NDArray[Any], width: int, height: int) -> Corners:
    left, right = (int(np.clip(round(float(x)), 0, width - 1)) for x in xyxy[0::2])
    top, bottom = (int(np.clip(round(float(y)), 0, height - 1)) for y in xyxy[1::2])
    return left, top, right, bottom


def _draw_chip(
    picture: Picture, text: str, box: Corners, taken: list[Corners], colour: Colour, ink: Colour
) -> Corners:
    """A filled label above its box, or inside or below it where other labels or the border are in the way."""
    height, width = picture.shape[:2]
    size, weight = min(0.55, max(0.36, width / 1600)), 1
    (text_width, text_height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, weight)
    chip_width, chip_height = text_width + 8, text_height + below + 4
    x = max(0, min(box[0] - 1, width - chip_width))
    places = [(x, y, x + chip_width, y + chip_height) for y in (box[1] - chip_height, box[1], box[3])]
    shown = [place for place in places if place[1] >= 0 and place[3] <= height] or places[1:2]
    free = (place for place in shown if not any(_overlap(place, other) for other in taken))
    place = next(free, shown[0])
    cv2.rectangle(picture, place[:2], place[2:], colour, cv2.FILLED)
    baseline = (x + 4, place[1] + 2 + text_height)
    cv2.putText(picture, text, baseline, cv2.FONT_HERSHEY_SIMPLEX, size, ink, weight, cv2.LINE_AA)
    return place


def _overlap(a: Corners, b: Corners) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _encode(suffix: str, picture: Picture, width: int | None, settings: list[int]) -> bytes:
    done, data = cv2.imencode(suffix, picture if width is None else fit_width(picture, width), settings)
    if not done:
        raise RuntimeError(f"OpenCV could not encode a {picture.shape} picture as {suffix}")
    return bytes(data)
