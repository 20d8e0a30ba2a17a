"""Views keep boxes and events together, and the plain one is what run time sees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from streaming.events import Events
from streaming.letterbox import Letterbox
from streaming.slicing import Stepper
from training.augment import (
    NO_AUGMENT,
    AugmentSettings,
    Burst,
    Faults,
    Region,
    Sample,
    View,
    compose,
    draw_faults,
    draw_tiling,
    draw_view,
    plain_view,
    render,
    spoil,
)
from training.batches import Batches
from training.datasets import LabelledWindow
from training.datasets.pool import DirectChunks, Pool
from training.settings import TrainSettings

GRID = (256, 192)
WHOLE = Region(0, 0, *GRID)
PLAIN = View(1.0, 0.0, 0.0)


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
    view = draw_view(AugmentSettings(still=0, hide=0), window.shape, GRID, rng)
    sample = render(window, view, GRID)
    rows, columns = np.nonzero(sample.counts.sum((0, 1)))
    boxes = sample.xyxy if len(sample.xyxy) else sample.ignore
    assert len(boxes) == int(len(rows) > 0)
    for left, top, right, bottom in boxes:
        assert left - 1 <= columns.min() <= columns.max() <= right
        assert top - 1 <= rows.min() <= rows.max() <= bottom
        if len(sample.xyxy) and view.gain == 1 and view.speed == 1:
            # A full block of events reaches the border of its box to a cell.
            assert columns.max() - columns.min() + 1 >= right - left - 2
            assert rows.max() - rows.min() + 1 >= bottom - top - 2


def test_a_flip_mirrors_events_and_boxes() -> None:
    window = _block_window(256, 192, (10, 20, 40, 100))
    a, b = render(window, PLAIN, GRID), render(window, replace(PLAIN, flip=True), GRID)
    assert np.array_equal(a.counts[..., ::-1], b.counts)
    assert b.xyxy.tolist() == [[216, 20, 246, 100]]


def test_a_swap_exchanges_polarities() -> None:
    window = _block_window(256, 192, (10, 20, 40, 100))
    a, b = render(window, PLAIN, GRID), render(window, replace(PLAIN, swap=True), GRID)
    assert np.array_equal(a.counts[:, ::-1], b.counts)


@pytest.mark.parametrize(("gain", "events"), [(0.25, 0.25), (2.5, 2.5)])
def test_gain_changes_the_number_of_events(gain: float, events: float) -> None:
    window = _block_window(256, 192, (10, 20, 110, 120))
    plain = render(window, PLAIN, GRID).counts.sum(dtype=np.int64)
    other = render(window, replace(PLAIN, gain=gain, seed=1), GRID).counts.sum(dtype=np.int64)
    assert other / plain == pytest.approx(events, rel=0.05)


def test_hardly_visible_boxes_become_regions_to_ignore() -> None:
    window = _block_window(256, 192, (0, 20, 100, 120))
    cut = render(window, View(1.0, -80.0, 0.0), GRID)
    empty = render(window, replace(PLAIN, gain=0.0), GRID)
    outside = render(window, View(1.0, -150.0, 0.0), GRID)
    assert len(cut.xyxy) == len(empty.xyxy) == len(outside.xyxy) == 0
    assert cut.ignore.tolist() == [[0, 20, 20, 120]]
    assert len(empty.ignore) == 1
    assert len(outside.ignore) == 0


def test_without_augmentation_every_view_is_the_plain_one(
    square_window: Callable[..., LabelledWindow],
) -> None:
    window = square_window(5)
    rng = np.random.default_rng(0)
    for _ in range(20):
        view = draw_view(NO_AUGMENT, window.shape, GRID, rng)
        assert replace(view, seed=0) == plain_view(window.shape, GRID)
        assert draw_tiling(NO_AUGMENT, GRID, rng) == (WHOLE,)
        faults = draw_faults(NO_AUGMENT, window.shape, WHOLE, rng)
        assert replace(faults, seed=0) == Faults()


def test_translation_lets_objects_leave_partly_and_no_further_than_the_overhang() -> None:
    settings = replace(NO_AUGMENT, overhang=0.2)
    rng = np.random.default_rng(0)
    lefts = np.array([draw_view(settings, (5, 2, 192, 256), GRID, rng).left for _ in range(300)])
    assert np.abs(lefts).max() <= 0.2 * 256
    assert lefts.min() < -0.15 * 256 < 0.15 * 256 < lefts.max()
    window = _block_window(256, 192, (0, 20, 60, 120))
    assert render(window, replace(PLAIN, left=-20.0), GRID).xyxy.tolist() == [[0, 20, 40, 120]]


def test_free_play_keeps_a_small_sensor_whole() -> None:
    settings = replace(NO_AUGMENT, zoom=(0.5, 0.5), translate=1.0)
    rng = np.random.default_rng(0)
    lefts = [draw_view(settings, (5, 2, 192, 256), GRID, rng).left for _ in range(300)]
    assert 0 <= min(lefts) < 10 < 118 < max(lefts) <= 128


@pytest.mark.parametrize(
    ("speed", "wanted"),
    [
        (2.0, [0, 0, 200, 400, 400]),  # twice as fast: all events in the last half
        (1.0, [200, 200, 200, 200, 200]),
        (0.5, [100, 100, 100, 100, 100]),  # half as fast: the last half over the whole window
    ],
)
def test_time_scale_keeps_the_end_of_the_window(speed: float, wanted: list[int]) -> None:
    window = _steps_window([200] * 5)
    counts = render(window, replace(PLAIN, speed=speed, seed=3), GRID).counts
    assert counts.sum((1, 2, 3), dtype=np.int64) == pytest.approx(wanted, abs=40)


def test_a_faster_scene_keeps_the_order_of_its_steps() -> None:
    """Events of the last step stay last, those of the first come late instead of never."""
    first, last = _steps_window([400, 0, 0, 0, 0]), _steps_window([0, 0, 0, 0, 400])
    fast = replace(PLAIN, speed=2.0, seed=3)
    assert _per_step(render(last, fast, GRID)) == [0, 0, 0, 0, 400]
    moved = _per_step(render(first, fast, GRID))
    assert moved[2] == 400
    assert sum(moved) == 400
    assert _per_step(render(first, replace(PLAIN, speed=0.5), GRID)) == [0] * 5


@pytest.mark.parametrize(
    ("shift", "wanted"), [(0.25, [200, 200, 200, 200, 150]), (-0.25, [150, 200, 200, 200, 200])]
)
def test_time_shift_moves_events_against_the_steps(shift: float, wanted: list[int]) -> None:
    counts = render(_steps_window([200] * 5), replace(PLAIN, shift=shift, seed=1), GRID).counts
    assert counts.sum((1, 2, 3), dtype=np.int64) == pytest.approx(wanted, abs=40)


def test_a_hidden_region_has_no_events_and_hides_whole_objects() -> None:
    window = _block_window(256, 192, (10, 20, 40, 100))
    half = render(window, replace(PLAIN, hidden=Region(0, 0, 25, 192)), GRID)
    assert half.counts[..., :25].sum() == 0
    assert half.counts[..., 25:40].sum() > 0
    assert len(half.xyxy) == 1
    for most in (Region(0, 0, 60, 120), Region(0, 0, 36, 192)):
        gone = render(window, replace(PLAIN, hidden=most), GRID)
        assert len(gone.xyxy) == 0
        assert gone.ignore.tolist() == [[10, 20, 40, 100]]


def test_empty_steps_lose_everything_and_the_ceiling_holds() -> None:
    sample = _spoilt(Faults(bursts=(Burst(WHOLE, rate=0.1),), clamp=2, empty_steps=(0, 1, 3), seed=4))
    assert sample.counts[[0, 1, 3]].sum() == 0
    assert sample.counts[[2, 4]].max() == 2
    assert sample.counts[[2, 4], :, 150:].sum() > 0


def test_boxes_that_lose_their_steps_become_regions_to_ignore() -> None:
    sample = render(_steps_window([400, 0, 0, 0, 0]), PLAIN, GRID)
    assert len(sample.xyxy) == 1
    noisy = (Burst(WHOLE, rate=0.5),)
    sample = spoil(sample, Faults(bursts=noisy, empty_steps=(0,)))
    assert len(sample.xyxy) == 0
    assert len(sample.ignore) == 1


def test_a_hot_pixel_fires_in_most_steps_with_one_polarity() -> None:
    sample = _spoilt(Faults(bursts=(Burst(Region(200, 30, 201, 31), rate=3.0, half_period=5),), seed=2))
    pixel = sample.counts[:, :, 30, 200]
    assert (pixel.sum(1) > 0).sum() >= 4
    assert (pixel.sum(0) > 0).sum() == 1
    assert sample.counts[..., 150:].sum() == pixel.sum()


def test_a_flicker_changes_polarity_every_half_period() -> None:
    sample = _spoilt(Faults(bursts=(Burst(Region(200, 30, 220, 50), rate=0.5, half_period=2),), seed=2))
    region = sample.counts[:, :, 30:50, 200:220].sum((2, 3), dtype=np.int64)
    on = region[:, 1] > region[:, 0]
    assert on[0] == on[1] != on[2] == on[3] != on[4]
    assert region.sum(1) == pytest.approx([200] * 5, abs=60)
    assert sample.counts[..., 150:].sum() == region.sum()


def test_extra_events_add_to_the_counts() -> None:
    plain = render(_block_window(256, 192, (10, 20, 40, 100)), PLAIN, GRID).counts.astype(int)
    noisy = _spoilt(Faults(bursts=(Burst(WHOLE, rate=0.02),), seed=2)).counts.astype(int)
    assert (noisy >= plain).all()
    assert (noisy - plain).sum() == pytest.approx(0.02 * 5 * 256 * 192, rel=0.1)


FRAME = Region(10, 0, 240, 100)


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("noise", lambda faults: [burst.where for burst in faults.bursts] == [FRAME]),
        ("hot", lambda faults: {burst.where.size for burst in faults.bursts} == {(1, 1)}),
        ("flicker", lambda faults: 1 < faults.bursts[0].where.size[0] < 230 / 2),
        ("border", lambda faults: faults.bursts[0].where.size in [(1, 100), (230, 1)]),
        ("clamp", lambda faults: faults.clamp <= 3),
        ("leading_empty", lambda faults: faults.empty_steps == tuple(range(len(faults.empty_steps)))),
        ("lost_step", lambda faults: len(faults.empty_steps) == 1),
    ],
)
def test_each_fault_is_drawn_by_its_own_setting(name: str, changed: Callable[[Faults], bool]) -> None:
    settings = replace(NO_AUGMENT, **{name: 1.0})
    for seed in range(20):
        faults = draw_faults(settings, (5, 2, 192, 256), FRAME, np.random.default_rng(seed))
        assert changed(faults)
        assert replace(faults, seed=0) != Faults()
        for burst in faults.bursts:
            assert FRAME.left <= burst.where.left < burst.where.right <= FRAME.right
            assert FRAME.top <= burst.where.top < burst.where.bottom <= FRAME.bottom


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("flip", "flip"),
        ("swap", "swap"),
        ("thin", "gain"),
        ("gain", "gain"),
        ("retime", "speed"),
        ("shift", "shift"),
        ("hide", "hidden"),
        ("still", "gain"),
    ],
)
def test_each_change_of_events_is_drawn_by_its_own_setting(name: str, field: str) -> None:
    shape, plain = (5, 2, 192, 256), plain_view((5, 2, 192, 256), GRID)
    view = draw_view(replace(NO_AUGMENT, **{name: 1.0}), shape, GRID, np.random.default_rng(0))
    assert getattr(view, field) != getattr(plain, field)
    assert replace(view, seed=0, **{field: getattr(plain, field)}) == plain
    picture = draw_view(replace(NO_AUGMENT, **{name: 1.0}), (5, 3, 192, 256), GRID, np.random.default_rng(0))
    assert picture == replace(plain, flip=name == "flip")


def test_pictures_get_no_faults() -> None:
    always = AugmentSettings(noise=1, hot=1, flicker=1, border=1, clamp=1, leading_empty=1, lost_step=1)
    assert draw_faults(always, (4, 3, 480, 640), WHOLE, np.random.default_rng(0)) == Faults()
    view = draw_view(replace(NO_AUGMENT, zoom=(3, 3)), (4, 3, 96, 128), GRID, np.random.default_rng(0))
    assert view.scale == pytest.approx(3)


@pytest.mark.parametrize("four", [0.0, 1.0])
def test_tiles_fill_the_grid(four: float) -> None:
    settings = AugmentSettings(mosaic=1.0, mosaic_four=four)
    for seed in range(20):
        tiles = draw_tiling(settings, GRID, np.random.default_rng(seed))
        covered = np.zeros((GRID[1], GRID[0]), int)
        for tile in tiles:
            covered[tile.top : tile.bottom, tile.left : tile.right] += 1
        assert len(tiles) == (4 if four else 2)
        assert (covered == 1).all()
        assert 0.35 * 256 - 1 <= tiles[0].right <= 0.65 * 256 + 1


def test_a_mosaic_holds_every_window_at_its_tile_and_cuts_its_boxes() -> None:
    tiles = (Region(0, 0, 100, 192), Region(100, 0, 256, 192))
    window = _block_window(256, 192, (60, 20, 140, 100))
    samples = [render(window, PLAIN, tile.size) for tile in tiles]
    made = compose(samples, tiles, GRID)
    assert made.counts.shape == (5, 2, 192, 256)
    assert np.array_equal(made.counts[..., :100], samples[0].counts)
    assert np.array_equal(made.counts[..., 100:], samples[1].counts)
    assert made.xyxy.tolist() == [[60, 20, 100, 100], [160, 20, 240, 100]]
    assert made.label.tolist() == [0, 0]


def test_a_box_hardly_inside_its_tile_is_ignored_there() -> None:
    tiles = (Region(0, 0, 70, 192), Region(70, 0, 256, 192))
    window = _block_window(256, 192, (60, 20, 140, 100))
    made = compose([render(window, PLAIN, tile.size) for tile in tiles], tiles, GRID)
    assert made.xyxy.tolist() == [[130, 20, 210, 100]]
    assert made.ignore.tolist() == [[60, 20, 70, 100]]


def test_batches_of_mosaics_are_the_same_for_the_same_seed(
    square_window: Callable[..., LabelledWindow], tmp_path: Path
) -> None:
    settings = TrainSettings(
        out=tmp_path, steps=1, grid=(96, 64), window_steps=3, batch=4, pool=16, short_share=0.0,
        augment=AugmentSettings(mosaic=1.0, mosaic_four=1.0, mosaic_zoom=(0.5, 0.5), thin=0, still=0),
    )  # fmt: skip
    chunks = DirectChunks(lambda number: [square_window(8 * number + k) for k in range(8)])

    def batches() -> Batches:
        pool = Pool(chunks, capacity=16, views=4, wait=True)
        return Batches(pool, settings, np.random.default_rng(3))

    first, second = batches(), batches()
    boxes = 0
    for _ in range(5):
        a, b = first.next(1.0), second.next(1.0)
        assert a.counts.shape == (3, 4, 2, 64, 96)
        assert np.array_equal(a.counts, b.counts)
        assert np.array_equal(a.targets.cxcywh, b.targets.cxcywh)
        boxes += len(a.targets.label)
    # Every window has one box: more boxes than views come of tiles.
    assert boxes > 5 * 4 * 1.5


def test_equal_seeds_make_equal_views(square_window: Callable[..., LabelledWindow]) -> None:
    window = square_window(5)
    views = [draw_view(AugmentSettings(), window.shape, GRID, np.random.default_rng(8)) for _ in range(2)]
    first, second = (render(window, view, GRID) for view in views)
    assert views[0] == views[1]
    assert np.array_equal(first.counts, second.counts)


def _spoilt(faults: Faults) -> Sample:
    return spoil(render(_block_window(256, 192, (10, 20, 40, 100)), PLAIN, GRID), faults)


def _per_step(sample: Sample) -> list[int]:
    return [int(n) for n in sample.counts.sum((1, 2, 3), dtype=np.int64)]


def _steps_window(events: list[int]) -> LabelledWindow:
    """A window with so many single events in each step, all inside its box of 40 by 20."""
    counts = np.zeros((len(events), 2, 192, 256), np.int64)
    for step, number in enumerate(events):
        at = np.arange(number)
        counts[step, at % 2, 50 + at // 40, 100 + at % 40] = 1
    box = np.array([[100, 50, 140, 70]], np.float32)
    return LabelledWindow.of(counts, box, np.array([0]), np.zeros((0, 4), np.float32))


def _block_window(width: int, height: int, box: tuple[int, int, int, int]) -> LabelledWindow:
    """A window whose every pixel inside `box`, and none outside, has events."""
    x0, y0, x1, y1 = box
    counts = np.zeros((5, 2, height, width), np.int64)
    counts[:, 0, y0:y1, x0:x1], counts[:, 1, y0:y1, x0:x1] = 1, 3
    return LabelledWindow.of(counts, np.array([box], np.float32), np.array([0]), np.zeros((0, 4), np.float32))
