"""Who is in a window, what they do and how fast: the distributions the detector learns from."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from streaming.simulate import two_wheelers
from streaming.simulate.arms import FREE
from streaming.simulate.camera import Camera
from streaming.simulate.cars import CAR_WEIGHTS, LORRY_WEIGHTS, Stand, draw_cars, draw_height_m
from streaming.simulate.companions import ALONE, arms_for, draw_companions, draw_company, nearness, needs_seat
from streaming.simulate.compose import TEXEL_PX, Cast, in_painting_order, merge_parts
from streaming.simulate.crowds import draw_crowds
from streaming.simulate.distractors import draw_distractors
from streaming.simulate.groups import Groups, GroupSettings, draw_groups
from streaming.simulate.motion import Bodies
from streaming.simulate.noise import Dice
from streaming.simulate.people import People, draw_people, draw_yaw
from streaming.simulate.placing import (
    CAR,
    CROWD,
    LORRY,
    PERSON,
    THING,
    TWO_WHEELER,
    PlaceSettings,
    follow,
    gather,
    place_bodies,
)
from streaming.simulate.two_wheelers import draw_two_wheelers, mount, rider_of

ORDER = (PERSON, TWO_WHEELER, CAR, LORRY, CROWD, THING)
BESIDE_M = 0.012
"""How much nearer or further than their owner companions are: enough to be painted after or before them."""

LOWEST_SEAT = 0.13
"""Who sits lower sits on the ground; in body heights."""


@dataclass(frozen=True)
class CastSettings:
    """Probabilities and ranges of what a window holds.

    Attributes:
        person_chance: that there are people at all; max_people, mean_more: how many.
        kinds: weights of walking, standing, running, bending, sitting.
        child_chance: of a smaller person with a larger head.
        company_chance: that those who walk or stand have a pram, a dog, an umbrella and so on with them.
        group_chance: that the people of a window belong together; groups: how.
        crowd_chance: of a far group of `crowd_people` (lowest, highest) instead.
        throng_chance: of a crowd too far to tell people apart, which is no label.
        car_chance, second_car_chance, bike_chance, lorry_chance: of vehicles; lorries and buses are no label.
        parked_chance: of vehicles that stand; two-wheelers have no rider then.
        max_distractors: things that are no class, 0 to this many.
        place: sizes and places.
    """

    person_chance: float = 0.85
    max_people: int = 5
    mean_more: float = 1.0
    kinds: tuple[float, ...] = (0.52, 0.26, 0.06, 0.07, 0.09)
    child_chance: float = 0.1
    company_chance: float = 0.15
    group_chance: float = 0.45
    groups: GroupSettings = field(default_factory=GroupSettings)
    crowd_chance: float = 0.07
    crowd_people: tuple[int, int] = (4, 9)
    throng_chance: float = 0.05
    car_chance: float = 0.25
    second_car_chance: float = 0.35
    bike_chance: float = 0.2
    lorry_chance: float = 0.05
    parked_chance: float = 0.3
    max_distractors: int = 4
    place: PlaceSettings = field(default_factory=PlaceSettings)


@dataclass(frozen=True)
class _Who:
    """The objects of B scenes, grouped by label in ORDER.

    Attributes:
        label, scene: (N,) int64.
        count: of each label.
        crowded: (B,) 1.0 in scenes with a far group.
    """

    label: Tensor
    scene: Tensor
    count: dict[int, int]
    crowded: Tensor

    def rows(self, label: int) -> slice:
        start = sum(self.count[name] for name in ORDER[: ORDER.index(label)])
        return slice(start, start + self.count[label])


@dataclass(frozen=True)
class _Crew:
    """The people of all scenes, then the riders of two-wheelers.

    Attributes:
        people: all of them.
        groups, child, company: of the people alone, see `groups.py` and `companions.py`.
        make, parked: (R,) of the two-wheelers.
    """

    people: People
    groups: Groups
    child: Tensor
    company: Tensor
    make: Tensor
    parked: Tensor

    @property
    def yaw(self) -> Tensor:
        return self.people.gait.yaw[:, 0]


def draw_cast(dice: Dice, settings: CastSettings, camera: Camera, t_s: Tensor) -> Cast:
    """Objects seen by `camera`; `t_s` (K,) are the times their parts are wanted at, the last being 0."""
    who = _draw_who(dice, settings, len(camera.focal_px))
    crew = _draw_crew(dice, settings, who)
    build = torch.cat([
        dice.choose(who.count[CAR], CAR_WEIGHTS), dice.choose(who.count[LORRY], LORRY_WEIGHTS)
    ])  # fmt: skip
    height_m = _draw_heights(dice, who, crew.child, build)
    car_yaw = _car_yaw(dice, len(build))
    speed = _draw_speeds(dice, settings, who, crew, height_m)
    course = torch.zeros_like(speed)
    course[: len(crew.yaw) + len(build)] = torch.cat((crew.yaw, car_yaw))
    in_crowd = (who.label == PERSON) & (who.crowded[who.scene] > 0)
    velocity = speed * course.sin(), speed * course.cos()
    bodies = place_bodies(dice, settings.place, camera, who.label, who.scene, height_m, velocity, in_crowd)
    bodies = follow(dice, settings.place, camera, bodies, crew.groups.leader)
    bodies = gather(bodies, crew.groups, crew.yaw[: who.count[PERSON]])
    parts = _draw_parts(dice, who, crew, build, car_yaw, bodies, speed / height_m, t_s)
    companions, more = _draw_companions(dice, who, crew, bodies, speed / height_m, t_s)
    bodies = _join(bodies, companions)
    tall_px = camera.focal_px[bodies.scene] * bodies.height_m / bodies.z_m
    return in_painting_order(Cast(bodies, merge_parts([*parts, more], len(t_s)), tall_px / TEXEL_PX))


def _draw_who(dice: Dice, settings: CastSettings, scenes: int) -> _Who:
    some = dice.chance(scenes, settings.person_chance)
    more = (-settings.mean_more * (1 - dice.unit(scenes)).log()).long()
    crowded = dice.chance(scenes, settings.crowd_chance) * some
    low, high = settings.crowd_people
    people = torch.where(
        crowded > 0, dice.whole(scenes, low, high + 1), (1 + more).clamp_max(settings.max_people)
    )
    second = 1 + dice.chance(scenes, settings.second_car_chance)
    amounts = {
        PERSON: some.long() * people,
        TWO_WHEELER: dice.chance(scenes, settings.bike_chance).long(),
        CAR: (dice.chance(scenes, settings.car_chance) * second).long(),
        LORRY: dice.chance(scenes, settings.lorry_chance).long(),
        CROWD: dice.chance(scenes, settings.throng_chance).long(),
        THING: dice.whole(scenes, 0, settings.max_distractors + 1),
    }
    rows = torch.arange(scenes, device=dice.device)
    members = [rows.repeat_interleave(amounts[name]) for name in ORDER]
    labels = [torch.full_like(rows_, name) for name, rows_ in zip(ORDER, members, strict=True)]
    count = {name: len(rows_) for name, rows_ in zip(ORDER, members, strict=True)}
    return _Who(torch.cat(labels), torch.cat(members), count, crowded)


def _draw_crew(dice: Dice, settings: CastSettings, who: _Who) -> _Crew:
    scene, riders = who.scene[who.rows(PERSON)], who.count[TWO_WHEELER]
    n = len(scene)
    kind = dice.choose(n, settings.kinds)
    together = dice.chance(len(who.crowded), settings.group_chance) * (1 - who.crowded)
    groups = draw_groups(dice, settings.groups, scene, together, who.crowded, kind)
    kind = torch.where(together[scene] > 0, groups.follow(kind), kind)
    child = dice.chance(n, settings.child_chance) * dice.uniform(n, 0.4, 1.0)
    company = draw_company(dice, kind, child, settings.company_chance)
    held = torch.where(arms_for(company) == FREE, groups.held, arms_for(company))
    make = dice.choose(riders, two_wheelers.WEIGHTS)
    yaw = torch.cat((_shared_yaw(dice, scene, groups), _ride_yaw(dice, riders)))
    people = draw_people(
        dice, torch.cat((kind, rider_of(make))), yaw, torch.cat((child, torch.zeros_like(yaw[n:]))),
        torch.cat((held, held.new_full((riders, 2), FREE))),
    )  # fmt: skip
    return _Crew(people, groups, child, company, make, dice.chance(riders, settings.parked_chance))


def _shared_yaw(dice: Dice, scene: Tensor, groups: Groups) -> Tensor:
    """Members of a group turn with it; half the other people of a window go the same way."""
    yaw = draw_yaw(dice, len(scene))
    together = dice.chance(len(scene), 0.5)
    shared = yaw[groups.leader] + dice.normal(len(scene)) * 0.15
    return torch.where(groups.joins, yaw[groups.leader] + groups.turn, torch.where(together > 0, shared, yaw))


def _ride_yaw(dice: Dice, n: int) -> Tensor:
    ahead = math.pi * dice.chance(n, 0.5) + dice.normal(n) * 0.3
    aside = math.pi / 2 * dice.sign(n) + dice.normal(n) * 0.45
    return torch.where(dice.unit(n) < 0.7, aside, torch.where(dice.unit(n) < 0.5, ahead, aside + 0.8))


def _car_yaw(dice: Dice, n: int) -> Tensor:
    """Half along or across the view, half three-quarter views."""
    square = dice.whole(n, 0, 4) * (math.pi / 2) + dice.normal(n) * 0.1
    return torch.where(dice.unit(n) < 0.5, square, dice.uniform(n, -math.pi, math.pi))


def _draw_heights(dice: Dice, who: _Who, child: Tensor, build: Tensor) -> Tensor:
    n = len(who.label)
    height = 1.7 * (1 + 0.06 * dice.normal(n))
    height[: len(child)] *= 1 - 0.45 * child
    cars = slice(who.rows(CAR).start, who.rows(LORRY).stop)
    height[cars] = draw_height_m(dice, build)
    return torch.where(who.label == THING, dice.log_uniform(n, 0.6, 4), height)


def _draw_speeds(dice: Dice, settings: CastSettings, who: _Who, crew: _Crew, height_m: Tensor) -> Tensor:
    """(N,) m/s ahead."""
    n, label = len(who.label), who.label
    walkers = slice(0, len(crew.yaw))
    speed = dice.normal(n).abs() * 6 * (1 - dice.chance(n, settings.parked_chance))
    speed = speed * ((label == CAR) | (label == LORRY))
    speed[walkers] = crew.people.gait.speed(height_m[walkers]) * dice.uniform(len(crew.yaw), 0.9, 1.15)
    speed[who.rows(TWO_WHEELER)] = dice.uniform(len(crew.make), 2, 9) * (1 - crew.parked)
    return speed


def _draw_parts(
    dice: Dice,
    who: _Who,
    crew: _Crew,
    build: Tensor,
    car_yaw: Tensor,
    bodies: Bodies,
    pace: Tensor,
    t_s: Tensor,
) -> list[Tensor]:
    """(n, K, M, FIELDS) parts of the objects of each label, in ORDER."""
    walkers, riders = who.rows(PERSON), who.rows(TWO_WHEELER)
    moving = crew.people.parts(t_s.expand(riders.stop, -1))
    bikes = draw_two_wheelers(dice, crew.make, crew.yaw[riders], pace[riders])
    cars = slice(who.rows(CAR).start, who.rows(LORRY).stop)
    away, eye = bodies.z_m[cars] / bodies.height_m[cars], bodies.drop_m[cars] / bodies.height_m[cars]
    solids = (
        draw_cars(dice, build, Stand(car_yaw, away, eye, pace[cars])),
        draw_crowds(dice, who.count[CROWD]),
        draw_distractors(dice, who.count[THING]),
    )
    mounted = mount(bikes.at(t_s.expand(len(crew.make), -1)), moving[riders], crew.make, crew.parked)
    return [moving[walkers], mounted, *(solid.at(t_s.expand(len(solid.parts), -1)) for solid in solids)]


def _draw_companions(
    dice: Dice, who: _Who, crew: _Crew, bodies: Bodies, pace: Tensor, t_s: Tensor
) -> tuple[Bodies, Tensor]:
    """What people have with them, and its parts (n, K, M, FIELDS)."""
    seat = crew.people.seat()[: who.count[PERSON]]
    owners = ((crew.company != ALONE) & ~(needs_seat(crew.company) & (seat < LOWEST_SEAT))).nonzero()[:, 0]
    company, yaw = crew.company[owners], crew.yaw[owners]
    solid = draw_companions(dice, company, yaw, pace[owners], seat[owners])
    own = Bodies(*(column[owners] for column in vars(bodies).values()))
    z_m = own.z_m - BESIDE_M * nearness(company, yaw).sign()
    theirs = Bodies(**(vars(own) | {"label": torch.full_like(own.label, THING), "z_m": z_m}))
    return theirs, solid.at(t_s.expand(len(owners), -1))


def _join(first: Bodies, second: Bodies) -> Bodies:
    return Bodies(
        *(torch.cat(pair) for pair in zip(vars(first).values(), vars(second).values(), strict=True))
    )
