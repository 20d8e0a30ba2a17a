"""`Street`: one scene that goes on for ever, seen by one event camera: events, and true boxes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streaming.events import Events
from streaming.simulate.actors import Actor, Edge, actor_parts, draw_places
from streaming.simulate.backdrop import BackdropSettings, draw_backdrop, draw_textures
from streaming.simulate.brush import Brush
from streaming.simulate.camera import View
from streaming.simulate.compose import TEXEL_PX, Cast, Stage, place_parts, render
from streaming.simulate.exposure import Crossings, advance, respond, settled
from streaming.simulate.extents import silhouettes
from streaming.simulate.ground import draw_ground
from streaming.simulate.labels import VisibilityRule, clip, loosen, visible_share
from streaming.simulate.light import LightSettings, Moments, draw_lamps
from streaming.simulate.motion import Bodies, project
from streaming.simulate.noise import Dice
from streaming.simulate.paths import CAMERA_PATHS, CAMERA_PERIOD_S, CameraPath, street_camera
from streaming.simulate.presets import PRESETS
from streaming.simulate.sensor import SensorSettings, draw_pixels
from streaming.simulate.sprites import paint
from streaming.simulate.windows import enlarge

STEP_US = 8_000
CHUNK_STEPS = 5
THINGS = 2
MIN_VISIBLE = 0.25
DAY_LIGHT, NIGHT_LIGHT = (1.0, 0.06), (0.2, 0.03)
"""Factor on the scene's intensity, and stray light in the lens added to it."""
LAMP_SEED = 1 << 33
"""Added to the scene's seed: its lamps are the same in every picture."""

STREET = BackdropSettings(
    houses=7, house_chance=0.9, trees=3, tree_chance=0.6, fences=1, fence_chance=0.6, poles=3, clutter=3,
    texture=(0.03, 0.1), grain_chance=0.0,
)  # fmt: skip


@dataclass(frozen=True)
class StreetSettings:
    """A street.

    Attributes:
        width, height: of the sensor, px.
        people, cars, bikes: how many places the cast has; about a third of them are in view at a time.
        night: dark, with lamps and a noisy sensor.
        render_scale: rendered px per sensor px.
        sensor: its pixels; None for those of a DAVIS346.
        stamp_us: how coarse its timestamps are.
        path: how the camera moves.
    """

    width: int = 346
    height: int = 260
    people: int = 8
    cars: int = 3
    bikes: int = 2
    night: bool = False
    render_scale: float = 0.5
    sensor: SensorSettings | None = None
    stamp_us: int = 1
    path: CameraPath = CAMERA_PATHS["pan"]


@dataclass(frozen=True)
class Truth:
    """What is really there.

    Attributes:
        xyxy: (N, 4) float32, sensor px, clipped to the sensor.
        labels: (N,) int64: 0 person, 1 car, 2 two-wheeler.
        ids: (N,) int64, the same for an object as long as it is there.
    """

    xyxy: NDArray[np.float32]
    labels: NDArray[np.int64]
    ids: NDArray[np.int64]


