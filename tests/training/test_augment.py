"""Views keep boxes and events together, and the plain one is what run time sees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from streaming.events import Events
from streaming.letterbox import Letterbox
from streaming.slicing import Stepper
from training.augment import AugmentSettings, View, draw_view, plain_view, render
from training.datasets import LabelledWindow

GRID = (256, 192)


@pytest.mark.parametrize("size", [(346, 260), (320, 240), (640, 480), (1280, 720), (128, 128), (54, 61)])
def test_the_plain_view_equals_the_stepper(size: tuple[int, int]) -> None:
    width, height = size
    rng = np.random.default_rng(3)
    n, steps, step_us = 5_000, 5, 8_000
    t = np.sort(rng.integers(0, steps * step_us, n))
    t[0], t[-1] = 0, steps * step_us - 1
    x, y, p = rng.integers(width, size=n), rng.integers(height, size=n), rng.integers(2, size=n)
    stepper = Stepper(Letterbox(width, height, *GRID), step_us, start_us=0)
    made = [step.counts.copy() for step in stepper.push(Events.of(t, x, y, p))]
    last = stepper.flush()
    assert last is not None
    made.append(last.counts)
    counts = np.zeros((steps, 2, height, width), np.int64)
    np.add.at(counts, (t // step_us, p, y, x), 1)
    window = LabelledWindow.of(
        counts, np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros((0, 4), np.float32)
    )
    sample = render(window, plain_view(window.shape, GRID), GRID)
    assert np.array_equal(sample.counts, np.stack(made))


def test_the_plain_view_places_boxes_as_the_letterbox_does() -> None:
    window = _block_window(346, 260, (100, 60, 160, 200))
    sample = render(window, plain_view(window.shape, GRID), GRID)
    wanted = Letterbox(346, 260, *GRID).sensor_xyxy_to_grid_xyxy(window.xyxy)
    assert np.allclose(sample.xyxy, wanted, atol=1e-3)


@pytest.mark.parametrize("size", [(346, 260), (304, 240), (640, 480)])
@pytest.mark.parametrize("seed", range(40))
def test_events_of_an_object_stay_inside_its_box(seed: int, size: tuple[int, int]) -> None:
    rng = np.random.default_rng(seed)
    x0, y0 = rng.integers(0, [size[0] - 60, size[1] - 90])
    window = _block_window(*size, (x0, y0, x0 + 60, y0 + 90))
    view = draw_view(replace(AugmentSettings(), noise=0, still=0), window.shape, GRID, rng)
    sample = render(window, view, GRID)
    rows, columns = np.nonzero(sample.counts.sum((0, 1)))
    boxes = sample.xyxy if len(sample.xyxy) else sample.ignore
    assert len(boxes) == int(len(rows) > 0)
    for left, top, right, bottom in boxes:
        assert left - 1 <= columns.min() <= columns.max() <= right
        assert top - 1 <= rows.min() <= rows.max() <= bottom
        if len(sample.xyxy) and view.gain == 1:
            # A full block of events reaches the border of its box to a cell.
            assert columns.max() - columns.min() + 1 >= right - left - 2
            assert rows.max() - rows.min() + 1 >= bottom - top - 2


def test_a_flip_mirrors_events_and_boxes() -> None:
    window = _block_window(256, 192, (10, 20, 40, 100))
    plain = View(1.0, 0.0, 0.0)
    a, b = render(window, plain, GRID), render(window, replace(plain, flip=True), GRID)
    assert np.array_equal(a.counts[..., ::-1], b.counts)
    assert b.xyxy.tolist() == [[216, 20, 246, 100]]


def test_a_swap_exchanges_polarities() -> None:
    window = _block_window(256, 192, (10, 20, 40, 100))
    plain = View(1.0, 0.0, 0.0)
    a, b = render(window, plain, GRID), render(window, replace(plain, swap=True), GRID)
    assert np.array_equal(a.counts[:, ::-1], b.counts)


@pytest.mark.parametrize(("gain", "events"), [(0.25, 0.25), (2.5, 2.5)])
def test_gain_changes_the_number_of_events(gain: float, events: float) -> None:
    window = _block_window(256, 192, (10, 20, 110, 120))
    plain = render(window, View(1.0, 0.0, 0.0), GRID).counts.sum(dtype=np.int64)
    other = render(window, View(1.0, 0.0, 0.0, gain=gain, seed=1), GRID).counts.sum(dtype=np.int64)
    assert other / plain == pytest.approx(events, rel=0.05)


def test_leading_steps_can_be_empty_and_counts_capped() -> None:
    window = _block_window(256, 192, (10, 20, 40, 100))
    sample = render(window, View(1.0, 0.0, 0.0, noise=0.05, clamp=2, first_step=3, seed=4), GRID)
    assert sample.counts[:3].sum() == 0
    assert sample.counts[3:].max() == 2
    assert sample.counts[3:, :, 150:].sum() > 0


def test_hardly_visible_boxes_become_regions_to_ignore() -> None:
    window = _block_window(256, 192, (0, 20, 100, 120))
    cut = render(window, View(1.0, -80.0, 0.0), GRID)
    empty = render(window, View(1.0, 0.0, 0.0, gain=0.0), GRID)
    outside = render(window, View(1.0, -150.0, 0.0), GRID)
    assert len(cut.xyxy) == len(empty.xyxy) == len(outside.xyxy) == 0
    assert cut.ignore.tolist() == [[0, 20, 20, 120]]
    assert len(empty.ignore) == 1
    assert len(outside.ignore) == 0


def test_equal_seeds_make_equal_views(square_window: Callable[..., LabelledWindow]) -> None:
    window = square_window(5)
    views = [draw_view(AugmentSettings(), window.shape, GRID, np.random.default_rng(8)) for _ in range(2)]
    first, second = (render(window, view, GRID) for view in views)
    assert views[0] == views[1]
    assert np.array_equal(first.counts, second.counts)


def _block_window(width: int, height: int, box: tuple[int, int, int, int]) -> LabelledWindow:
    """A window whose every pixel inside `box`, and none outside, has events."""
    x0, y0, x1, y1 = box
    counts = np.zeros((5, 2, height, width), np.int64)
    counts[:, 0, y0:y1, x0:x1], counts[:, 1, y0:y1, x0:x1] = 1, 3
    return LabelledWindow.of(counts, np.array([box], np.float32), np.array([0]), np.zeros((0, 4), np.float32))
