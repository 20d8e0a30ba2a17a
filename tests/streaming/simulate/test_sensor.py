"""Pixels of the modelled sensor: polarity, thresholds, refractory cap, noise and times."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from streaming.simulate.noise import Dice
from streaming.simulate.sensor import (
    OFF,
    ON,
    Crossings,
    Pixels,
    SensorSettings,
    SensorState,
    advance,
    draw_pixels,
    draw_state,
    follow_share,
)
from streaming.simulate.windows import count_events

HEIGHT, WIDTH, STEP_S = 20, 30, 0.005
QUIET = SensorSettings(
    threshold=(0.2, 0.2), mismatch=(0, 0), bias=0, time_constant_s=(1e-5, 1e-5), max_rate=(100, 100),
    shot_noise=(1e-6, 1e-6), noise_hz=(1e-9, 1e-9), hot_share=(1e-9, 1e-9), night_chance=0,
    ramp_chance=0, flicker_chance=0,
)  # fmt: skip


def sensor(settings: SensorSettings) -> Pixels:
    return draw_pixels(Dice(1), settings, 1, HEIGHT, WIDTH)


def expose(pixels: Pixels, pictures: list[Tensor], *, seed: int = 2) -> list[Crossings]:
    """Events of each sub-frame after the first picture; references start at the first picture."""
    dice = Dice(seed)
    state = SensorState(pictures[0], pictures[0].clone())
    crossings = []
    for picture in pictures[1:]:
        follow = follow_share(pixels, picture, STEP_S)
        state, events = advance(dice, pixels, state, picture, follow, STEP_S)
        crossings.append(events)
    return crossings


def flat(level: float) -> Tensor:
    return torch.full((1, HEIGHT, WIDTH), level)


@pytest.mark.parametrize(("change", "polarity"), [(0.5, ON), (-0.5, OFF)])
def test_brighter_is_on_and_darker_is_off(change: float, polarity: int) -> None:
    (events,) = expose(sensor(QUIET), [flat(-1.0), flat(-1.0 + change)])
    assert len(events.polarity) == 2 * HEIGHT * WIDTH
    assert bool((events.polarity == polarity).all())


def test_half_the_threshold_gives_twice_the_events() -> None:
    pictures = [flat(-1.0), flat(0.01)]
    (coarse,) = expose(sensor(QUIET), pictures)
    (fine,) = expose(sensor(replace(QUIET, threshold=(0.1, 0.1))), pictures)
    assert len(fine.pixel) == 2 * len(coarse.pixel) == 10 * HEIGHT * WIDTH


def test_the_refractory_period_caps_the_rate() -> None:
    capped = replace(QUIET, max_rate=(2, 2))
    (events,) = expose(sensor(capped), [flat(-1.0), flat(-0.3)])
    assert int(torch.bincount(events.pixel).max()) == 2


def test_unchanged_pictures_give_no_events() -> None:
    assert sum(len(events.pixel) for events in expose(sensor(QUIET), [flat(-1.0)] * 4)) == 0


def test_a_slow_pixel_lags_and_the_dark_is_slower() -> None:
    slow = sensor(replace(QUIET, time_constant_s=(0.005, 0.005)))
    bright, dark = follow_share(slow, flat(0.0), STEP_S), follow_share(slow, flat(-3.5), STEP_S)
    assert 0 < float(dark.mean()) < float(bright.mean()) < 1


def test_times_are_where_the_straight_line_crosses_the_thresholds() -> None:
    (events,) = expose(sensor(QUIET), [flat(-1.0), flat(0.0 + 1e-3)])
    shares = events.share.view(HEIGHT * WIDTH, 5)
    expected = torch.tensor([0.2, 0.4, 0.6, 0.8, 0.999]).expand_as(shares)
    torch.testing.assert_close(shares, expected, atol=2e-3, rtol=0)


def test_counts_of_steps_are_the_events_sorted_by_time() -> None:
    dice = Dice(3)
    pictures = [dice.normal(1, HEIGHT, WIDTH) * 0.5 for _ in range(5)]
    settings = replace(QUIET, mismatch=(0.2, 0.2), noise_hz=(20, 20))
    counts = torch.zeros(1, 5, 2, HEIGHT, WIDTH)
    step_s = 0.004
    expected = torch.zeros(5, 2)
    for index, events in enumerate(expose(sensor(settings), pictures)):
        count_events(counts, events, index * STEP_S, STEP_S, step_s)
        step = ((index + events.share) * STEP_S / step_s).long()
        expected.index_put_((step, events.polarity), torch.ones(len(step)), accumulate=True)
    assert torch.equal(counts.sum((0, 3, 4)), expected)
    assert float(counts.sum()) > 1000


def test_the_state_is_a_value() -> None:
    pixels, picture = sensor(QUIET), flat(-1.0)
    state = draw_state(Dice(1), pixels, picture)
    before = state.reference.clone(), state.signal.clone()
    advance(Dice(2), pixels, state, flat(0.0), follow_share(pixels, picture, STEP_S), STEP_S)
    assert torch.equal(before[0], state.reference)
    assert torch.equal(before[1], state.signal)


def test_a_settled_sensor_is_quiet_before_a_still_picture() -> None:
    settings = replace(QUIET, shot_noise=(0.01, 0.01), mismatch=(0.1, 0.1))
    pixels, picture = sensor(settings), flat(-1.0)
    state = draw_state(Dice(1), pixels, picture)
    follow = follow_share(pixels, picture, STEP_S)
    _, events = advance(Dice(2), pixels, state, picture, follow, STEP_S)
    assert len(events.pixel) < 0.01 * HEIGHT * WIDTH


def test_background_events_come_at_their_rate_and_night_is_four_times_worse() -> None:
    rate_hz, seconds = 2.0, 100 * STEP_S
    day = replace(QUIET, noise_hz=(rate_hz, rate_hz))
    pictures = [flat(-1.0)] * 101
    expected = rate_hz * seconds * HEIGHT * WIDTH
    counts = [
        sum(len(events.pixel) for events in expose(sensor(replace(day, night_chance=night)), pictures))
        for night in (0, 1)
    ]
    assert counts == pytest.approx([expected, 4 * expected], rel=0.15)


def test_hot_pixels_fire_again_and_again() -> None:
    hot = replace(QUIET, hot_share=(5 / (HEIGHT * WIDTH),) * 2, hot_hz=(100, 100))
    crossings = expose(sensor(hot), [flat(-1.0)] * 101)
    pixel = torch.cat([events.pixel for events in crossings])
    assert 1 <= len(pixel.unique()) <= 5
    assert len(pixel) == pytest.approx(5 * 100 * 100 * STEP_S, rel=0.3)
