"""`find_hot`: pixels that fire far more often than those around them and than most."""

from __future__ import annotations

import math

import numpy as np
from numba import types
from numpy.typing import NDArray

from streaming.compiled import I64, WRITE_I64, compiled
from streaming.filters.settings import HotPixels
from streaming.sensor_health.report import HOT_LEAST_S, WORST, HotPixel, HotPixelsFound

LEAST_HZ = 10.0
LEAST_EVENTS = 8
FACTOR = HotPixels().factor
"""As the filter `hot_pixels` has it, so that what is named here is what it drops."""
ROOM = 1 << 14
MEDIAN_BINS = 1 << 12
READ_PIXELS = types.Array(types.uint32, 2, "C", readonly=True)


def find_hot(pixels: NDArray[np.uint32], seconds: float, side: int = 1) -> HotPixelsFound:
    """Hot pixels by the events of every pixel.

    A moving edge fires a pixel and its neighbours alike and a lamp covers an area; hot pixels stand alone, in
    twos or threes. So each is measured against its third busiest neighbour, and against the median of all.

    Args:
        pixels: (H, W) events of every pixel, or square of pixels.
        seconds: time in which they came.
        side: of a square, pixels; hot ones are named by their squares' first pixels.
    """
    if seconds < HOT_LEAST_S:
        return HotPixelsFound()
    median = median_of(pixels, np.zeros(MEDIAN_BINS, np.int64))
    least = max(LEAST_EVENTS, math.ceil(LEAST_HZ * seconds), math.ceil(FACTOR * (median + 1)))
    found = np.empty(ROOM, np.int64)
    number = find(pixels, least, FACTOR, found)
    hot = found[: min(number, ROOM)]
    if len(hot) == 0:
        return HotPixelsFound()
    events = pixels.ravel()[hot]
    busiest = np.argsort(events, kind="stable")[::-1][:WORST]
    width = pixels.shape[1]
    worst = tuple(
        HotPixel(int(hot[i]) % width * side, int(hot[i]) // width * side, float(events[i]) / seconds)
        for i in busiest
    )
    return HotPixelsFound(number, float(events.sum()) / max(1, int(pixels.sum(dtype=np.int64))), worst)


@compiled(I64, READ_PIXELS, WRITE_I64)
def median_of(pixels: NDArray[np.uint32], counts: NDArray[np.int64]) -> int:
    """The median of `pixels` (H, W); `counts` are zeros, the last of which takes all from there on."""
    last = len(counts) - 1
    for y in range(pixels.shape[0]):
        for x in range(pixels.shape[1]):
            counts[min(pixels[y, x], last)] += 1
    median, below = 0, counts[0]
    while 2 * below < pixels.size:
        median += 1
        below += counts[median]
    return median


@compiled(I64, READ_PIXELS, I64, I64)
def third_busiest(pixels: NDArray[np.uint32], y: int, x: int) -> int:
    """Events of the third busiest of the pixels around (x, y)."""
    first, second, third = 0, 0, 0
    for row in range(max(0, y - 1), min(pixels.shape[0], y + 2)):
        for column in range(max(0, x - 1), min(pixels.shape[1], x + 2)):
            if row != y or column != x:
                other = pixels[row, column]
                third = max(third, min(second, other))
                second = max(second, min(first, other))
                first = max(first, other)
    return third


@compiled(I64, READ_PIXELS, I64, types.float64, WRITE_I64)
def find(pixels: NDArray[np.uint32], least: int, factor: float, found: NDArray[np.int64]) -> int:
    """Fills `found` with the places (y * W + x) of hot pixels; how many there are, which may be more.

    Args:
        pixels: (H, W) events of every pixel.
        least: events of a hot pixel.
        factor: times the events (plus one) of its third busiest neighbour.
        found: filled from the start.
    """
    number = 0
    for y in range(pixels.shape[0]):
        for x in range(pixels.shape[1]):
            count = pixels[y, x]
            if count >= least and count > factor * (third_busiest(pixels, y, x) + 1):
                if number < len(found):
                    found[number] = y * pixels.shape[1] + x
                number += 1
    return number
