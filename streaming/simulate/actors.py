"""Who walks, rides and drives through a street: each place in the cast is filled again and again, for ever.

An actor is a function of the seed, its place and its turn: a scene at any time needs nothing of its past.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from streaming.simulate.camera import SHIFT_X, X_M, Camera
from streaming.simulate.cars import CAR_WEIGHTS, Stand, draw_cars, draw_height_m
from streaming.simulate.compose import merge_parts
from streaming.simulate.distractors import draw_distractors
from streaming.simulate.gait import RUN, WALK
from streaming.simulate.noise import Dice
from streaming.simulate.people import People, draw_people, gather_people
from streaming.simulate.placing import CAR, PERSON, THING, TWO_WHEELER
from streaming.simulate.solids import SWAY_PERIOD_S, Solid
from streaming.simulate.two_wheelers import WEIGHTS, draw_two_wheelers, mount, rider_of

TURNS = 1_000_003
"""A prime larger than any number of places, to give every place and turn a seed of its own."""

NEAREST_WAY_M = 3.4
"""Nearer ones would fill the picture."""

MOST_OF_A_PERIOD = 0.95
RIDER_M = 1.72
EYE_M = 1.6
"""Height of the camera above the street."""


@dataclass(frozen=True)
class Actor:
    """One object on its way.

    Attributes:
        name: id that no other actor of the scene has.
        label: class, see `placing.py`.
        begin_s, end_s: when it is there, seconds of the scene.
        x_m, z_m: where it begins. yaw: where it heads. speed_m_s: how fast.
        height_m: of the object.
        people: the person or the rider, None for others.
        solid: the vehicle or thing, None for people.
        make: of a two-wheeler, see `two_wheelers.py`.
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
    solid: Solid | None
    make: int = 0

    def at(self, t_s: float) -> tuple[float, float]:
        """(x, z) metres at `t_s` of the scene."""
        way_m = self.speed_m_s * (t_s - self.begin_s)
        return self.x_m + way_m * math.sin(self.yaw), self.z_m + way_m * math.cos(self.yaw)


@dataclass(frozen=True)
class Edge:
    """Where the view ends on both sides, wherever the camera turns and sways to.

    Attributes:
        slope: metres aside for each metre ahead.
        sway_m: metres aside that the camera itself may be.
    """

    slope: float
    sway_m: float

    @classmethod
    def of(cls, camera: Camera) -> Edge:
        """The edge of a camera that only swings; each swing reaches twice its size from where it begins."""
        shift_px, sway_m = (2 * float(camera.swing[0, axis].abs().sum()) for axis in (SHIFT_X, X_M))
        return cls((camera.width / 2 + shift_px) / float(camera.focal_px), sway_m)


@dataclass(frozen=True)
class Way:
    """A straight way from out of view on one side to out of view on the other.

    Attributes:
        x_m, z_m: where it begins.
        length_m: to its end.
    """

    x_m: float
    z_m: float
    length_m: float

    @classmethod
    def across(cls, z_m: float, yaw: float, edge: Edge, half_m: float) -> Way:
        """Through the middle of the view `z_m` ahead, for something `half_m` to each side of its feet."""
        before, after = _spans(yaw, edge)
        reach_m = z_m * edge.slope + edge.sway_m + half_m
        x_m, begin_z_m = -math.sin(yaw) * before * reach_m, z_m - math.cos(yaw) * before * reach_m
        return cls(x_m, begin_z_m, (before + after) * reach_m)

    @classmethod
    def within(cls, length_m: float, z_m: tuple[float, float], yaw: float, edge: Edge, half_m: float) -> Way:
        """As `across`, as far ahead as a way of `length_m` allows but inside the range `z_m`."""
        reach_m = length_m / sum(_spans(yaw, edge))
        near, far = z_m
        fits_m = (reach_m - edge.sway_m - half_m) / edge.slope
        return cls.across(max(near, min(far, fits_m)), yaw, edge, half_m)


def _spans(yaw: float, edge: Edge) -> tuple[float, float]:
    """Metres of way before and after the middle, for each metre that the view's edge is aside there."""
    aside, ahead = abs(math.sin(yaw)), math.cos(yaw) * edge.slope
    return 1 / (aside + ahead), 1 / (aside - ahead)


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

    def draw(self, seed: int, turn: int, edge: Edge) -> Actor:
        """The actor of a turn: nobody appears or vanishes in view.

        Args:
            seed: of the scene.
            turn: from `turn`.
            edge: of the view.
        """
        dice = Dice((seed * TURNS + self.index) * TURNS + turn + 1)
        begin_s = turn * self.period_s - self.offset_s
        return _DRAW[self.label](dice, self, begin_s, edge, turn)


def actor_parts(actors: Sequence[Actor], start_s: float, t_s: Tensor) -> Tensor:
    """(N, K, M, FIELDS) of `actors` at `start_s + t_s` (K,) seconds; all people are posed at once."""
    walkers = [actor for actor in actors if actor.people is not None]
    posed: dict[int, Tensor] = {}
    if walkers:
        ages_s = torch.tensor([[start_s - actor.begin_s] for actor in walkers]) + t_s
        parts = gather_people([actor.people for actor in walkers if actor.people]).parts(ages_s)
        posed = {actor.name: parts[row : row + 1] for row, actor in enumerate(walkers)}
    return merge_parts([_dressed(actor, posed.get(actor.name), start_s, t_s) for actor in actors], len(t_s))


