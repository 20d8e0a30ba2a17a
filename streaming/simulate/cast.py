"""Who is in a window, where, how large and how fast: the distributions the detector learns from."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from streaming.simulate.camera import SHIFT_X, Camera
from streaming.simulate.compose import TEXEL_PX, Cast, in_painting_order, merge_parts
from streaming.simulate.distractors import draw_distractors
from streaming.simulate.gait import RIDE
from streaming.simulate.motion import Bodies
from streaming.simulate.noise import Dice, Range
from streaming.simulate.people import draw_people, draw_yaw
from streaming.simulate.vehicles import draw_cars, draw_two_wheelers, mount

PERSON, CAR, TWO_WHEELER, THING = 0, 1, 2, -1
ORDER = (PERSON, TWO_WHEELER, CAR, THING)


@dataclass(frozen=True)
class CastSettings:
    """Probabilities and ranges of what a window holds.

    Attributes:
        person_chance: that there are people at all; max_people, mean_more: how many.
        kinds: weights of walking, standing, running, bending, sitting.
        child_chance: of a smaller person with a larger head.
        group_chance: that the people of a window stand or walk together, in contact.
        car_chance, second_car_chance, bike_chance: of vehicles.
        max_distractors: things that are no class, 0 to this many.
        follow_chance: that the camera follows the first person.
        grounded_chance: that feet stand on the ground plane of the scene, else anywhere.
        height: size of a person against the picture; most lie in `usual_height`.
    """

    person_chance: float = 0.85
    max_people: int = 5
    mean_more: float = 0.9
    kinds: tuple[float, ...] = (0.55, 0.27, 0.06, 0.07, 0.05)
    child_chance: float = 0.08
    group_chance: float = 0.25
    car_chance: float = 0.25
    second_car_chance: float = 0.35
    bike_chance: float = 0.2
    max_distractors: int = 4
    follow_chance: float = 0.45
    grounded_chance: float = 0.65
    height: Range = (0.1, 1.35)
    usual_height: Range = (0.22, 0.95)


def draw_cast(dice: Dice, settings: CastSettings, camera: Camera, t_s: Tensor) -> Cast:
    """Objects seen by `camera`; `t_s` (K,) are the times their parts are wanted at, the last being 0."""
    label, scene = _draw_who(dice, settings, len(camera.focal_px))
    count = {name: int((label == name).sum()) for name in ORDER}
    walkers = count[PERSON] + count[TWO_WHEELER]
    kind = dice.choose(walkers, settings.kinds)
    kind[count[PERSON] :] = RIDE
    child = dice.chance(walkers, settings.child_chance) * (kind != RIDE)
    yaw = torch.cat((_shared_yaw(dice, scene[: count[PERSON]]), _ride_yaw(dice, count[TWO_WHEELER])))
    people = draw_people(dice, kind, yaw, child)
    height_m = _draw_heights(dice, label, child)
    car_yaw = _car_yaw(dice, count[CAR])
    speed_x, speed_z = _draw_speeds(dice, label, yaw, car_yaw, people.gait.speed(height_m[:walkers]))
    bodies = _place(dice, settings, camera, scene, label, height_m, speed_x, speed_z)
    bodies = _follow(dice, settings, camera, bodies)
    riders = people.parts(t_s.expand(walkers, -1))
    groups = [
        riders[: count[PERSON]],
        mount(draw_two_wheelers(dice, yaw[count[PERSON] :]), riders[count[PERSON] :]),
        draw_cars(dice, car_yaw),
        draw_distractors(dice, count[THING]),
    ]
    tall_px = camera.focal_px[scene] * height_m / bodies.z_m
    return in_painting_order(Cast(bodies, merge_parts(groups, len(t_s)), tall_px / TEXEL_PX))


def _draw_who(dice: Dice, settings: CastSettings, scenes: int) -> tuple[Tensor, Tensor]:
    """(N,) labels and scenes, grouped by label in ORDER."""
    more = (-settings.mean_more * (1 - dice.unit(scenes)).log()).long()
    people = dice.chance(scenes, settings.person_chance).long() * (1 + more).clamp_max(settings.max_people)
    second = 1 + dice.chance(scenes, settings.second_car_chance)
    amounts = {
        PERSON: people,
        TWO_WHEELER: dice.chance(scenes, settings.bike_chance).long(),
        CAR: (dice.chance(scenes, settings.car_chance) * second).long(),
        THING: dice.whole(scenes, 0, settings.max_distractors + 1),
    }
    rows = torch.arange(scenes, device=dice.device)
    members = [rows.repeat_interleave(amounts[name]) for name in ORDER]
    labels = [torch.full_like(rows_, name) for name, rows_ in zip(ORDER, members, strict=True)]
    return torch.cat(labels), torch.cat(members)


def _first_of_scene(scene: Tensor) -> Tensor:
    """(N,) index of the first object of the same scene; `scene` is sorted."""
    return torch.searchsorted(scene, scene)


def _shared_yaw(dice: Dice, scene: Tensor) -> Tensor:
    """Half the people of a window go the same way."""
    yaw = draw_yaw(dice, len(scene))
    together = dice.chance(len(scene), 0.5)
    first = yaw[_first_of_scene(scene)] + dice.normal(len(scene)) * 0.15
    return torch.where(together > 0, first, yaw)


def _ride_yaw(dice: Dice, n: int) -> Tensor:
    ahead = math.pi * dice.chance(n, 0.5) + dice.normal(n) * 0.3
    aside = math.pi / 2 * dice.sign(n) + dice.normal(n) * 0.45
    return torch.where(dice.unit(n) < 0.75, aside, ahead)


def _car_yaw(dice: Dice, n: int) -> Tensor:
    """Mostly along or across the view, one third three-quarter views."""
    square = dice.whole(n, 0, 4) * (math.pi / 2) + dice.normal(n) * 0.08
    return torch.where(dice.unit(n) < 0.67, square, dice.uniform(n, -math.pi, math.pi))


def _draw_heights(dice: Dice, label: Tensor, child: Tensor) -> Tensor:
    n = len(label)
    height = 1.7 * (1 + 0.06 * dice.normal(n))
    height[: len(child)] *= 1 - child * dice.uniform(len(child), 0.2, 0.45)
    height = torch.where(label == CAR, dice.uniform(n, 1.4, 1.9), height)
    return torch.where(label == THING, dice.log_uniform(n, 0.6, 4), height)


def _draw_speeds(
    dice: Dice, label: Tensor, yaw: Tensor, car_yaw: Tensor, walking: Tensor
) -> tuple[Tensor, Tensor]:
    """(N,) m/s to the right and away from the camera."""
    n = len(label)
    walking = walking * dice.uniform(len(walking), 0.9, 1.15)
    riding = dice.uniform(len(walking), 2, 9) * (label[: len(walking)] == TWO_WHEELER)
    driving = dice.normal(len(car_yaw)).abs() * 6 * dice.chance(len(car_yaw), 0.8)
    speed, course = torch.zeros(n, device=dice.device), torch.zeros(n, device=dice.device)
    speed[: len(walking)], course[: len(walking)] = walking + riding, yaw
    cars = slice(len(walking), len(walking) + len(car_yaw))
    speed[cars], course[cars] = driving, car_yaw
    return speed * course.sin(), speed * course.cos()


def _place(
    dice: Dice,
    settings: CastSettings,
    camera: Camera,
    scene: Tensor,
    label: Tensor,
    height_m: Tensor,
    speed_x: Tensor,
    speed_z: Tensor,
) -> Bodies:
    """Choose sizes and places on the picture at time 0, then the metres that give them."""
    n = len(scene)
    focal, horizon = camera.focal_px[scene], camera.horizon_px[scene] + camera.height / 2
    tall = _draw_sizes(dice, settings, label) * camera.height
    column = (
        torch.where(dice.unit(n) < 0.8, dice.uniform(n, 0.06, 0.94), dice.uniform(n, -0.02, 1.02))
        * camera.width
    )
    grounded = dice.chance(n, settings.grounded_chance)
    lowest, part = tall.clamp_max(camera.height), dice.unit(n)
    anywhere = 0.75 * lowest + part * (camera.height + 0.6 * tall - 0.75 * lowest)
    tall, column = _gather_groups(dice, settings, scene, label, tall, column)
    depth = focal * height_m / tall
    foot = torch.where(grounded > 0, horizon + focal * camera.eye_m[scene] / depth, anywhere)
    first = _first_person(scene, label)
    foot = torch.where(
        (label == PERSON) & _grouped(tall, first), foot[first] + (tall - tall[first]) * 0.2, foot
    )
    foot = torch.minimum(foot, camera.height + 0.6 * tall).maximum(0.55 * lowest)
    return Bodies(
        scene, label, (column - camera.width / 2) * depth / focal, (foot - horizon) * depth / focal, depth,
        speed_x, speed_z, height_m, torch.zeros_like(depth),
    )  # fmt: skip


def _draw_sizes(dice: Dice, settings: CastSettings, label: Tensor) -> Tensor:
    n = len(label)
    wide, usual = dice.log_uniform(n, *settings.height), dice.uniform(n, *settings.usual_height)
    size = torch.where(dice.unit(n) < 0.45, wide, usual)
    size = torch.where(label == CAR, size * 0.6, size)
    return torch.where(label == THING, size * dice.log_uniform(n, 0.4, 1.6), size)


def _first_person(scene: Tensor, label: Tensor) -> Tensor:
    """(N,) index of the scene's first person for people, the object itself for others; people come first."""
    people = int((label == PERSON).sum())
    own = torch.arange(len(scene), device=scene.device)
    return torch.cat((_first_of_scene(scene[:people]), own[people:]))


