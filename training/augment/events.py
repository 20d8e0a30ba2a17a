"""Sparse events into a grid, as a view sees them."""

from __future__ import annotations

import math

import numpy as np
from numba import types
from numpy.typing import NDArray

from streaming.compiled import READ_I32, READ_I64, READ_U8, compiled
from training.augment.views import View


def paint_events(
    cell: NDArray[np.uint32],
    count: NDArray[np.uint8],
    shape: tuple[int, int, int, int],
    view: View,
    grid: tuple[int, int],
) -> NDArray[np.uint8]:
    """The counts of a window in a grid.

    Args:
        cell: (N,) flat index into the window's dense counts.
        count: (N,) events there.
        shape: (T, 2, height, width) of the window.
        view: how it is seen.
        grid: (width, height), cells.

    Returns:
        (T, 2, grid height, grid width) counts, saturated at 255.
    """
    counts = np.zeros((shape[0], shape[1], grid[1], grid[0]), np.uint8)
    columns = _cells(shape[3], view.scale, view.left, grid[0])
    rows = _cells(shape[2], view.scale, view.top, grid[1])
    columns = columns[::-1].copy() if view.flip else columns
    size = np.array([shape[0], shape[2], shape[3]], np.int64)
    _splat(cell, count, columns, rows, size, view.swap, view.gain, view.speed, view.shift, view.seed, counts)
    if view.hidden is not None:
        counts[:, :, view.hidden.rows, view.hidden.columns] = 0
    return counts


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
    types.float64,
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
    speed: float,
    shift: float,
    seed: int,
    out: NDArray[np.uint8],
) -> None:
    steps, height, width = size[0], size[1], size[2]
    grid_height, grid_width = out.shape[2], out.shape[3]
    image = 2 * grid_height * grid_width
    flat = out.reshape(-1)
    retimed, slowness = speed != 1.0 or shift != 0.0, 1.0 / speed
    np.random.seed(seed)
    # Cells mostly rise, so that many lie in the row of the one before: divide once a row.
    row_start, row_end, step, line = 0, 0, 0, 0
    for i in range(len(cell)):
        at = np.int64(cell[i])
        if at < row_start or at >= row_end:
            plane = at // width
            row_start = plane * width
            row_end = row_start + width
            y = np.int64(rows[plane % height])
            step, channel = plane // height // 2, plane // height % 2
            line = ((1 - channel if swap else channel) * grid_height + y) * grid_width if y >= 0 else -1
        x = columns[at - row_start]
        if x < 0 or line < 0:
            continue
        events = int(count[i])
        if gain != 1.0:
            mean = events * gain
            events = int(mean) + (1 if np.random.random() < mean - int(mean) else 0)
        if not retimed:
            to = step * image + line + x
            flat[to] = min(255, flat[to] + events)
            continue
        # Steps before the window's end; a cell's events spread evenly over their own step.
        gap = slowness / max(1, events)
        age = (steps - 1 - step) * slowness + shift + np.random.random() * gap
        for _ in range(events):
            if 0 <= age < steps:
                to = (steps - 1 - int(age)) * image + line + x
                flat[to] = min(255, flat[to] + 1)
            age += gap
