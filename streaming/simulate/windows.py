"""`simulate_windows`: batches of short windows of events with boxes, to train detectors on."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from streaming.simulate.backdrop import REFERENCE_WIDTH_PX, BackdropSettings, draw_backdrop, draw_textures
from streaming.simulate.camera import AXES, Camera
from streaming.simulate.cast import THING, CastSettings, draw_cast
from streaming.simulate.compose import Cast, Frames, Stage, render
from streaming.simulate.ground import draw_ground
from streaming.simulate.labels import IGNORE, LABEL, VisibilityRule, clip, judge, lively_pixels, loosen
from streaming.simulate.noise import Dice, Range, fractal_noise, planes
from streaming.simulate.sensor import (
    Crossings,
    Pixels,
    SensorSettings,
    advance,
    draw_pixels,
    draw_state,
    follow_share,
)

WARM_UP = 1
"""Sub-frames before the window, in which the low pass settles."""


@dataclass(frozen=True)
class CameraSettings:
    """Ego-motion, in px of a picture 173 wide.

    Attributes:
        focal: against the picture's width.
        horizon: row against the picture's height. eye_m: height of the camera.
        still_chance: of a nearly static camera.
        pan_px_s: speed of turning; still_px_s: of a static one.
        advance_m_s: ahead; sideways_m_s: deviation; each in 60 % of the moving scenes.
        roll_rad_s: deviation.
        shake_px, shake_hz: of a hand or a vehicle.
    """

    focal: Range = (0.65, 1.5)
    horizon: Range = (0.12, 0.7)
    eye_m: Range = (0.5, 2.6)
    still_chance: float = 0.12
    pan_px_s: Range = (12.0, 150.0)
    still_px_s: Range = (0.2, 4.0)
    advance_m_s: Range = (-0.3, 1.6)
    sideways_m_s: float = 0.5
    roll_rad_s: float = 0.25
    shake_px: Range = (0.05, 1.5)
    shake_hz: Range = (4.0, 14.0)


@dataclass(frozen=True)
class WindowSettings:
    """What to simulate.

    Attributes:
        sensor_width, sensor_height: px.
        steps, step_us: the window is cut into `steps` of `step_us` microseconds.
        sub_frames: pictures rendered a window.
        render_scale: rendered px per sensor px; below 1 pictures are enlarged, which blurs as a lens does.
        softness_px: width of an edge on the render grid.
        ground_chance: of a ground plane.
    """

    sensor_width: int = 346
    sensor_height: int = 260
    steps: int = 5
    step_us: int = 8000
    sub_frames: int = 8
    render_scale: float = 0.5
    softness_px: Range = (0.7, 1.4)
    ground_chance: float = 0.75
    camera: CameraSettings = field(default_factory=CameraSettings)
    cast: CastSettings = field(default_factory=CastSettings)
    backdrop: BackdropSettings = field(default_factory=BackdropSettings)
    sensor: SensorSettings = field(default_factory=SensorSettings)
    rule: VisibilityRule = field(default_factory=VisibilityRule)

    @property
    def window_s(self) -> float:
        return self.steps * self.step_us * 1e-6

    @property
    def render_size(self) -> tuple[int, int]:
        """(height, width) of rendered pictures, px."""
        return round(self.sensor_height * self.render_scale), round(self.sensor_width * self.render_scale)


@dataclass(frozen=True)
class Windows:
    """B simulated windows.

    Attributes:
        counts: (B, T, 2, H, W) uint8 events; channel 0 OFF, 1 ON; saturates at 255.
        boxes: B tensors (N, 4) float32, sensor xyxy at the window's end.
        labels: B tensors (N,) int64: 0 person, 1 car, 2 two-wheeler.
        ignore: B tensors (M, 4) float32: objects hardly visible, neither to find nor to miss.
    """

    counts: Tensor
    boxes: list[Tensor]
    labels: list[Tensor]
    ignore: list[Tensor]


@torch.no_grad()
def simulate_windows(
    settings: WindowSettings, *, seed: int, batch: int, device: str | torch.device = "cpu"
) -> Windows:
    """`batch` windows of independent scenes; the same for the same seed, settings and kind of device."""
    dice = Dice(seed, device)
    sub_s = settings.window_s / settings.sub_frames
    t_s = (
        torch.arange(settings.sub_frames + 1 + WARM_UP, device=dice.device) - WARM_UP
    ) * sub_s - settings.window_s
    camera = _draw_camera(dice, settings, batch)
    cast = draw_cast(dice, settings.cast, camera, t_s)
    frames = render(_draw_stage(dice, settings, camera), cast, camera.at(t_s), t_s)
    light = frames.intensity.clamp_min(0.005) + planes(dice.log_uniform(batch, 0.03, 0.4))[:, None]
    log_intensity = light.log() + _changing_light(dice, settings, batch, t_s)
    pixels = draw_pixels(dice, settings.sensor, batch, settings.sensor_height, settings.sensor_width)
    counts = _expose(dice, settings, pixels, log_intensity, sub_s)
    return _annotate(settings, counts, cast, frames, log_intensity, pixels)


def _draw_camera(dice: Dice, settings: WindowSettings, batch: int) -> Camera:
    c = settings.camera
    height, width = settings.render_size
    unit = width / REFERENCE_WIDTH_PX
    moving = 1 - dice.chance(batch, c.still_chance)
    turn = dice.log_uniform(batch, *c.pan_px_s) * moving + dice.log_uniform(batch, *c.still_px_s) * (
        1 - moving
    )
    level = dice.uniform(batch, -0.35, 0.35) + math.pi * dice.chance(batch, 0.5)
    course = torch.where(dice.unit(batch) < 0.6, level, dice.uniform(batch, 0, 2 * math.pi))
    rate = torch.stack((
        turn * course.cos() * unit, turn * course.sin() * unit, dice.normal(batch) * c.roll_rad_s * moving,
        dice.normal(batch) * c.sideways_m_s * moving * dice.chance(batch, 0.6),
        dice.uniform(batch, *c.advance_m_s) * moving * dice.chance(batch, 0.6),
    ), 1)  # fmt: skip
    shake = dice.log_uniform(batch, *c.shake_px) * moving * unit
    swing = torch.zeros(batch, AXES, 1, device=dice.device)
    swing[:, 0, 0], swing[:, 1, 0] = shake, 0.7 * shake
    omega = dice.uniform(batch, *c.shake_hz)[:, None, None] * 2 * math.pi
    omega = omega * torch.tensor([1, 0.8, 1, 1, 1], device=dice.device)[:, None]
    phase = dice.uniform(batch * AXES, 0, 2 * math.pi).view(batch, AXES, 1)
    return Camera(
        width, height, dice.uniform(batch, *c.focal) * width,
        (dice.uniform(batch, *c.horizon) - 0.5) * height, dice.log_uniform(batch, *c.eye_m),
        rate, swing, omega, phase,
    )  # fmt: skip


def _draw_stage(dice: Dice, settings: WindowSettings, camera: Camera) -> Stage:
    batch, margin = len(camera.focal_px), settings.backdrop.margin
    height, width = round(camera.height * margin), round(camera.width * margin)
    textures = draw_textures(dice, batch, height, width)
    softness = dice.uniform(batch, *settings.softness_px)
    canvas = draw_backdrop(dice, settings.backdrop, textures, camera.horizon_px + height / 2, softness)
    ground = draw_ground(dice, canvas.mean((1, 2)), camera.width, settings.ground_chance)
    return Stage(camera, canvas, ground, textures, softness)


def _changing_light(dice: Dice, settings: WindowSettings, batch: int, t_s: Tensor) -> Tensor:
    """(B, K, h, w) log intensity of clouds and doors (ramps) and of lamps (flicker), stronger in places."""
    s = settings.sensor
    ramp = dice.uniform(batch, 0.03, 0.25) * dice.chance(batch, s.ramp_chance) * dice.sign(batch)
    flicker = dice.uniform(batch, 0.02, 0.25) * dice.chance(batch, s.flicker_chance)
    omega, phase = 2 * math.pi * dice.uniform(batch, 50, 120), dice.uniform(batch, 0, 6)
    waves = flicker[:, None] * (omega[:, None] * t_s + phase[:, None]).sin()
    strength = ramp[:, None] * (t_s / settings.window_s) + waves
    place = fractal_noise(dice, 32, 48, dice.uniform(batch, 1.2, 2.0)) * 1.5 + planes(
        dice.uniform(batch, -1, 2)
    )
    place = F.interpolate(torch.sigmoid(place)[:, None], size=settings.render_size, mode="bilinear")
    return strength[..., None, None] * place


def _expose(
    dice: Dice, settings: WindowSettings, pixels: Pixels, log_intensity: Tensor, sub_s: float
) -> Tensor:
    """(B, T, 2, H, W) uint8 counts of the sensor that sees (B, K, h, w) pictures `sub_s` apart."""
    size = (settings.sensor_height, settings.sensor_width)
    counts = torch.zeros(len(log_intensity), settings.steps, 2, *size, device=dice.device)
    first = enlarge(log_intensity[:, 0], size)
    state, follow = draw_state(dice, pixels, first), follow_share(pixels, first, sub_s)
    for index in range(1, log_intensity.shape[1]):
        state, crossings = advance(dice, pixels, state, enlarge(log_intensity[:, index], size), follow, sub_s)
        if index > WARM_UP:
            start_s = (index - 1 - WARM_UP) * sub_s
            count_events(counts, crossings, start_s, sub_s, settings.step_us * 1e-6)
    return counts.clamp_max_(255).to(torch.uint8)


def enlarge(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, h, w) to (B, H, W), bilinear."""
    return F.interpolate(picture[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]


def count_events(counts: Tensor, crossings: Crossings, start_s: float, sub_s: float, step_s: float) -> None:
    """Add events of a sub-frame that starts at `start_s` to `counts` (B, T, 2, H, W)."""
    _, steps, polarities, height, width = counts.shape
    step = ((start_s + crossings.share * sub_s) / step_s).long().clamp(0, steps - 1)
    scene, place = crossings.pixel // (height * width), crossings.pixel % (height * width)
    cell = ((scene * steps + step) * polarities + crossings.polarity) * (height * width) + place
    counts.view(-1).index_add_(0, cell, torch.ones_like(crossings.share))


def _annotate(
    settings: WindowSettings,
    counts: Tensor,
    cast: Cast,
    frames: Frames,
    log_intensity: Tensor,
    pixels: Pixels,
) -> Windows:
    bodies, px = cast.bodies, 1 / settings.render_scale
    threshold = ((pixels.on + pixels.off) / 2).mean((1, 2), keepdim=True)
    active = counts.amax((1, 2)).float()
    lively = lively_pixels(log_intensity, threshold, active)
    verdict = judge(settings.rule, frames.xyxy, frames.ownership, lively, px)
    verdict = torch.where(bodies.label == THING, -1, verdict)
    boxes = clip(
        loosen(frames.xyxy, settings.rule.margin) * px, settings.sensor_width, settings.sensor_height
    )
    kept = [verdict.eq(LABEL) & bodies.scene.eq(b) for b in range(len(counts))]
    ignored = [verdict.eq(IGNORE) & bodies.scene.eq(b) for b in range(len(counts))]
    return Windows(
        counts,
        [boxes[rows] for rows in kept],
        [bodies.label[rows] for rows in kept],
        [boxes[rows] for rows in ignored],
    )
