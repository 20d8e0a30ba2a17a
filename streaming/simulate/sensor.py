"""The sensors of event cameras: the ranges of their traits, and pixels drawn from them.

What pixels then do with light is in `exposure.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from streaming.simulate.noise import Dice, Range, planes

REFERENCE_LUMINANCE = 0.15
"""Linear intensity at which the low pass and the shot noise are as the settings say."""
LEAST_THRESHOLD = 0.05
NIGHT_NOISE = 4.0
"""How many times more background events a sensor has at night: its gain is turned up."""
NIGHT_SHOT = 1.5


@dataclass(frozen=True)
class SensorSettings:
    """Ranges from which each scene's sensor is drawn.

    Attributes:
        threshold: natural-log intensity steps.
        mismatch: relative deviation of thresholds between pixels.
        bias: deviation of log(ON threshold / OFF threshold) / 2. lean: its mean, above 0 for more OFF.
        time_constant_s: of the photoreceptor's low pass at REFERENCE_LUMINANCE.
        follower_s: of the second low pass, behind it.
        unevenness: relative deviation of the photoreceptor's time constant between pixels.
        refractory_s: time after an event in which a pixel is blind.
        jitter_s: mean delay of an event on its way out.
        shot_noise: deviation of the log intensity at each look, at REFERENCE_LUMINANCE.
        noise_hz: background events a second and pixel; night multiplies by NIGHT_NOISE.
        hot_share: share of hot pixels. hot_hz: their rate.
        bus_hz: events a second that leave the chip at most; what is more is dropped at random.
        night_chance: probability of a dark scene and a noisy sensor.
    """

    threshold: Range = (0.17, 0.5)
    mismatch: Range = (0.02, 0.2)
    bias: float = 0.18
    lean: float = 0.0
    time_constant_s: Range = (0.0006, 0.008)
    follower_s: Range = (0.0003, 0.003)
    unevenness: Range = (0.0, 0.3)
    refractory_s: Range = (0.0003, 0.004)
    jitter_s: Range = (0.00002, 0.0005)
    shot_noise: Range = (0.003, 0.08)
    noise_hz: Range = (0.01, 1.0)
    hot_share: Range = (1e-6, 4e-4)
    hot_hz: Range = (10.0, 80.0)
    bus_hz: float = math.inf
    night_chance: float = 0.15


@dataclass(frozen=True)
class Pixels:
    """The sensors of B scenes.

    Attributes:
        on, off: (B, H, W) thresholds, log intensity.
        middle, half: (B, H, W) middle of the thresholds above the reference, and half their distance.
        time_constant_s: (B, H, W) of the photoreceptor at REFERENCE_LUMINANCE. follower_s: (B, 1, 1).
        refractory_s, jitter_s: (B,).
        shot_noise: (B, 1, 1) log intensity at REFERENCE_LUMINANCE.
        noise_hz: (B,) a second and pixel. on_share: (B,) of ON among noise events.
        hot: (B, H) int64 indices of hot pixels in their picture, hot_hz: (B, H) their rates, 0 for none.
        bus_hz: (B,) events a second at most.
    """

    on: Tensor
    off: Tensor
    middle: Tensor
    half: Tensor
    time_constant_s: Tensor
    follower_s: Tensor
    refractory_s: Tensor
    jitter_s: Tensor
    shot_noise: Tensor
    noise_hz: Tensor
    on_share: Tensor
    hot: Tensor
    hot_hz: Tensor
    bus_hz: Tensor


def draw_pixels(dice: Dice, settings: SensorSettings, night: Tensor, height: int, width: int) -> Pixels:
    """A sensor of its own for each of B scenes; `night` (B,) is 1 in the dark, else 0."""
    scenes = len(night)
    threshold = dice.uniform(scenes, *settings.threshold)
    bias = (dice.normal(scenes) * settings.bias + settings.lean).exp()
    mismatch = planes(dice.uniform(scenes, *settings.mismatch))
    unevenness = planes(dice.uniform(scenes, *settings.unevenness))

    def spread(mean: Tensor) -> Tensor:
        odd = dice.normal(scenes, height, width).mul_(mismatch).add_(1)
        return odd.mul_(planes(mean)).clamp_min_(LEAST_THRESHOLD)

    on, off = spread(threshold * bias), spread(threshold / bias)
    slowness = dice.grain(scenes, height, width).mul_(unevenness).exp_()
    hot, hot_hz = _draw_hot(dice, settings, scenes, height * width)
    return Pixels(
        on, off, (on - off) / 2, (on + off) / 2,
        slowness.mul_(planes(dice.log_uniform(scenes, *settings.time_constant_s))),
        planes(dice.log_uniform(scenes, *settings.follower_s)),
        dice.log_uniform(scenes, *settings.refractory_s), dice.log_uniform(scenes, *settings.jitter_s),
        planes(dice.log_uniform(scenes, *settings.shot_noise) * NIGHT_SHOT**night),
        dice.log_uniform(scenes, *settings.noise_hz) * NIGHT_NOISE**night, dice.uniform(scenes, 0.3, 0.9),
        hot, hot_hz, torch.full_like(night, settings.bus_hz),
    )  # fmt: skip


def _draw_hot(dice: Dice, settings: SensorSettings, scenes: int, pixels: int) -> tuple[Tensor, Tensor]:
    most = max(1, round(settings.hot_share[1] * pixels))
    share = dice.log_uniform(scenes, *settings.hot_share)[:, None]
    hot = dice.whole(scenes * most, 0, pixels).view(scenes, most)
    on = torch.arange(most, device=dice.device) < share * pixels
    return hot, dice.uniform(scenes * most, *settings.hot_hz).view(scenes, most) * on
