"""Who walks, rides and drives through a street: each place in the cast is filled again and again, for ever.

An actor is a function of the seed, its place and its turn: a scene at any time needs nothing of its past.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from streaming.simulate.cast import CAR, PERSON, THING, TWO_WHEELER
from streaming.simulate.compose import merge_parts
from streaming.simulate.distractors import draw_distractors
from streaming.simulate.gait import RIDE, RUN, WALK
from streaming.simulate.noise import Dice
from streaming.simulate.people import People, draw_people, gather_people
from streaming.simulate.vehicles import draw_cars, draw_two_wheelers, mount

TURNS = 1_000_003
"""A prime larger than any number of places, to give every place and turn a seed of its own."""


@dataclass(frozen=True)
class Actor:
    """One object on its way.

    Attributes:
        name: id that no other actor of the scene has.
        label: class, see `cast.py`.
        begin_s, end_s: when it is there, seconds of the scene.
        x_m, z_m: where it begins. yaw: where it heads. speed_m_s: how fast.
        height_m: of the object.
        people: the person or the rider, None for others.
        solid: (1, 1, M, FIELDS) parts that do not change, None for people.
    """

    name: int
    label: int
    begin_s: float
    end_s: float
    x_m: float
    z_m: float
    yaw: float
    speed_m_s: float
    height_m: float
    people: People | None
    solid: Tensor | None

    def at(self, t_s: float) -> tuple[float, float]:
        """(x, z) metres at `t_s` of the scene."""
        way_m = self.speed_m_s * (t_s - self.begin_s)
        return self.x_m + way_m * math.sin(self.yaw), self.z_m + way_m * math.cos(self.yaw)


@dataclass(frozen=True)
class Place:
    """A place in the cast, filled by one actor every `period_s`.

    Attributes:
        index: among all places.
        label: class of its actors.
        period_s: time from one actor to the next.
        offset_s: how far into its period the place is at time 0.
        z_m: range of distances.
    """

    index: int
    label: int
    period_s: float
    offset_s: float
    z_m: tuple[float, float]

    def turn(self, t_s: float) -> int:
        """How many actors were there before the one of `t_s`."""
        return math.floor((t_s + self.offset_s) / self.period_s)

    def draw(self, seed: int, turn: int, half_view: float) -> Actor:
        """The actor of a turn.

        Args:
            seed: of the scene.
            turn: from `turn`.
            half_view: half the picture's width over the focal length.
        """
        dice = Dice((seed * TURNS + self.index) * TURNS + turn + 1)
        begin_s = turn * self.period_s - self.offset_s
        return _DRAW[self.label](dice, self, begin_s, half_view, turn)


def actor_parts(actors: Sequence[Actor], start_s: float, t_s: Tensor) -> Tensor:
    """(N, K, M, FIELDS) of `actors` at `start_s + t_s` (K,) seconds; all people are posed at once."""
    walkers = [actor for actor in actors if actor.people is not None]
    posed: dict[int, Tensor] = {}
    if walkers:
        ages_s = torch.tensor([[start_s - actor.begin_s] for actor in walkers]) + t_s
        parts = gather_people([actor.people for actor in walkers if actor.people]).parts(ages_s)
        posed = {actor.name: parts[row : row + 1] for row, actor in enumerate(walkers)}
    return merge_parts([_dressed(actor, posed.get(actor.name)) for actor in actors], len(t_s))


def _dressed(actor: Actor, person: Tensor | None) -> Tensor:
    if person is None:
        assert actor.solid is not None, "an actor is a person or has a solid"
        return actor.solid
    return person if actor.solid is None else mount(actor.solid, person)


def draw_places(dice: Dice, people: int, cars: int, bikes: int, things: int) -> list[Place]:
    """Places of a street: people on the pavement, bicycles at the kerb, cars in two lanes, things."""
    kinds = [PERSON] * people + [TWO_WHEELER] * bikes + [CAR] * cars + [THING] * things
    periods = {PERSON: (9.0, 14.0), TWO_WHEELER: (5.0, 9.0), CAR: (4.0, 8.0), THING: (1e9, 1e9)}
    depths = {PERSON: (4.4, 8.0), TWO_WHEELER: (6.5, 8.5), CAR: (10.0, 14.0), THING: (8.8, 17.0)}
    places = []
    for index, label in enumerate(kinds):
        period = _one(dice, *periods[label])
        offset = 0.0 if label == THING else _one(dice, 0, period)
        places.append(Place(index, label, period, offset, depths[label]))
    return places


def _one(dice: Dice, low: float, high: float) -> float:
    return float(dice.uniform(1, low, high))


def _draw_person(dice: Dice, place: Place, begin_s: float, half_view: float, turn: int) -> Actor:
    """Four in five cross the view; the others come towards the camera or walk away."""
    crosses = _one(dice, 0, 1) < 0.8
    kind = RUN if _one(dice, 0, 1) < 0.12 else WALK
    child = float(_one(dice, 0, 1) < 0.1)
    height = 1.7 * (1 + 0.06 * float(dice.normal(1))) * (1 - 0.3 * child)
    side = float(dice.sign(1))
    yaw = (
        side * math.pi / 2 + _one(dice, -0.25, 0.25)
        if crosses
        else math.pi * (side > 0) + _one(dice, -0.1, 0.1)
    )
    people = draw_people(dice, torch.tensor([kind]), torch.tensor([yaw]), torch.tensor([child]))
    speed = float(people.gait.speed(torch.tensor([height])))
    long = 0.95 * place.period_s * speed
    if crosses:
        z = min(_one(dice, *place.z_m), max((long / 2 - 0.6) / half_view, place.z_m[0]))
        x, middle = -side * (z * half_view + 0.6), z
        seconds = min(long, 2 * abs(x)) / speed
        z = middle - speed * math.cos(yaw) * seconds / 2
    else:
        z, x = (4.0 if side < 0 else 4.0 + long), _one(dice, -0.7, 0.7) * 4.0 * half_view
        seconds = long / speed
    return Actor(
        _name(place, turn), PERSON, begin_s, begin_s + seconds, x, z, yaw, speed, height, people, None
    )  # fmt: skip


def _draw_rider(dice: Dice, place: Place, begin_s: float, half_view: float, turn: int) -> Actor:
    side = float(dice.sign(1))
    yaw = side * math.pi / 2 + _one(dice, -0.1, 0.1)
    people = draw_people(dice, torch.tensor([RIDE]), torch.tensor([yaw]), torch.zeros(1))
    z, speed = _one(dice, *place.z_m), _one(dice, 2.5, 4.5)
    x = -side * (z * half_view + 0.8)
    bike = draw_two_wheelers(dice, torch.tensor([yaw]))
    end_s = begin_s + min(2 * abs(x) / speed, place.period_s)
    return Actor(_name(place, turn), TWO_WHEELER, begin_s, end_s, x, z, yaw, speed, 1.72, people, bike)


def _draw_car(dice: Dice, place: Place, begin_s: float, half_view: float, turn: int) -> Actor:
    """To the right in the near lane, to the left in the far one."""
    near = _one(dice, 0, 1) < 0.5
    z, side = place.z_m[0 if near else 1], 1.0 if near else -1.0
    yaw, speed = side * math.pi / 2 + _one(dice, -0.03, 0.03), _one(dice, 4.0, 8.0)
    x = -side * (z * half_view + 2.8)
    car, height = draw_cars(dice, torch.tensor([yaw])), _one(dice, 1.4, 1.8)
    end_s = begin_s + min(2 * abs(x) / speed, place.period_s)
    return Actor(_name(place, turn), CAR, begin_s, end_s, x, z, yaw, speed, height, None, car)


def _draw_thing(dice: Dice, place: Place, begin_s: float, half_view: float, turn: int) -> Actor:
    z = _one(dice, *place.z_m)
    x = float(dice.sign(1)) * _one(dice, 0.3, 1.0) * z * half_view
    height = _one(dice, 1.0, 3.5)
    solid = draw_distractors(dice, 1)
    return Actor(_name(place, turn), THING, begin_s, math.inf, x, z, 0.0, 0.0, height, None, solid)


def _name(place: Place, turn: int) -> int:
    return turn * 1000 + place.index + 1


_DRAW = {PERSON: _draw_person, TWO_WHEELER: _draw_rider, CAR: _draw_car, THING: _draw_thing}
