"""Views: one window seen at another place, size, polarity or sensitivity, with its boxes.

A view maps sensor columns and rows to grid cells by a table, as `streaming.letterbox.Letterbox` does, so that
the plain view of a window holds the counts that the `Stepper` would make of its events.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import types
from numpy.typing import NDArray

from streaming.compiled import READ_I32, READ_I64, READ_U8, compiled
from streaming.letterbox import Letterbox
from training.datasets import LabelledWindow

MAX_COUNT = 255


@dataclass(frozen=True, slots=True)
class AugmentSettings:
    """How far views stray from the plain one.

    Attributes:
        zoom: smallest and largest scale, relative to the letterbox; never more than one cell a sensor pixel.
        flip: probability of a mirror image.
        swap: probability that ON and OFF change places.
        thin: probability of losing a share of the events; `thin_keep` is the range of the share kept.
        gain: probability of more events, as finer or more sensitive sensors have; `gain_max` is the most.
        noise: probability of extra isolated events; `noise_density` is the most, in events per cell and step.
        clamp: probability of a low ceiling (1 to 3 events) on the counts, as a long refractory period gives.
        leading_empty: probability of one or more first steps without any event.
        still: probability that a window is emptied of events and boxes but for noise.
    """

    zoom: tuple[float, float] = (0.6, 1.6)
    flip: float = 0.5
    swap: float = 0.15
    thin: float = 0.35
    thin_keep: tuple[float, float] = (0.15, 0.95)
    gain: float = 0.2
    gain_max: float = 3.0
    noise: float = 0.3
    noise_density: float = 0.004
    clamp: float = 0.15
    leading_empty: float = 0.06
    still: float = 0.01


@dataclass(frozen=True, slots=True)
class View:
    """Where and how one window is seen.

    Attributes:
        scale: grid cells per sensor pixel.
        left, top: grid position of the sensor's corner, cells.
        flip: mirrored left to right.
        swap: ON and OFF exchanged.
        gain: mean number of events made of one; below 1 loses events.
        noise: extra events per cell, step and polarity.
        clamp: ceiling of a cell's count.
        first_step: steps before this one are empty.
        seed: of the events lost, gained and added.
    """

    scale: float
    left: float
    top: float
    flip: bool = False
    swap: bool = False
    gain: float = 1.0
    noise: float = 0.0
    clamp: int = MAX_COUNT
    first_step: int = 0
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One view in the grid.

    Attributes:
        counts: (T, 2, H, W) uint8.
        xyxy: (K, 4) float32, grid cells, inside the grid.
        label: (K,) int64.
        ignore: (M, 4) float32, grid cells.
    """

    counts: NDArray[np.uint8]
    xyxy: NDArray[np.float32]
    label: NDArray[np.int64]
    ignore: NDArray[np.float32]


def plain_view(shape: Sequence[int], grid: tuple[int, int]) -> View:
    """The view of run time: the letterbox of a (..., height, width) sensor in a (width, height) grid."""
    box = Letterbox(shape[-1], shape[-2], *grid)
    return View(box.scale, float(box.pad_x), float(box.pad_y))


def draw_view(
    settings: AugmentSettings, shape: Sequence[int], grid: tuple[int, int], rng: np.random.Generator
) -> View:
    """A random view of a (T, 2, height, width) window in a (width, height) grid."""
    scale = min(1.0, plain_view(shape, grid).scale * _log_uniform(rng, *settings.zoom))
    # Between flush left and flush right, whichever of the two is larger.
    spare_x, spare_y = grid[0] - shape[-1] * scale, grid[1] - shape[-2] * scale
    emptied = rng.random() < settings.still
    return View(
        scale=scale,
        left=spare_x * rng.random(),
        top=spare_y * rng.random(),
        flip=bool(rng.random() < settings.flip),
        swap=bool(rng.random() < settings.swap),
        gain=0.0 if emptied else _draw_gain(settings, rng),
        noise=settings.noise_density * rng.random() ** 2 if rng.random() < settings.noise else 0.0,
        clamp=int(rng.integers(1, 4)) if rng.random() < settings.clamp else MAX_COUNT,
        first_step=int(rng.integers(1, max(2, shape[0]))) if rng.random() < settings.leading_empty else 0,
        seed=int(rng.integers(2**31)),
    )


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _draw_gain(settings: AugmentSettings, rng: np.random.Generator) -> float:
    kind = rng.random()
    if kind < settings.thin:
        return _log_uniform(rng, *settings.thin_keep)
    if kind < settings.thin + settings.gain:
        return float(rng.uniform(1.0, settings.gain_max))
    return 1.0