def _dressed(actor: Actor, person: Tensor | None, start_s: float, t_s: Tensor) -> Tensor:
    if actor.solid is None:
        assert person is not None, "an actor is a person or has a solid"
        return person
    # What stands for ever only sways: a wrapped time keeps its phase exact however long the scene runs.
    age_s = start_s - actor.begin_s
    solid = actor.solid.at((age_s % SWAY_PERIOD_S if math.isinf(actor.end_s) else age_s) + t_s[None])
    if person is None:
        return solid
    return mount(solid, person, torch.tensor([actor.make]), torch.zeros(1))


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


def _draw_person(dice: Dice, place: Place, begin_s: float, edge: Edge, turn: int) -> Actor:
    """Four in five walk along the street; the others slantwise over it."""
    along = _one(dice, 0, 1) < 0.8
    kind = RUN if _one(dice, 0, 1) < 0.12 else WALK
    child = float(_one(dice, 0, 1) < 0.1)
    height = 1.7 * (1 + 0.06 * float(dice.normal(1))) * (1 - 0.3 * child)
    slant = _one(dice, -0.25, 0.25) if along else float(dice.sign(1)) * _one(dice, 0.4, 0.6)
    yaw = float(dice.sign(1)) * (math.pi / 2 + slant)
    people = draw_people(dice, torch.tensor([kind]), torch.tensor([yaw]), torch.tensor([child]))
    speed = float(people.gait.speed(torch.tensor([height])))
    far = _one(dice, *place.z_m)
    way = Way.within(_longest_m(place, speed), (NEAREST_WAY_M, far), yaw, edge, half_m=0.6)
    return _on_its_way(place, turn, begin_s, way, yaw, speed, height, people, None)


def _draw_rider(dice: Dice, place: Place, begin_s: float, edge: Edge, turn: int) -> Actor:
    yaw = float(dice.sign(1)) * math.pi / 2 + _one(dice, -0.1, 0.1)
    make = dice.choose(1, WEIGHTS)
    people = draw_people(dice, rider_of(make), torch.tensor([yaw]), torch.zeros(1))
    far, speed = _one(dice, *place.z_m), _one(dice, 2.5, 4.5)
    way = Way.within(_longest_m(place, speed), (NEAREST_WAY_M, far), yaw, edge, half_m=1.0)
    speed = _hurried(place, way, speed)
    bike = draw_two_wheelers(dice, make, torch.tensor([yaw]), torch.tensor([speed / RIDER_M]))
    rider = _on_its_way(place, turn, begin_s, way, yaw, speed, RIDER_M, people, bike)
    return replace(rider, make=int(make))


def _draw_car(dice: Dice, place: Place, begin_s: float, edge: Edge, turn: int) -> Actor:
    """To the right in the near lane, to the left in the far one."""
    near = _one(dice, 0, 1) < 0.5
    lane_m, side = place.z_m[0 if near else 1], 1.0 if near else -1.0
    yaw, speed = side * math.pi / 2 + _one(dice, -0.03, 0.03), _one(dice, 4.0, 8.0)
    build = dice.choose(1, CAR_WEIGHTS)
    height = float(draw_height_m(dice, build))
    way = Way.across(lane_m, yaw, edge, half_m=2.8)
    speed = _hurried(place, way, speed)
    measures = torch.tensor([[yaw], [lane_m / height], [EYE_M / height], [speed / height]])
    car = draw_cars(dice, build, Stand(*measures))
    return _on_its_way(place, turn, begin_s, way, yaw, speed, height, None, car)


def _longest_m(place: Place, speed_m_s: float) -> float:
    """The longest way that ends before the next actor of the place begins."""
    return MOST_OF_A_PERIOD * place.period_s * speed_m_s


def _hurried(place: Place, way: Way, speed_m_s: float) -> float:
    """The speed, or the one that just reaches the end of `way` before the next actor's turn."""
    return max(speed_m_s, way.length_m / (MOST_OF_A_PERIOD * place.period_s))


def _on_its_way(
    place: Place,
    turn: int,
    begin_s: float,
    way: Way,
    yaw: float,
    speed_m_s: float,
    height_m: float,
    people: People | None,
    solid: Solid | None,
) -> Actor:
    """An actor on `way`; it hurries where it would be late for the next one's turn."""
    speed_m_s = _hurried(place, way, speed_m_s)
    end_s = begin_s + way.length_m / speed_m_s
    name, label = _name(place, turn), place.label
    return Actor(
        name, label, begin_s, end_s, way.x_m, way.z_m, yaw, speed_m_s, height_m, people, solid
    )  # fmt: skip


def _draw_thing(dice: Dice, place: Place, begin_s: float, edge: Edge, turn: int) -> Actor:
    z = _one(dice, *place.z_m)
    x = float(dice.sign(1)) * _one(dice, 0.3, 1.0) * z * edge.slope
    height = _one(dice, 1.0, 3.5)
    solid = draw_distractors(dice, 1)
    return Actor(_name(place, turn), THING, begin_s, math.inf, x, z, 0.0, 0.0, height, None, solid)


def _name(place: Place, turn: int) -> int:
    return turn * 1000 + place.index + 1


_DRAW = {PERSON: _draw_person, TWO_WHEELER: _draw_rider, CAR: _draw_car, THING: _draw_thing}
