"""People stand on the ground, are as tall as they should be, and walk as fast as their steps carry them."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from streaming.simulate.arms import ALOFT, CARRY, FREE
from streaming.simulate.extents import silhouettes
from streaming.simulate.gait import RUN, SIT, STAND, WALK, draw_gait, pose
from streaming.simulate.noise import Dice
from streaming.simulate.people import draw_people, gather_people

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


def test_people_who_sit_sit_on_seats_or_on_the_ground() -> None:
    people = draw_people(Dice(3), kinds(SIT), torch.zeros(N), torch.zeros(N))
    seat = people.seat()
    on_ground = seat < 0.13
    assert 0.15 < float(on_ground.float().mean()) < 0.6
    assert bool(((seat[~on_ground] > 0.13) & (seat[~on_ground] < 0.3)).all())


def test_what_people_carry_hardly_widens_their_box() -> None:
    people = draw_people(Dice(2), kinds(STAND), torch.full((N,), math.pi / 2), torch.zeros(N))
    outfit = replace(people.outfit, backpack=torch.full((N, 1), 0.1), bag=torch.full((N, 1), 0.1))
    bare = replace(people.outfit, backpack=torch.zeros(N, 1), bag=torch.zeros(N, 1))
    wide = [
        silhouettes(replace(people, outfit=worn).parts(torch.zeros(N, 1))[:, 0]) for worn in (outfit, bare)
    ]
    more = (wide[0][:, 2] - wide[0][:, 0]) / (wide[1][:, 2] - wide[1][:, 0])
    assert 1.0 <= float(more.median()) < 1.2


def test_the_smallest_children_have_the_largest_heads() -> None:
    child = torch.arange(N) / N
    heads = draw_people(Dice(1), kinds(WALK), torch.zeros(N), child).outfit.head[:, 0]
    assert float(heads[-16:].mean()) > 1.2 * float(heads[:16].mean())


@pytest.mark.parametrize(("held", "low", "high"), [(CARRY, 0.45, 0.8), (ALOFT, 0.6, 0.95)])
def test_hands_are_where_they_hold_something(held: int, low: float, high: float) -> None:
    gait = draw_gait(Dice(1), kinds(WALK), torch.zeros(N), torch.full((N, 2), held))
    hand = pose(gait, torch.linspace(0, 1, 5).expand(N, -1)).right.hand
    assert low < float(hand.up.quantile(0.05))
    assert float(hand.up.quantile(0.95)) < high
    assert float(hand.ahead.quantile(0.05)) > 0.05


def test_hands_that_hold_nothing_hang_low() -> None:
    gait = draw_gait(Dice(1), kinds(STAND), torch.zeros(N), torch.full((N, 2), FREE))
    assert float(pose(gait, torch.zeros(N, 1)).left.hand.up.median()) < 0.6