def render(
    window: LabelledWindow,
    view: View,
    grid: tuple[int, int],
    *,
    min_side: float = 3.0,
    min_visible: float = 0.3,
    min_events: int = 8,
) -> Sample:
    """The window as `view` sees it.

    Boxes cut by the border keep their visible part. A box becomes a region to ignore where it shows less than
    `min_visible` of its area, a side under `min_side` cells, or fewer than `min_events` events.
    """
    counts = np.zeros((window.shape[0], 2, grid[1], grid[0]), np.uint8)
    columns, rows = _tables(window.shape, view, grid)
    size = np.array([view.first_step, window.shape[2], window.shape[3]], np.int64)
    _splat(window.cell, window.count, columns, rows, size, view.swap, view.gain, view.seed, counts)
    if view.noise > 0:
        _add_noise(counts, view)
    if view.clamp < MAX_COUNT:
        np.minimum(counts, view.clamp, out=counts)
    return _with_boxes(window, view, counts, min_side, min_visible, min_events)


def _tables(
    shape: tuple[int, int, int, int], view: View, grid: tuple[int, int]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    columns = _cells(shape[3], view.scale, view.left, grid[0])
    rows = _cells(shape[2], view.scale, view.top, grid[1])
    return (columns[::-1].copy() if view.flip else columns), rows


def _cells(sensor_side: int, scale: float, offset: float, grid_side: int) -> NDArray[np.int32]:
    """The grid cell of every sensor column or row, -1 outside the grid."""
    whole = math.floor(offset)
    cells = np.floor((np.arange(sensor_side) + 0.5) * scale + (offset - whole)).astype(np.int32) + whole
    inside = (cells >= 0) & (cells < grid_side)
    table: NDArray[np.int32] = np.where(inside, cells, -1).astype(np.int32)
    return table


@compiled(
    types.void,
    types.Array(types.uint32, 1, "C", readonly=True),
    READ_U8,
    READ_I32,
    READ_I32,
    READ_I64,
    types.boolean,
    types.float64,
    types.int64,
    types.Array(types.uint8, 4, "C"),
)
def _splat(
    cell: NDArray[np.uint32],
    count: NDArray[np.uint8],
    columns: NDArray[np.int32],
    rows: NDArray[np.int32],
    size: NDArray[np.int64],
    swap: bool,
    gain: float,
    seed: int,
    out: NDArray[np.uint8],
) -> None:
    first_step, height, width = size[0], size[1], size[2]
    np.random.seed(seed)
    for i in range(len(cell)):
        at = cell[i]
        x = columns[at % width]
        plane = at // width
        y = rows[plane % height]
        plane //= height
        step = plane // 2
        if x < 0 or y < 0 or step < first_step:
            continue
        events = int(count[i])
        if gain != 1.0:
            mean = events * gain
            events = int(mean) + (1 if np.random.random() < mean - int(mean) else 0)
        channel = 1 - plane % 2 if swap else plane % 2
        out[step, channel, y, x] = min(255, out[step, channel, y, x] + events)


def _add_noise(counts: NDArray[np.uint8], view: View) -> None:
    rng = np.random.default_rng(view.seed)
    flat = counts.reshape(-1)
    live = flat[view.first_step * counts[0].size :]
    at = rng.integers(0, live.size, rng.poisson(view.noise * live.size))
    live[at] = np.minimum(live[at], MAX_COUNT - 1) + 1


def _with_boxes(
    window: LabelledWindow,
    view: View,
    counts: NDArray[np.uint8],
    min_side: float,
    min_visible: float,
    min_events: int,
) -> Sample:
    grid = (counts.shape[3], counts.shape[2])
    full = boxes_to_view(window.xyxy, view, window.shape[3])
    clipped = _clip(full, grid)
    ignore = _clip(boxes_to_view(window.ignore, view, window.shape[3]), grid)
    present = _area(clipped) > 0
    good = (
        present
        & (_area(clipped) >= min_visible * _area(full))
        & (_sides(clipped).min(1, initial=1e9) >= min_side)
    )
    good &= _events_inside(counts, clipped) >= min_events
    ignore = np.concatenate([ignore[_area(ignore) > 0], clipped[present & ~good]])
    return Sample(counts, clipped[good], window.label[good], ignore)


def boxes_to_view(xyxy: NDArray[np.float32], view: View, sensor_width: int) -> NDArray[np.float32]:
    """(K, 4) boxes in sensor pixels to grid cells, not clipped."""
    if view.flip:
        xyxy = np.stack([sensor_width - xyxy[:, 2], xyxy[:, 1], sensor_width - xyxy[:, 0], xyxy[:, 3]], 1)
    shift = np.array([view.left, view.top] * 2, np.float32)
    return (xyxy * np.float32(view.scale) + shift).astype(np.float32)


def _clip(xyxy: NDArray[np.float32], grid: tuple[int, int]) -> NDArray[np.float32]:
    return np.clip(xyxy, 0, np.array([*grid, *grid], np.float32))


def _sides(xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
    return xyxy[:, 2:] - xyxy[:, :2]


def _area(xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
    area: NDArray[np.float32] = _sides(xyxy).clip(0).prod(1)
    return area


def _events_inside(counts: NDArray[np.uint8], xyxy: NDArray[np.float32]) -> NDArray[np.int64]:
    inside = np.zeros(len(xyxy), np.int64)
    for i, (x0, y0, x1, y1) in enumerate(xyxy.round().astype(int)):
        inside[i] = counts[:, :, y0:y1, x0:x1].sum()
    return inside
