"""Draws of views, tilings and faults; equal generators draw the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from training.augment.faults import MAX_COUNT, Burst, Faults
from training.augment.region import Region
from training.augment.settings import AugmentSettings
from training.augment.views import POLARITIES, View, plain_view

Rng = np.random.Generator


def draw_tiling(settings: AugmentSettings, grid: tuple[int, int], rng: Rng) -> tuple[Region, ...]:
    """The tiles of one sample: the whole (width, height) grid, two side by side, or four."""
    width, height = grid
    if not _happens(rng, settings.mosaic):
        return (Region(0, 0, width, height),)
    x = round(width * rng.uniform(*settings.mosaic_centre))
    if not _happens(rng, settings.mosaic_four):
        return Region(0, 0, x, height), Region(x, 0, width, height)
    y = round(height * rng.uniform(*settings.mosaic_centre))
    return Region(0, 0, x, y), Region(x, 0, width, y), Region(0, y, x, height), Region(x, y, width, height)


def draw_view(
    settings: AugmentSettings,
    shape: Sequence[int],
    grid: tuple[int, int],
    rng: Rng,
    room: tuple[int, int] | None = None,
) -> View:
    """A random view.

    Args:
        settings: what is drawn.
        shape: (T, channels, height, width) of the window or picture.
        grid: (width, height) of the whole grid, cells.
        rng: draws.
        room: (width, height) of the tile in a mosaic; None gives the whole grid.
    """
    zoom = settings.zoom if room is None else settings.mosaic_zoom
    room = room or grid
    scale = plain_view(shape, grid).scale * _log_uniform(rng, *zoom)
    events = shape[1] == POLARITIES
    if events:
        # More cells than pixels would leave gaps between the counts.
        scale = min(1.0, scale)
    place = View(
        scale=scale,
        left=_place(settings, rng, shape[-1] * scale, room[0]),
        top=_place(settings, rng, shape[-2] * scale, room[1]),
        flip=_happens(rng, settings.flip),
    )
    return _with_events(settings, place, room, rng) if events else place


def _with_events(settings: AugmentSettings, place: View, room: tuple[int, int], rng: Rng) -> View:
    whole = Region(0, 0, *room)
    return replace(
        place,
        swap=_happens(rng, settings.swap),
        gain=0.0 if _happens(rng, settings.still) else _draw_gain(settings, rng),
        speed=_log_uniform(rng, *settings.speed) if _happens(rng, settings.retime) else 1.0,
        shift=settings.shift_steps * rng.uniform(-1, 1) if _happens(rng, settings.shift) else 0.0,
        hidden=_inside(rng, settings.hide_side, whole) if _happens(rng, settings.hide) else None,
        seed=_seed(rng),
    )


def draw_faults(settings: AugmentSettings, shape: Sequence[int], frame: Region, rng: Rng) -> Faults:
    """Random faults of an event sensor; none where `shape` (T, channels, height, width) is of a picture.

    Args:
        settings: what is drawn.
        shape: of the window.
        frame: the part of the grid that the sensor covers.
        rng: draws.
    """
    if shape[1] != POLARITIES:
        return Faults()
    return Faults(
        bursts=_draw_bursts(settings, shape[0], frame, rng),
        clamp=int(rng.integers(1, 4)) if _happens(rng, settings.clamp) else MAX_COUNT,
        empty_steps=_draw_empty_steps(settings, shape[0], rng),
        seed=_seed(rng),
    )


def _draw_bursts(settings: AugmentSettings, steps: int, frame: Region, rng: Rng) -> tuple[Burst, ...]:
    bursts = []
    if _happens(rng, settings.noise):
        bursts.append(Burst(frame, rate=POLARITIES * settings.noise_density * rng.random() ** 2))
    if _happens(rng, settings.hot):
        for _ in range(rng.integers(1, settings.hot_pixels + 1)):
            pixel = _inside(rng, (0.0, 0.0), frame)
            bursts.append(Burst(pixel, _log_uniform(rng, *settings.hot_rate), half_period=steps))
    if _happens(rng, settings.flicker):
        rate = _log_uniform(rng, *settings.flicker_rate)
        half_period = int(rng.integers(0, steps + 1))
        bursts.append(Burst(_inside(rng, settings.flicker_side, frame), rate, half_period))
    if _happens(rng, settings.border):
        bursts.append(Burst(_border(rng, frame), _log_uniform(rng, *settings.border_rate)))
    return tuple(bursts)


def _draw_empty_steps(settings: AugmentSettings, steps: int, rng: Rng) -> tuple[int, ...]:
    if steps == 1:
        return ()
    leading = int(rng.integers(1, steps)) if _happens(rng, settings.leading_empty) else 0
    lost = {int(rng.integers(steps))} if _happens(rng, settings.lost_step) else set()
    empty = lost.union(range(leading))
    return tuple(sorted(empty)) if len(empty) < steps else tuple(range(leading))


def _draw_gain(settings: AugmentSettings, rng: Rng) -> float:
    kind = rng.random()
    if kind < settings.thin:
        return _log_uniform(rng, *settings.thin_keep)
    if kind < settings.thin + settings.gain:
        return float(rng.uniform(1.0, settings.gain_max))
    return 1.0


def _place(settings: AugmentSettings, rng: Rng, side: float, room: int) -> float:
    """Where a sensor's side of so many cells begins: around the letterbox' place."""
    play = settings.translate * abs(room - side) / 2 + settings.overhang * min(side, room)
    return float((room - round(side)) // 2 + play * rng.uniform(-1, 1))


def _inside(rng: Rng, share: tuple[float, float], frame: Region) -> Region:
    """A rectangle inside `frame` whose sides are `share` of the frame's, at least one cell."""
    width, height = (max(1, round(side * rng.uniform(*share))) for side in frame.size)
    left = int(rng.integers(frame.left, frame.right - width + 1))
    top = int(rng.integers(frame.top, frame.bottom - height + 1))
    return Region(left, top, left + width, top + height)


def _border(rng: Rng, frame: Region) -> Region:
    """One of the frame's four outermost lines of cells."""
    left, top, right, bottom = frame.xyxy
    lines = (
        Region(left, top, left + 1, bottom),
        Region(right - 1, top, right, bottom),
        Region(left, top, right, top + 1),
        Region(left, bottom - 1, right, bottom),
    )
    return lines[int(rng.integers(len(lines)))]


def _happens(rng: Rng, probability: float) -> bool:
    return bool(rng.random() < probability)


def _log_uniform(rng: Rng, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _seed(rng: Rng) -> int:
    return int(rng.integers(2**31))