def _grouped(tall: Tensor, first: Tensor) -> Tensor:
    """Whether people are as tall on the picture as their scene's first, as those of a group are."""
    return (tall / tall[first] - 1).abs() < 0.13


def _gather_groups(
    dice: Dice, settings: CastSettings, scene: Tensor, label: Tensor, tall: Tensor, column: Tensor
) -> tuple[Tensor, Tensor]:
    """In some scenes people stand side by side with the first one, shoulders touching or overlapping."""
    n, first = len(scene), _first_person(scene, label)
    scenes = int(scene.max()) + 1 if n else 0
    together = dice.chance(scenes, settings.group_chance)[scene] > 0
    rank = torch.arange(n, device=scene.device) - first
    joins = together & (label == PERSON) & (rank > 0)
    gap = tall[first] * dice.uniform(n, 0.2, 0.45) * ((rank + 1) // 2) * (1 - 2 * (rank % 2))
    near = tall[first] * (1 + 0.05 * dice.normal(n))
    return torch.where(joins, near, tall), torch.where(joins, column[first] + gap, column)


def _follow(dice: Dice, settings: CastSettings, camera: Camera, bodies: Bodies) -> Bodies:
    """Some cameras turn with the first person of the scene, who stays nearly still in the picture."""
    scenes, people = len(camera.focal_px), int((bodies.label == PERSON).sum())
    turn = camera.rate[:, SHIFT_X]
    follows = dice.chance(scenes, settings.follow_chance) * dice.uniform(scenes, 0.5, 1.0)
    left = turn * 0.12 * dice.normal(scenes)
    scene = bodies.scene[:people]
    leads = (_first_of_scene(scene) == torch.arange(people, device=scene.device)).float()
    wanted = (left - turn)[scene] * bodies.z_m[:people] / camera.focal_px[scene]
    speed_x = bodies.speed_x.clone()
    speed_x[:people] += leads * follows[scene] * (wanted - speed_x[:people])
    return replace(bodies, speed_x=speed_x)
