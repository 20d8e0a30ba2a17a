"""Vehicles in perspective, on wheels that turn, with and without riders."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from streaming.simulate.cars import BUS, HATCHBACK, LORRY, SALOON, Stand, draw_cars, draw_height_m
from streaming.simulate.extents import silhouettes
from streaming.simulate.gait import RIDE
from streaming.simulate.noise import Dice
from streaming.simulate.parts import FIELDS
from streaming.simulate.people import draw_people
from streaming.simulate.two_wheelers import BICYCLE, KICK, draw_two_wheelers, mount

N = 32


def stand(yaw: float, away: float = 8.0, pace: float = 0.0) -> Stand:
    return Stand(*(torch.full((N,), value) for value in (yaw, away, 1.0, pace)))


def box(build: int, where: Stand) -> Tensor:
    car = draw_cars(Dice(3), torch.full((N,), build), where)
    return silhouettes(car.at(torch.zeros(N, 1))[:, 0])


def wide(xyxy: Tensor) -> float:
    return float((xyxy[:, 2] - xyxy[:, 0]).median())


def test_a_car_is_longer_from_the_side_than_from_behind_and_between_in_between() -> None:
    side, oblique, behind = (wide(box(HATCHBACK, stand(yaw))) for yaw in (math.pi / 2, 0.5, 0.0))
    assert side > 1.8 * behind
    assert behind < oblique < side


@pytest.mark.parametrize("build", [HATCHBACK, SALOON, BUS, LORRY])
@pytest.mark.parametrize("yaw", [0.0, 0.7, math.pi / 2, 2.5, -2.0])
def test_vehicles_are_as_high_as_they_should_be_and_stand_on_the_ground(build: int, yaw: float) -> None:
    seen = box(build, stand(yaw))
    assert torch.isfinite(seen).all()
    assert float(seen[:, 3].median()) == pytest.approx(1.0, abs=0.12)
    assert float(seen[:, 1].min()) > -0.4
    assert float(seen[:, 1].max()) < 0.06


def test_a_near_car_looks_larger_at_its_near_end() -> None:
    far, near = (draw_cars(Dice(1), torch.zeros(N).long(), stand(0.6, away)) for away in (50.0, 3.0))
    high = [silhouettes(car.at(torch.zeros(N, 1))[:, 0]) for car in (far, near)]
    assert float((high[1][:, 3] - high[1][:, 1]).median()) > 1.1 * float(
        (high[0][:, 3] - high[0][:, 1]).median()
    )


def test_lorries_are_higher_than_cars() -> None:
    heights = [draw_height_m(Dice(1), torch.full((N,), build)) for build in (SALOON, BUS, LORRY)]
    assert float(heights[0].max()) < 1.7
    assert min(float(heights[1].min()), float(heights[2].min())) > 2.5


@pytest.mark.parametrize(("pace", "moves"), [(0.0, False), (3.0, True)])
def test_wheels_turn_when_a_car_rolls_and_nothing_else_does(pace: float, moves: bool) -> None:
    car = draw_cars(Dice(1), torch.zeros(N).long(), stand(math.pi / 2, pace=pace))
    now, later = car.at(torch.tensor([[0.0, 0.02]]).expand(N, -1)).unbind(1)
    changed = (now != later).any(2)
    assert bool(changed.any()) == moves
    assert float(changed.float().mean()) < 0.4
    torch.testing.assert_close(silhouettes(now), silhouettes(later))


def test_wheels_of_a_car_that_rolls_to_the_right_turn_clockwise() -> None:
    bike = draw_two_wheelers(
        Dice(1), torch.full((N,), BICYCLE), torch.full((N,), math.pi / 2), torch.full((N,), 1.0)
    )
    assert float(bike.hinges[..., 3].max()) <= 0
    assert float(bike.hinges[..., 3].min()) < -1


def riders(kind: int) -> Tensor:
    people = draw_people(Dice(3), torch.full((N,), kind), torch.full((N,), math.pi / 2), torch.zeros(N))
    return people.parts(torch.zeros(N, 2))


@pytest.mark.parametrize("make", range(4))
def test_a_rider_is_on_the_bike_and_a_parked_one_has_none(make: int) -> None:
    makes, yaw = torch.full((N,), make), torch.full((N,), math.pi / 2)
    bike = draw_two_wheelers(Dice(3), makes, yaw, torch.zeros(N)).at(torch.zeros(N, 2))
    rider = riders(RIDE)
    both = mount(bike, rider, makes, torch.zeros(N))
    assert both.shape == (N, 2, bike.shape[2] + rider.shape[2], FIELDS)
    whole, wheels = silhouettes(both[:, 0]), silhouettes(bike[:, 0])
    assert float((whole[:, 3] - wheels[:, 3]).min()) > 0.1
    alone = silhouettes(mount(bike, rider, makes, torch.ones(N))[:, 0])
    torch.testing.assert_close(alone, wheels)


def test_kick_scooters_have_small_wheels() -> None:
    yaw = torch.full((N,), math.pi / 2)
    bikes = [
        draw_two_wheelers(Dice(3), torch.full((N,), make), yaw, torch.zeros(N)) for make in (KICK, BICYCLE)
    ]
    long = [wide(silhouettes(bike.at(torch.zeros(N, 1))[:, 0])) for bike in bikes]
    assert long[0] < 0.85 * long[1]
