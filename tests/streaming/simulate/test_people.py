"""People stand on the ground, are as tall as they should be, and walk as fast as their steps carry them."""

from __future__ import annotations

import math

import pytest
import torch

from streaming.simulate.extents import silhouettes
from streaming.simulate.distractors import draw_distractors
from streaming.simulate.gait import RUN, SIT, STAND, WALK, draw_gait, pose
from streaming.simulate.noise import Dice
from streaming.simulate.parts import FIELDS
from streaming.simulate.people import draw_people, gather_people
from streaming.simulate.vehicles import draw_cars, draw_two_wheelers, mount

N = 64


def kinds(kind: int) -> torch.Tensor:
    return torch.full((N,), kind)


@pytest.mark.parametrize("kind", [WALK, STAND, RUN, SIT])
def test_the_lower_foot_is_on_the_ground_at_all_times(kind: int) -> None:
    gait = draw_gait(Dice(1), kinds(kind), torch.zeros(N))
    skeleton = pose(gait, torch.linspace(0, 1, 20).expand(N, -1))
    lower = torch.minimum(skeleton.left.ankle.up, skeleton.right.ankle.up)
    torch.testing.assert_close(lower, torch.full_like(lower, 0.045), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("kind", "low", "high"), [(WALK, 0.5, 1.8), (RUN, 1.5, 4.0), (STAND, 0, 0), (SIT, 0, 0)]
)
def test_people_move_at_human_speeds(kind: int, low: float, high: float) -> None:
    speed = draw_gait(Dice(1), kinds(kind), torch.zeros(N)).speed(torch.full((N,), 1.7))
    assert low <= float(speed.quantile(0.02))
    assert float(speed.quantile(0.98)) <= high


def test_a_standing_foot_of_a_walker_does_not_slide() -> None:
    gait = draw_gait(Dice(1), kinds(WALK), torch.zeros(N))
    t_s = torch.linspace(0, 1, 200).expand(N, -1)
    skeleton = pose(gait, t_s)
    way = gait.speed(torch.ones(N))[:, None] * t_s
    standing = skeleton.left.ankle.up < skeleton.right.ankle.up
    foot = torch.where(standing, skeleton.left.ankle.ahead, skeleton.right.ankle.ahead) + way
    slip = foot.diff(dim=1).abs()[standing[:, 1:] == standing[:, :-1]].median()
    assert float(slip) < 0.35 * float(way.diff(dim=1).mean())


def test_walkers_are_about_as_tall_as_their_height_and_narrower() -> None:
    people = draw_people(Dice(2), kinds(WALK), torch.zeros(N), torch.zeros(N))
    box = silhouettes(people.parts(torch.zeros(N, 1))[:, 0])
    tall, wide = box[:, 3] - box[:, 1], box[:, 2] - box[:, 0]
    assert float(tall.median()) == pytest.approx(1.0, abs=0.05)
    assert 0.25 < float(wide.median()) < 0.55


def test_sitting_people_are_lower_than_standing_ones() -> None:
    tops = []
    for kind in (SIT, STAND):
        people = draw_people(Dice(2), kinds(kind), torch.zeros(N), torch.zeros(N))
        tops.append(float(silhouettes(people.parts(torch.zeros(N, 1))[:, 0])[:, 3].median()))
    assert tops[0] < 0.85 * tops[1]


def test_people_gathered_are_the_people_one_by_one() -> None:
    single = [draw_people(Dice(seed), torch.tensor([WALK]), torch.ones(1), torch.zeros(1)) for seed in (1, 2)]
    t_s = torch.tensor([[0.1, 0.2]])
    together = gather_people(single).parts(t_s.expand(2, -1))
    alone = torch.cat([person.parts(t_s) for person in single])
    torch.testing.assert_close(together, alone)


def test_a_car_is_longer_from_the_side_than_from_behind() -> None:
    dice = Dice(3)
    side, behind = (silhouettes(draw_cars(dice, torch.full((N,), yaw))[:, 0]) for yaw in (math.pi / 2, 0.0))
    width = [float((box[:, 2] - box[:, 0]).median()) for box in (side, behind)]
    assert width[0] > 1.8 * width[1]


def test_a_rider_sits_on_the_bike() -> None:
    dice, yaw = Dice(3), torch.full((4,), math.pi / 2)
    people = draw_people(dice, torch.full((4,), 5), yaw, torch.zeros(4))
    bike, rider = draw_two_wheelers(dice, yaw), people.parts(torch.zeros(4, 2))
    both = mount(bike, rider)
    assert both.shape == (4, 2, bike.shape[2] + rider.shape[2], FIELDS)
    box, wheels = silhouettes(both[:, 0]), silhouettes(bike[:, 0])
    torch.testing.assert_close(box[:, 1], wheels[:, 1].minimum(box[:, 1]))
    assert float(box[:, 3].min()) > float(wheels[:, 3].max())


def test_distractors_stand_within_their_height() -> None:
    box = silhouettes(draw_distractors(Dice(4), 200)[:, 0])
    assert torch.isfinite(box).all()
    assert float(box[:, 3].max()) < 1.3
    assert float(box[:, 1].min()) > -0.35
