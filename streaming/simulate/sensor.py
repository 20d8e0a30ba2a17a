"""The pixels of an event camera, after the DVS model of v2e (Hu, Liu & Delbruck, CVPRW 2021) and its defects.

Each pixel follows the logarithm of the intensity through a low pass that is slower in the dark, and emits an
event each time it has moved by a threshold from a reference, which then moves with it. Thresholds differ from
pixel to pixel and between polarities. Time runs in sub-frames; an event's time inside one is interpolated.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from streaming.simulate.noise import Dice, Range, planes

OFF, ON = 0, 1
REFERENCE_LUMINANCE = 0.15
"""Linear intensity at which the low pass has its stated time constant."""
RATE_UNIT_S = 0.005
"""The time that `max_rate` counts in."""
LOST_THRESHOLDS = 4
"""A pixel further than this from its reference gives up what it missed."""


@dataclass(frozen=True)
class SensorSettings:
    """Ranges from which each scene's sensor is drawn.

    Attributes:
        threshold: natural-log intensity steps.
        mismatch: relative deviation of thresholds between pixels.
        bias: deviation of log(ON threshold / OFF threshold) / 2.
        time_constant_s: of the low pass at REFERENCE_LUMINANCE.
        max_rate: events a pixel emits at most in 5 ms (refractory period); drawn as a whole number.
        shot_noise: deviation of the log intensity at each look.
        noise_hz: background events a second and pixel; night multiplies by 4.
        hot_share: share of hot pixels. hot_hz: their rate.
        night_chance: probability of a noisy, dark sensor.
        ramp_chance, flicker_chance: of changing light and of lamps at mains frequency.
    """

    threshold: Range = (0.18, 0.46)
    mismatch: Range = (0.02, 0.2)
    bias: float = 0.18
    time_constant_s: Range = (0.0008, 0.012)
    max_rate: Range = (1.0, 4.0)
    shot_noise: Range = (0.002, 0.02)
    noise_hz: Range = (0.002, 0.1)
    hot_share: Range = (1e-6, 4e-4)
    hot_hz: Range = (10.0, 80.0)
    night_chance: float = 0.15
    ramp_chance: float = 0.13
    flicker_chance: float = 0.08


@dataclass(frozen=True)
class Pixels:
    """The sensors of B scenes.

    Attributes:
        on, off: (B, H, W) thresholds, log intensity.
        time_constant_s: (B, 1, 1) at REFERENCE_LUMINANCE.
        max_rate: (B, 1, 1) events in 5 ms.
        shot_noise: (B, 1, 1) log intensity.
        noise_hz: (B,) a second and pixel. on_share: (B,) of ON among noise events.
        hot: (B, H) int64 indices of hot pixels in their picture, hot_hz: (B, H) their rates, 0 for none.
    """

    on: Tensor
    off: Tensor
    time_constant_s: Tensor
    max_rate: Tensor
    shot_noise: Tensor
    noise_hz: Tensor
    on_share: Tensor
    hot: Tensor
    hot_hz: Tensor


@dataclass(frozen=True)
class SensorState:
    """What pixels remember, (B, H, W) log intensity each: low-passed signal, and where the last event was."""

    signal: Tensor
    reference: Tensor


@dataclass(frozen=True)
class Crossings:
    """Events of one sub-frame, in no order; each (E,).

    Attributes:
        pixel: int64 index into (B, H, W) flattened.
        polarity: int64, OFF or ON.
        share: float32 in [0, 1), when inside the sub-frame.
    """

    pixel: Tensor
    polarity: Tensor
    share: Tensor


def draw_pixels(dice: Dice, settings: SensorSettings, scenes: int, height: int, width: int) -> Pixels:
    """A sensor of its own for each of B scenes."""
    night = dice.chance(scenes, settings.night_chance)
    threshold = dice.uniform(scenes, *settings.threshold)
    bias = (dice.normal(scenes) * settings.bias).exp()
    mismatch = planes(dice.uniform(scenes, *settings.mismatch))

    def spread(mean: Tensor) -> Tensor:
        return (planes(mean) * (1 + mismatch * dice.normal(scenes, height, width))).clamp_min(0.05)

    low, high = settings.max_rate
    rate = torch.where(dice.unit(scenes) < 0.4, low, dice.uniform(scenes, low, high).round())
    hot, hot_hz = _draw_hot(dice, settings, scenes, height * width)
    return Pixels(
        spread(threshold * bias), spread(threshold / bias),
        planes(dice.log_uniform(scenes, *settings.time_constant_s)), planes(rate),
        planes(dice.log_uniform(scenes, *settings.shot_noise) * (1 + 1.2 * night)),
        dice.log_uniform(scenes, *settings.noise_hz) * (1 + 3 * night), dice.uniform(scenes, 0.3, 0.9),
        hot, hot_hz,
    )  # fmt: skip


def _draw_hot(dice: Dice, settings: SensorSettings, scenes: int, pixels: int) -> tuple[Tensor, Tensor]:
    most = max(1, round(settings.hot_share[1] * pixels))
    share = dice.log_uniform(scenes, *settings.hot_share)[:, None]
    hot = dice.whole(scenes * most, 0, pixels).view(scenes, most)
    on = torch.arange(most, device=dice.device) < share * pixels
    return hot, dice.uniform(scenes * most, *settings.hot_hz).view(scenes, most) * on


def draw_state(dice: Dice, pixels: Pixels, log_intensity: Tensor) -> SensorState:
    """A sensor that has long looked at (B, H, W): every pixel somewhere between its two thresholds."""
    guard = 3 * pixels.shot_noise
    low, high = (pixels.off - guard).clamp_min(0.02), (pixels.on - guard).clamp_min(0.02)
    above = dice.unit(*log_intensity.shape) * (low + high) - low
    return SensorState(log_intensity, log_intensity - above)


def follow_share(pixels: Pixels, log_intensity: Tensor, step_s: float) -> Tensor:
    """(B, H, W) how far the low pass of each pixel gets towards its input in `step_s`: slower in the dark."""
    slowness = (REFERENCE_LUMINANCE / log_intensity.exp().clamp_min(0.03)).clamp_(0.2, 4)
    return 1 - torch.exp(-step_s / slowness.mul_(pixels.time_constant_s))


def advance(
    dice: Dice, pixels: Pixels, state: SensorState, log_intensity: Tensor, follow: Tensor, step_s: float
) -> tuple[SensorState, Crossings]:
    """Move on by one sub-frame.

    Args:
        dice: chance of shot noise, background events and hot pixels.
        pixels: the sensors.
        state: what they remember; not changed.
        log_intensity: (B, H, W) at the end of the sub-frame.
        follow: (B, H, W) from `follow_share`.
        step_s: length of the sub-frame.
    """
    signal = torch.lerp(state.signal, log_intensity, follow)
    noise = dice.grain(*signal.shape).mul_(pixels.shot_noise)
    away = noise.add_(signal).sub_(state.reference)
    moved = ((away >= pixels.on) | (away <= -pixels.off)).view(-1).nonzero()[:, 0]
    reference, crossings = _emit(pixels, state, signal, away, moved, step_s)
    return SensorState(signal, reference), _join(crossings, _background(dice, pixels, step_s))


def _emit(
    pixels: Pixels, state: SensorState, signal: Tensor, away: Tensor, moved: Tensor, step_s: float
) -> tuple[Tensor, Crossings]:
    """The new reference, and all events of the pixels `moved` (M,), each at its own time.

    A pixel so far from its reference that its rate cannot follow forgets what it missed.
    """
    distance = away.view(-1)[moved]
    rising = distance > 0
    threshold = torch.where(rising, pixels.on.view(-1)[moved], pixels.off.view(-1)[moved])
    most = (pixels.max_rate.view(-1) * (step_s / RATE_UNIT_S)).round().clamp_min(1)[moved // away[0].numel()]
    count = torch.minimum((distance.abs() / threshold).floor(), most)
    step = torch.where(rising, threshold, -threshold)
    old = state.reference.view(-1)[moved]
    lost = distance.abs() > LOST_THRESHOLDS * threshold
    reference = state.reference.clone()
    reference.view(-1)[moved] = torch.where(lost, signal.view(-1)[moved], old + count * step)
    before, after = state.signal.view(-1)[moved], signal.view(-1)[moved]
    travelled = after - before
    travelled = torch.where(travelled.abs() < 1e-6, torch.full_like(travelled, 1e-6), travelled)
    first, each = (old + step - before) / travelled, step / travelled
    return reference, _list_events(moved, rising, count.long(), first, each)


def _list_events(moved: Tensor, rising: Tensor, count: Tensor, first: Tensor, each: Tensor) -> Crossings:
    """One row an event: the i-th of a pixel comes at `first + i * each`, kept inside the sub-frame."""
    which = torch.arange(len(moved), device=moved.device).repeat_interleave(count)
    number = torch.arange(len(which), device=moved.device) - (count.cumsum(0) - count)[which]
    share = first[which] + number * each[which]
    return Crossings(moved[which], rising[which].long(), share.clamp(0, 0.999))


def _background(dice: Dice, pixels: Pixels, step_s: float) -> Crossings:
    """Leak and junction noise anywhere, and hot pixels."""
    scenes, height, width = pixels.on.shape
    expected = pixels.noise_hz * (step_s * height * width)
    amount = torch.poisson(expected, generator=dice.generator).long()
    scene = torch.arange(scenes, device=dice.device).repeat_interleave(amount)
    pixel = scene * (height * width) + dice.whole(len(scene), 0, height * width)
    polarity = (dice.unit(len(scene)) < pixels.on_share[scene]).long()
    hits = torch.poisson(pixels.hot_hz * step_s, generator=dice.generator).long().view(-1)
    offset = torch.arange(scenes, device=dice.device)[:, None] * (height * width)
    hot = (pixels.hot + offset).view(-1).repeat_interleave(hits)
    everything = torch.cat((pixel, hot))
    return Crossings(everything, torch.cat((polarity, torch.ones_like(hot))), dice.unit(len(everything)))


def _join(first: Crossings, second: Crossings) -> Crossings:
    return Crossings(
        torch.cat((first.pixel, second.pixel)),
        torch.cat((first.polarity, second.polarity)),
        torch.cat((first.share, second.share)),
    )
