"""Who walks through the street: nobody appears or vanishes before the camera's eyes."""

from __future__ import annotations

import math

import pytest

from streaming.simulate.actors import Actor, Edge, Way, draw_places
from streaming.simulate.cast import THING
from streaming.simulate.noise import Dice

EDGE = Edge(slope=0.63, sway_m=1.0)
TURNS = 12


def cast(seed: int) -> list[Actor]:
    places = [place for place in draw_places(Dice(seed), 4, 2, 2, 0) if place.label != THING]
    return [place.draw(seed, turn, EDGE) for place in places for turn in range(TURNS)]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_everybody_begins_and_ends_out_of_view(seed: int) -> None:
    for actor in cast(seed):
        for t_s in (actor.begin_s, actor.end_s):
            x, z = actor.at(t_s)
            assert abs(x) > z * EDGE.slope + EDGE.sway_m, f"{actor.name} is in view at {t_s:.2f} s"


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_everybody_crosses_the_view_before_the_next_one_comes(seed: int) -> None:
    for place in draw_places(Dice(seed), 4, 2, 2, 0):
        for turn in range(TURNS):
            actor = place.draw(seed, turn, EDGE)
            assert actor.end_s - actor.begin_s <= place.period_s
            first_x, last_x = actor.at(actor.begin_s)[0], actor.at(actor.end_s)[0]
            assert first_x * last_x < 0


@pytest.mark.parametrize("yaw", [math.pi / 2, -math.pi / 2 + 0.5, math.pi / 2 + 0.6])
def test_a_way_leads_through_the_middle(yaw: float) -> None:
    way = Way.across(5.0, yaw, EDGE, half_m=0.5)
    to_middle_m = -way.x_m / math.sin(yaw)
    assert 0 < to_middle_m < way.length_m
    assert way.z_m + math.cos(yaw) * to_middle_m == pytest.approx(5.0)


def test_a_short_way_is_a_near_one() -> None:
    straight = math.pi / 2
    assert Way.within(12.0, (2.0, 8.0), straight, EDGE, half_m=0.6).length_m == pytest.approx(12.0)
    assert Way.within(99.0, (2.0, 8.0), straight, EDGE, half_m=0.6).z_m == pytest.approx(8.0)
    assert Way.within(1.0, (2.0, 8.0), straight, EDGE, half_m=0.6).z_m == pytest.approx(2.0)
