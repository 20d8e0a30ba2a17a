"""Where the objects of windows are: sizes and places are chosen on the picture, groups in metres."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from streaming.simulate.camera import SHIFT_X, Camera
from streaming.simulate.groups import Groups
from streaming.simulate.motion import Bodies
from streaming.simulate.noise import Dice, Range

PERSON, CAR, TWO_WHEELER, THING, LORRY, CROWD = 0, 1, 2, -1, -2, -3
"""Classes; below THING what a detector may find or leave: neither is an error."""

NEAREST_SHARE = 0.5
"""Members of a group are no nearer than this share of their leader's distance."""


@dataclass(frozen=True)
class PlaceSettings:
    """Sizes and places.

    Attributes:
        height: size of a person against the picture; most lie in `usual_height`.
        crowd_height: of people in far groups; throng_height: of people in crowds.
        grounded_chance: that feet stand on the ground plane of the scene, else anywhere.
        follow_chance: that the camera follows the first person.
    """

    height: Range = (0.1, 1.35)
    usual_height: Range = (0.22, 0.95)
    crowd_height: Range = (0.08, 0.35)
    throng_height: Range = (0.04, 0.14)
    grounded_chance: float = 0.65
    follow_chance: float = 0.45


def place_bodies(
    dice: Dice,
    settings: PlaceSettings,
    camera: Camera,
    label: Tensor,
    scene: Tensor,
    height_m: Tensor,
    velocity: tuple[Tensor, Tensor],
    crowded: Tensor,
) -> Bodies:
    """Objects (N,) somewhere in the pictures of `camera`, as if nobody belonged together.

    Args:
        velocity: (N,) m/s to the right and away.
        crowded: (N,) bool, people of far groups.
    """
    n = len(scene)
    focal, horizon = camera.focal_px[scene], camera.horizon_px[scene] + camera.height / 2
    tall = _draw_sizes(dice, settings, label, crowded) * camera.height
    usual, anywhere = dice.uniform(n, 0.06, 0.94), dice.uniform(n, -0.02, 1.02)
    column = torch.where(dice.unit(n) < 0.8, usual, anywhere) * camera.width
    grounded = dice.chance(n, settings.grounded_chance)
    lowest, part = tall.clamp_max(camera.height), dice.unit(n)
    free = 0.75 * lowest + part * (camera.height + 0.6 * tall - 0.75 * lowest)
    depth = focal * height_m / tall
    foot = torch.where(grounded > 0, horizon + focal * camera.eye_m[scene] / depth, free)
    foot = torch.minimum(foot, camera.height + 0.6 * tall).maximum(0.55 * lowest)
    return Bodies(
        scene, label, (column - camera.width / 2) * depth / focal, (foot - horizon) * depth / focal, depth,
        *velocity, height_m, torch.zeros_like(depth),
    )  # fmt: skip


def _draw_sizes(dice: Dice, settings: PlaceSettings, label: Tensor, crowded: Tensor) -> Tensor:
    """(N,) heights against the picture's."""
    n = len(label)
    wide, usual = dice.log_uniform(n, *settings.height), dice.uniform(n, *settings.usual_height)
    size = torch.where(dice.unit(n) < 0.45, wide, usual)
    size = torch.where(crowded, dice.log_uniform(n, *settings.crowd_height), size)
    size = torch.where((label == CAR) | (label == LORRY), size * 0.6, size)
    size = torch.where(label == CROWD, dice.log_uniform(n, *settings.throng_height), size)
    return torch.where(label == THING, size * dice.log_uniform(n, 0.4, 1.6), size)


def gather(bodies: Bodies, groups: Groups, yaw: Tensor) -> Bodies:
    """People, who come first, stand where their groups want them; members move as their leader does."""
    people = len(groups.leader)
    right_m, beyond_m = groups.offset_m(yaw)
    z_m = groups.follow(bodies.z_m[:people])
    z_m = torch.maximum(z_m + beyond_m, NEAREST_SHARE * z_m)
    changes = {
        name: groups.follow(getattr(bodies, name)[:people]) for name in ("drop_m", "speed_x", "speed_z")
    }
    changes |= {"x_m": groups.follow(bodies.x_m[:people]) + right_m, "z_m": z_m}
    return replace(
        bodies, **{name: torch.cat((new, getattr(bodies, name)[people:])) for name, new in changes.items()}
    )


def follow(dice: Dice, settings: PlaceSettings, camera: Camera, bodies: Bodies, leader: Tensor) -> Bodies:
    """Some cameras turn with the first person of the scene, who stays nearly still in the picture.

    Args:
        leader: (P,) row of the scene's first person, of each person; they come first.
    """
    scenes, people = len(camera.focal_px), len(leader)
    turn = camera.rate[:, SHIFT_X]
    follows = dice.chance(scenes, settings.follow_chance) * dice.uniform(scenes, 0.5, 1.0)
    left = turn * 0.12 * dice.normal(scenes)
    scene = bodies.scene[:people]
    leads = (leader == torch.arange(people, device=scene.device)).float()
    wanted = (left - turn)[scene] * bodies.z_m[:people] / camera.focal_px[scene]
    speed_x = bodies.speed_x.clone()
    speed_x[:people] += leads * follows[scene] * (wanted - speed_x[:people])
    return replace(bodies, speed_x=speed_x)
