"""`simulate_windows`: batches of short windows of events with boxes, to train detectors on."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from streaming.simulate.backdrop import BackdropSettings, draw_backdrop, draw_textures
from streaming.simulate.batching import cuts
from streaming.simulate.camera import Camera, CameraSettings, draw_camera
from streaming.simulate.cast import CastSettings, draw_cast
from streaming.simulate.compose import Cast, Frames, Stage, render
from streaming.simulate.exposure import Crossings, advance, respond, settled
from streaming.simulate.ground import draw_ground
from streaming.simulate.labels import (
    IGNORE,
    LABEL,
    VisibilityRule,
    active_share,
    clip,
    judge,
    lively_pixels,
    loosen,
    settle,
)
from streaming.simulate.lens import Lens, LensSettings, blur, draw_lens, sharpen, vignette
from streaming.simulate.light import LightSettings, change_light, lit
from streaming.simulate.noise import Dice
from streaming.simulate.sensor import Pixels, SensorSettings, draw_pixels

WARM_UP = 1
"""Sub-frames before the window, in which the low passes settle."""


@dataclass(frozen=True)
class WindowSettings:
    """What to simulate.

    Attributes:
        sensor_width, sensor_height: px.
        steps, step_us: the window is cut into `steps` of `step_us` microseconds.
        sub_frames: pictures rendered a window.
        render_scale: rendered px per sensor px; below 1 pictures are enlarged, which blurs as a lens does.
        ground_chance: of a ground plane.
    """

    sensor_width: int = 346
    sensor_height: int = 260
    steps: int = 5
    step_us: int = 8000
    sub_frames: int = 8
    render_scale: float = 0.5
    ground_chance: float = 0.75
    camera: CameraSettings = field(default_factory=CameraSettings)
    cast: CastSettings = field(default_factory=CastSettings)
    backdrop: BackdropSettings = field(default_factory=BackdropSettings)
    lens: LensSettings = field(default_factory=LensSettings)
    light: LightSettings = field(default_factory=LightSettings)
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
    height, width = settings.render_size
    lens = draw_lens(dice, settings.lens, batch)
    camera = draw_camera(dice, settings.camera, lens.bend, width, height)
    cast, view = draw_cast(dice, settings.cast, camera, t_s), camera.at(t_s)
    frames = render(_draw_stage(dice, settings, camera, lens), cast, view, t_s)
    night = dice.chance(batch, settings.sensor.night_chance)
    frames.intensity.mul_(vignette(lens, height, width)[:, None])
    log_intensity = lit(dice, settings.light, night, frames.intensity)
    change_light(dice, settings.light, night, log_intensity, view, t_s)
    sharpen(log_intensity, lens)
    counts, threshold = _expose(dice, settings, night, log_intensity, sub_s)
    return _annotate(settings, counts, cast, frames, log_intensity, threshold)


def _draw_stage(dice: Dice, settings: WindowSettings, camera: Camera, lens: Lens) -> Stage:
    batch, margin = len(camera.focal_px), settings.backdrop.margin
    height, width = round(camera.height * margin), round(camera.width * margin)
    textures = draw_textures(dice, batch, height, width)
    horizon_px = camera.horizon_px + height / 2
    canvas = blur(
        draw_backdrop(dice, settings.backdrop, textures, horizon_px, lens.softness_px), lens.blur_px
    )
    ground = draw_ground(dice, canvas.mean((1, 2)), camera.width, settings.ground_chance)
    return Stage(camera, canvas, ground, textures, lens.softness_px)


def _expose(
    dice: Dice, settings: WindowSettings, night: Tensor, log_intensity: Tensor, sub_s: float
) -> tuple[Tensor, Tensor]:
    """What the sensors see of (B, K, h, w) pictures `sub_s` apart.

    Returns:
        (B, T, 2, H, W) uint8 counts, and the (B, 1, 1) mean threshold.
    """
    size = settings.sensor_height, settings.sensor_width
    counts, thresholds = [], []
    for rows in cuts(len(night), size[0] * size[1], dice.device):
        pixels = draw_pixels(dice, settings.sensor, night[rows], *size)
        thresholds.append(pixels.half.mean((1, 2), keepdim=True))
        counts.append(_count(dice, settings, pixels, log_intensity[rows], sub_s))
    return torch.cat(counts), torch.cat(thresholds)


def _count(
    dice: Dice, settings: WindowSettings, pixels: Pixels, log_intensity: Tensor, sub_s: float
) -> Tensor:
    size = (settings.sensor_height, settings.sensor_width)
    counts = torch.zeros(len(log_intensity), settings.steps, 2, *size, device=dice.device)
    first = enlarge(log_intensity[:, 0], size)
    response = respond(pixels, first, sub_s)
    state = settled(dice, pixels, first, response.noise)
    for index in range(1, log_intensity.shape[1]):
        picture = enlarge(log_intensity[:, index], size)
        state, crossings = advance(dice, pixels, state, picture, response, sub_s)
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
    threshold: Tensor,
) -> Windows:
    bodies, px = cast.bodies, 1 / settings.render_scale
    active = counts.amax((1, 2)).float()
    lively = lively_pixels(log_intensity, threshold, active)
    verdict = settle(judge(settings.rule, frames.xyxy, frames.ownership, lively), bodies.label)
    boxes = clip(
        loosen(frames.xyxy, settings.rule.margin) * px, settings.sensor_width, settings.sensor_height
    )
    drowned = active_share(active.clamp_max(1), boxes, bodies.scene) > settings.rule.max_active
    verdict = torch.where(drowned & verdict.eq(LABEL), IGNORE, verdict)
    kept = [verdict.eq(LABEL) & bodies.scene.eq(b) for b in range(len(counts))]
    ignored = [verdict.eq(IGNORE) & bodies.scene.eq(b) for b in range(len(counts))]
    return Windows(
        counts,
        [boxes[rows] for rows in kept],
        [bodies.label[rows] for rows in kept],
        [boxes[rows] for rows in ignored],
    )
