"""What the pixels of an event camera do with light, after v2e (Hu, Liu & Delbruck, CVPRW 2021).

Each pixel follows the logarithm of the intensity through a photoreceptor, slow and noisy in the dark, and a
follower behind it. It emits an event each time it has moved by a threshold from a reference; then it is blind
for a while, and its reference is where it finds itself after that. Time runs in sub-frames, in which signals
move straight; an event's time is where the line crosses.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from streaming.simulate.noise import Dice
from streaming.simulate.sensor import REFERENCE_LUMINANCE, Pixels

OFF, ON = 0, 1
DARKEST = 0.03
"""Linear intensity below which pixels become no slower."""
LEAST_MOVE = 1e-5
"""Log intensity a sub-frame under which an event is one of noise."""
LAST = 0.999
"""The latest an event comes, as share of its sub-frame."""


@dataclass(frozen=True)
class Response:
    """How pixels answer to the light they are in; (B, H, W) or (B, 1, 1).

    Attributes:
        photoreceptor, follower: how far each low pass gets towards its input in a sub-frame.
        noise: deviation of the log intensity at each look.
    """

    photoreceptor: Tensor
    follower: Tensor
    noise: Tensor


@dataclass(frozen=True)
class SensorState:
    """What pixels remember between sub-frames.

    Attributes:
        light: (B, H, W) log intensity behind the photoreceptor.
        signal: (B, H, W) log intensity behind the follower.
        centre: (B, H, W) the middle between the thresholds around each pixel's reference.
        blind: (D,) int64, in no order: indices into (B, H, W) flattened of pixels after an event.
        blind_s: (D,) how much longer they are blind.
    """

    light: Tensor
    signal: Tensor
    centre: Tensor
    blind: Tensor
    blind_s: Tensor


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


def respond(pixels: Pixels, log_intensity: Tensor, step_s: float) -> Response:
    """How `pixels` answer in sub-frames of `step_s` where the light is about `log_intensity` (B, H, W)."""
    darkness = REFERENCE_LUMINANCE / log_intensity.exp().clamp_min_(DARKEST)
    slowness = darkness.clamp(0.2, 4).mul_(pixels.time_constant_s)
    return Response(
        1 - torch.exp(-step_s / slowness),
        1 - torch.exp(-step_s / pixels.follower_s),
        darkness.sqrt_().clamp_(0.6, 2.5).mul_(pixels.shot_noise),
    )


def settled(dice: Dice, pixels: Pixels, log_intensity: Tensor, noise: Tensor) -> SensorState:
    """A sensor that has long looked at (B, H, W): every pixel somewhere between its two thresholds."""
    free = (pixels.half - 3 * noise).clamp_min_(0.02)
    away = dice.unit(*log_intensity.shape).mul_(2).sub_(1).mul_(free)
    nobody = torch.zeros(0, dtype=torch.int64, device=dice.device)
    return SensorState(log_intensity, log_intensity, log_intensity - away, nobody, nobody.float())


def advance(
    dice: Dice, pixels: Pixels, state: SensorState, log_intensity: Tensor, response: Response, step_s: float
) -> tuple[SensorState, Crossings]:
    """Move on by one sub-frame.

    Args:
        dice: chance of shot noise, background events, hot pixels and what a full bus drops.
        pixels: the sensors.
        state: what they remember; not changed.
        log_intensity: (B, H, W) at the end of the sub-frame.
        response: of the pixels to their light.
        step_s: length of the sub-frame.
    """
    light = torch.lerp(state.light, log_intensity, response.photoreceptor)
    signal = torch.lerp(state.signal, light, response.follower)
    centre = _wake(pixels, state, signal, step_s)
    noise = dice.grain(*signal.shape).mul_(response.noise)
    away = noise.add_(signal).sub_(centre)
    moved = (away.abs() >= pixels.half).view(-1).nonzero()[:, 0]
    firing = _firing(dice, pixels, state, signal, away, moved, step_s)
    blind, blind_s = _close_eyes(pixels, state, centre, firing, step_s)
    crossings = _join(_list_events(dice, pixels, firing, step_s), _background(dice, pixels, step_s))
    return SensorState(light, signal, centre, blind, blind_s), _send(dice, pixels, crossings, step_s)


@dataclass(frozen=True)
class _Firing:
    """Pixels that fire in a sub-frame, each (M,); times are shares of the sub-frame, which may pass its end.

    Attributes:
        pixel: int64 index into (B, H, W) flattened. scene: int64.
        rising: whether the events are ON.
        first: time of the first event. period: time between two. count: int64, how many.
        before: signal at the beginning. rise: its change to the end.
    """

    pixel: Tensor
    scene: Tensor
    rising: Tensor
    first: Tensor
    period: Tensor
    count: Tensor
    before: Tensor
    rise: Tensor


def _wake(pixels: Pixels, state: SensorState, signal: Tensor, step_s: float) -> Tensor:
    """The new `centre`, where blind pixels that see again take up the signal of that moment."""
    centre = state.centre.clone()
    before, after = state.signal.view(-1)[state.blind], signal.view(-1)[state.blind]
    reference = torch.lerp(before, after, (state.blind_s / step_s).clamp_max(1))
    centre.view(-1)[state.blind] = reference + pixels.middle.view(-1)[state.blind]
    return centre


def _firing(
    dice: Dice,
    pixels: Pixels,
    state: SensorState,
    signal: Tensor,
    away: Tensor,
    moved: Tensor,
    step_s: float,
) -> _Firing:
    """When the pixels `moved` (M,) fire; `away` is the distance of signal and noise from the centre."""
    begin = _blind_share(state, moved, step_s)
    moved, begin = moved[begin < 1], begin[begin < 1]
    scene = moved // away[0].numel()
    distance, half = away.view(-1)[moved], pixels.half.view(-1)[moved]
    rising = distance > 0
    before = state.signal.view(-1)[moved]
    rise = signal.view(-1)[moved] - before
    speed = torch.where(rising, rise, -rise)
    drifting = speed > LEAST_MOVE
    speed = speed.clamp_min(LEAST_MOVE)
    by_noise = begin + dice.unit(len(moved)) * (1 - begin)
    first = torch.where(drifting, 1 - (distance.abs() - half) / speed, by_noise).clamp(max=LAST)
    first = torch.maximum(first, begin)
    middle = pixels.middle.view(-1)[moved]
    threshold = half + torch.where(rising, middle, -middle)
    period = threshold / speed + pixels.refractory_s[scene] / step_s
    count = ((1 - first) / period).floor().long() * drifting + 1
    return _Firing(moved, scene, rising, first, period, count, before, rise)


def _blind_share(state: SensorState, moved: Tensor, step_s: float) -> Tensor:
    """(M,) share of the sub-frame for which pixels are still blind."""
    left_s = torch.zeros(state.centre.numel(), device=moved.device)
    left_s[state.blind] = state.blind_s
    return left_s[moved] / step_s


def _close_eyes(
    pixels: Pixels, state: SensorState, centre: Tensor, firing: _Firing, step_s: float
) -> tuple[Tensor, Tensor]:
    """Sets `centre` of pixels that fired to where they see again; gives those still blind, and how long."""
    opens = firing.first + (firing.count - 1) * firing.period + pixels.refractory_s[firing.scene] / step_s
    reference = firing.before + firing.rise * opens.clamp_max(1)
    centre.view(-1)[firing.pixel] = reference + pixels.middle.view(-1)[firing.pixel]
    new, old = opens > 1, state.blind_s > step_s
    blind = torch.cat((firing.pixel[new], state.blind[old]))
    return blind, torch.cat(((opens[new] - 1) * step_s, state.blind_s[old] - step_s))


def _list_events(dice: Dice, pixels: Pixels, firing: _Firing, step_s: float) -> Crossings:
    """One row an event. Delays that reach past the sub-frame are folded back into it."""
    which = torch.arange(len(firing.pixel), device=dice.device).repeat_interleave(firing.count)
    number = torch.arange(len(which), device=dice.device) - (firing.count.cumsum(0) - firing.count)[which]
    delay = -dice.unit(len(which)).neg_().log1p_() * (pixels.jitter_s / step_s)[firing.scene[which]]
    share = firing.first[which] + number * firing.period[which] + delay
    share = torch.where(share > LAST, (2 * LAST - share).clamp_min(0), share)
    return Crossings(firing.pixel[which], firing.rising[which].long(), share)


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
    share = dice.unit(len(everything)).mul_(LAST)
    return Crossings(everything, torch.cat((polarity, torch.ones_like(hot))), share)


def _send(dice: Dice, pixels: Pixels, crossings: Crossings, step_s: float) -> Crossings:
    """What the bus lets through: above its rate every event has the same chance."""
    if not bool(pixels.bus_hz.isfinite().any()):
        return crossings
    scene = crossings.pixel // pixels.on[0].numel()
    made = torch.bincount(scene, minlength=len(pixels.bus_hz))
    chance = pixels.bus_hz * step_s / made.clamp_min(1)
    kept = dice.unit(len(scene)) < chance[scene]
    return Crossings(crossings.pixel[kept], crossings.polarity[kept], crossings.share[kept])


def _join(first: Crossings, second: Crossings) -> Crossings:
    return Crossings(
        torch.cat((first.pixel, second.pixel)),
        torch.cat((first.polarity, second.polarity)),
        torch.cat((first.share, second.share)),
    )