class Street:
    """A scene as a function of time, and a sensor that watches it from time 0 on."""

    def __init__(self, settings: StreetSettings, seed: int) -> None:
        self._settings, self._seed = settings, seed
        self._dice = Dice(seed)
        self._stage = _draw_stage(self._dice, settings)
        self._edge = Edge.of(self._stage.camera)
        counts = (settings.people, settings.cars, settings.bikes)
        self._places = draw_places(self._dice, *counts, things=THINGS)
        sensor = settings.sensor or PRESETS["davis346"].typical(settings.night)
        night = torch.full((1,), float(settings.night))
        self._pixels = draw_pixels(self._dice, sensor, night, settings.height, settings.width)
        self._actors: dict[int, tuple[int, Actor]] = {}

    @torch.no_grad()
    def events(self) -> Iterator[Events]:
        """Events of one step of STEP_US after the other, sorted by time; never ends. May be called once."""
        parts = self._settings.path.sub_frames
        sub_us = STEP_US // parts
        first = self._pictures(0, [0])[0]
        state = settled(self._dice, self._pixels, first, respond(self._pixels, first, sub_us * 1e-6).noise)
        for start_us in itertools.count(step=CHUNK_STEPS * STEP_US):
            within_us = [sub_us * (part + 1) for part in range(CHUNK_STEPS * parts)]
            pictures = self._pictures(start_us, within_us)
            response = respond(self._pixels, pictures[0], sub_us * 1e-6)
            made: list[Events] = []
            for picture, end_us in zip(pictures, within_us, strict=True):
                state, crossings = advance(self._dice, self._pixels, state, picture, response, sub_us * 1e-6)
                made.append(self._timed(crossings, start_us + end_us - sub_us, sub_us))
                if len(made) == parts:
                    yield Events.concatenate(made)
                    made = []

    def _pictures(self, start_us: int, t_us: Sequence[int]) -> list[Tensor]:
        """Log intensity (1, H, W) at `t_us` after `start_us`, with the actors of that moment."""
        t_s = torch.tensor(t_us) * 1e-6
        cast, _ = self._cast(start_us * 1e-6, t_s)
        at_us = [start_us + t for t in t_us]
        view = self._view(at_us)
        intensity = render(self._stage, cast, view, t_s).intensity
        light, stray = NIGHT_LIGHT if self._settings.night else DAY_LIGHT
        log = (intensity * light + stray).log()
        if self._settings.night:
            at = Moments(_cycle_s(at_us), view.shift_x, view.shift_y, log.shape[2], log.shape[3])
            log += draw_lamps(Dice(self._seed + LAMP_SEED), LightSettings(), at)
        return [enlarge(picture, (self._settings.height, self._settings.width)) for picture in log.unbind(1)]

    def _view(self, t_us: list[int]) -> View:
        return self._stage.camera.at(_cycle_s(t_us))

    def _timed(self, crossings: Crossings, start_us: int, length_us: int) -> Events:
        # Times inside a sub-frame fit 16 bits, which numpy sorts by radix, many times faster than 64.
        inside_us = (crossings.share * length_us).numpy().astype(np.uint16)
        inside_us -= inside_us % self._settings.stamp_us
        order = np.argsort(inside_us, kind="stable")
        row, column = np.divmod(crossings.pixel.numpy()[order], self._settings.width)
        t_us = inside_us[order].astype(np.int64) + start_us
        return Events.of(t_us, column, row, crossings.polarity.numpy()[order])

    @torch.no_grad()
    def truth(self, t_us: int) -> Truth:
        """True boxes at `t_us`: of all that is at least a quarter in view and not behind nearer objects."""
        t_s = torch.zeros(1)
        cast, actors = self._cast(t_us * 1e-6, t_s)
        camera, textures = self._stage.camera, self._stage.textures
        placement = project(cast.bodies, camera, self._view([t_us]), t_s)
        parts = place_parts(cast, camera, placement)
        brush = Brush(textures.tile, torch.ones_like(placement.scale), self._stage.softness_px)
        ownership = paint(torch.zeros(1, 1, camera.height, camera.width), parts, cast.bodies.scene, brush)
        whole = silhouettes(parts[:, -1])
        seen = (visible_share(whole, ownership) >= MIN_VISIBLE) & (cast.bodies.label >= 0)
        xyxy = loosen(whole, VisibilityRule.margin) / self._settings.render_scale
        xyxy = clip(xyxy, self._settings.width, self._settings.height)[seen]
        names = torch.tensor([actor.name for actor in actors], dtype=torch.int64)
        return Truth(xyxy.numpy(), cast.bodies.label[seen].numpy(), names[seen].numpy())

    def _present(self, t_s: float) -> list[Actor]:
        """Actors at `t_s`, from far to near."""
        present = []
        for place in self._places:
            turn = place.turn(t_s)
            known = self._actors.get(place.index)
            actor = known[1] if known and known[0] == turn else place.draw(self._seed, turn, self._edge)
            self._actors[place.index] = (turn, actor)
            if t_s < actor.end_s:
                present.append(actor)
        return sorted(present, key=lambda actor: -actor.at(t_s)[1])

    def _cast(self, start_s: float, t_s: Tensor) -> tuple[Cast, list[Actor]]:
        """Everybody present at `start_s`, with parts at `start_s + t_s` (K,); and who is who."""
        actors = self._present(start_s)
        places = torch.tensor([actor.at(start_s) for actor in actors]).view(-1, 2)
        traits = torch.tensor([[a.speed_m_s, a.yaw, a.height_m, a.z_m] for a in actors]).view(-1, 4)
        speed, yaw, height_m, first_z = traits.unbind(1)
        labels = torch.tensor([actor.label for actor in actors], dtype=torch.int64)
        camera = self._stage.camera
        bodies = Bodies(
            torch.zeros_like(labels), labels, places[:, 0], camera.eye_m.expand(len(actors)), places[:, 1],
            speed * yaw.sin(), speed * yaw.cos(), height_m, torch.zeros_like(speed),
        )  # fmt: skip
        parts = actor_parts(actors, start_s, t_s)
        return Cast(bodies, parts, camera.focal_px * height_m / first_z / TEXEL_PX), actors


def _cycle_s(t_us: Sequence[int]) -> Tensor:
    """(K,) seconds since the camera's path last began anew."""
    period_us = CAMERA_PERIOD_S * 1_000_000
    return torch.tensor([(t % period_us) * 1e-6 for t in t_us])


def _draw_stage(dice: Dice, settings: StreetSettings) -> Stage:
    """A camera at eye height before a street of houses."""
    scale = settings.render_scale
    height, width = round(settings.height * scale), round(settings.width * scale)
    camera = street_camera(dice, settings.path, width, height)
    margin = STREET.margin
    textures = draw_textures(dice, 1, round(height * margin), round(width * margin))
    softness = torch.ones(1)
    canvas = draw_backdrop(dice, STREET, textures, camera.horizon_px + round(height * margin) / 2, softness)
    ground = draw_ground(dice, canvas.mean((1, 2)), width, chance=1.0)
    ground = replace(
        ground,
        tile=ground.tile * 0.5,
        own=torch.ones(1),
        start=torch.zeros(1),
        tone=dice.uniform(1, 0.25, 0.45),
    )
    return Stage(camera, canvas, ground, textures, softness)
