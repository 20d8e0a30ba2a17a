"""Pixels of the modelled sensor: polarity, thresholds, blindness, low passes, noise, the bus, and times."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from streaming.simulate.exposure import OFF, ON, Crossings, SensorState, advance, respond, settled
from streaming.simulate.noise import Dice
from streaming.simulate.sensor import Pixels, SensorSettings, draw_pixels
from streaming.simulate.windows import count_events

HEIGHT, WIDTH, STEP_S = 20, 30, 0.005
QUIET = SensorSettings(
    threshold=(0.2, 0.2), mismatch=(0, 0), bias=0, time_constant_s=(1e-6, 1e-6), follower_s=(1e-6, 1e-6),
    unevenness=(0, 0), refractory_s=(1e-9, 1e-9), jitter_s=(1e-9, 1e-9), shot_noise=(1e-6, 1e-6),
    noise_hz=(1e-9, 1e-9), hot_share=(1e-9, 1e-9), night_chance=0,
)  # fmt: skip


def sensor(settings: SensorSettings, *, night: float = 0) -> Pixels:
    return draw_pixels(Dice(1), settings, torch.full((1,), float(night)), HEIGHT, WIDTH)


def expose(pixels: Pixels, pictures: list[Tensor], *, seed: int = 2) -> list[Crossings]:
    """Events of each sub-frame after the first picture; references start at the first picture."""
    dice, nobody = Dice(seed), torch.zeros(0, dtype=torch.int64)
    first = pictures[0]
    state = SensorState(first, first, first + pixels.middle, nobody, nobody.float())
    crossings = []
    for picture in pictures[1:]:
        response = respond(pixels, picture, STEP_S)
        state, events = advance(dice, pixels, state, picture, response, STEP_S)
        crossings.append(events)
    return crossings


def per_pixel(crossings: Crossings) -> Tensor:
    return torch.bincount(crossings.pixel, minlength=HEIGHT * WIDTH)


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


def test_a_pixel_is_blind_after_an_event_and_loses_what_happens_then() -> None:
    # A straight rise of 1 takes 5 ms: 1 ms to each threshold of 0.2, then 2 ms blind: events at 1 and 4 ms.
    blind = sensor(replace(QUIET, refractory_s=(0.002, 0.002)))
    (events,) = expose(blind, [flat(-1.0), flat(0.0 + 1e-3)])
    assert per_pixel(events).tolist() == [2] * (HEIGHT * WIDTH)
    shares = events.share.view(HEIGHT * WIDTH, 2)
    torch.testing.assert_close(shares, torch.tensor([0.2, 0.8]).expand_as(shares), atol=2e-3, rtol=0)


def test_blindness_lasts_into_later_sub_frames() -> None:
    # The event at 1 ms blinds for 12 ms: the pixel sees again at 13 ms, at 2.6 of a rise of 3.
    blind = sensor(replace(QUIET, refractory_s=(0.012, 0.012)))
    pictures = [flat(-1.0 + rise) for rise in (0.0, 1.0, 2.0, 3.0)]
    counts = [per_pixel(events).unique().tolist() for events in expose(blind, pictures)]
    assert counts == [[1], [0], [1]]


def test_unchanged_pictures_give_no_events() -> None:
    assert sum(len(events.pixel) for events in expose(sensor(QUIET), [flat(-1.0)] * 4)) == 0


def test_a_slow_pixel_lags_and_the_dark_is_slower_and_noisier() -> None:
    slow = sensor(replace(QUIET, time_constant_s=(0.005, 0.005)))
    bright, dark = respond(slow, flat(0.0), STEP_S), respond(slow, flat(-3.5), STEP_S)
    assert 0 < float(dark.photoreceptor.mean()) < float(bright.photoreceptor.mean()) < 1
    assert float(bright.noise.mean()) < float(dark.noise.mean())


def test_the_follower_delays_what_the_photoreceptor_has_seen() -> None:
    pictures = [flat(-1.0), flat(0.0), flat(0.0)]
    late = sensor(replace(QUIET, follower_s=(0.01, 0.01)))
    first, second = (int(per_pixel(events).sum()) for events in expose(late, pictures))
    assert second > 0
    assert first < 5 * HEIGHT * WIDTH


def test_uneven_pixels_answer_at_different_times() -> None:
    uneven = sensor(replace(QUIET, time_constant_s=(0.005, 0.005), unevenness=(0.5, 0.5)))
    (events,) = expose(uneven, [flat(-1.0), flat(0.0)])
    assert float(events.share.std()) > 0.05


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
    response = respond(pixels, picture, STEP_S)
    state = settled(Dice(1), pixels, picture, response.noise)
    before = {name: value.clone() for name, value in vars(state).items()}
    advance(Dice(2), pixels, state, flat(0.0), response, STEP_S)
    for name, value in vars(state).items():
        assert torch.equal(before[name], value)


def test_a_settled_sensor_is_quiet_before_a_still_picture() -> None:
    settings = replace(QUIET, shot_noise=(0.01, 0.01), mismatch=(0.1, 0.1))
    pixels, picture = sensor(settings), flat(-1.0)
    response = respond(pixels, picture, STEP_S)
    state = settled(Dice(1), pixels, picture, response.noise)
    _, events = advance(Dice(2), pixels, state, picture, response, STEP_S)
    assert len(events.pixel) < 0.01 * HEIGHT * WIDTH


def test_background_events_come_at_their_rate_and_night_is_four_times_worse() -> None:
    rate_hz, seconds = 2.0, 100 * STEP_S
    day = replace(QUIET, noise_hz=(rate_hz, rate_hz))
    pictures = [flat(-1.0)] * 101
    expected = rate_hz * seconds * HEIGHT * WIDTH
    counts = [
        sum(len(events.pixel) for events in expose(sensor(day, night=night), pictures)) for night in (0, 1)
    ]
    assert counts == pytest.approx([expected, 4 * expected], rel=0.15)


def test_hot_pixels_fire_again_and_again() -> None:
    hot = replace(QUIET, hot_share=(5 / (HEIGHT * WIDTH),) * 2, hot_hz=(100, 100))
    crossings = expose(sensor(hot), [flat(-1.0)] * 101)
    pixel = torch.cat([events.pixel for events in crossings])
    assert 1 <= len(pixel.unique()) <= 5
    assert len(pixel) == pytest.approx(5 * 100 * 100 * STEP_S, rel=0.3)


def test_a_full_bus_drops_the_same_share_everywhere() -> None:
    pictures = [flat(-1.0), flat(0.0 + 1e-3)]
    (free,) = expose(sensor(QUIET), pictures)
    (full,) = expose(sensor(replace(QUIET, bus_hz=len(free.pixel) / 2 / STEP_S)), pictures)
    assert len(full.pixel) == pytest.approx(len(free.pixel) / 2, rel=0.1)
    upper = int((full.pixel < HEIGHT * WIDTH // 2).sum())
    assert upper == pytest.approx(len(full.pixel) / 2, rel=0.15)


def test_a_leaning_sensor_has_more_events_of_one_polarity() -> None:
    up_and_down = [flat(-1.0), flat(0.0), flat(-1.0)]
    rising, falling = expose(sensor(replace(QUIET, lean=0.3)), up_and_down)
    assert len(rising.pixel) < len(falling.pixel)
