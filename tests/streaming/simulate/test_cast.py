"""Who is in windows: groups stand together, companions beside their owners, far crowds far away."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from streaming.simulate import companions as company_
from streaming.simulate.arms import FREE, LINK, PUSH
from streaming.simulate.camera import Camera
from streaming.simulate.cast import CastSettings, draw_cast
from streaming.simulate.companions import ALONE, arms_for, draw_companions, draw_company, nearness
from streaming.simulate.compose import Cast
from streaming.simulate.extents import silhouettes
from streaming.simulate.gait import RUN, SIT, STAND, WALK
from streaming.simulate.groups import ABREAST, CIRCLE, FILE, SCATTER, Groups, GroupSettings, draw_groups
from streaming.simulate.noise import Dice
from streaming.simulate.placing import CAR, CROWD, LORRY, PERSON, THING, TWO_WHEELER

SCENES = 48
T_S = torch.tensor([-0.02, 0.0])
NOBODY = CastSettings(
    person_chance=0, car_chance=0, bike_chance=0, lorry_chance=0, crowd_chance=0, throng_chance=0,
    max_distractors=0, company_chance=0,
)  # fmt: skip


def camera() -> Camera:
    still = torch.zeros(SCENES, 5)
    ones = torch.ones(SCENES)
    return Camera(
        173, 130, 160 * ones, -20 * ones, 1.5 * ones, still, still[..., None], still[..., None],
        still[..., None], torch.zeros(SCENES),
    )  # fmt: skip


def cast(settings: CastSettings, seed: int = 1) -> Cast:
    return draw_cast(Dice(seed), settings, camera(), T_S)


def heights_px(drawn: Cast) -> Tensor:
    return 160 * drawn.bodies.height_m / drawn.bodies.z_m


def test_objects_come_by_scene_and_from_far_to_near() -> None:
    bodies = cast(CastSettings(company_chance=1.0)).bodies
    assert bool((bodies.scene.diff() >= 0).all())
    assert bool((bodies.z_m.diff()[bodies.scene.diff() == 0] <= 0).all())


def test_every_class_occurs_and_a_window_may_be_empty() -> None:
    labels = torch.cat([cast(CastSettings(), seed).bodies.label for seed in range(4)])
    assert set(labels.tolist()) == {PERSON, CAR, TWO_WHEELER, THING, LORRY, CROWD}
    assert len(cast(NOBODY).bodies.label) == 0


def test_people_of_a_group_stand_within_reach() -> None:
    settings = replace(NOBODY, person_chance=1.0, group_chance=1.0, mean_more=4.0)
    bodies = cast(settings).bodies
    apart = []
    for scene in range(SCENES):
        rows = bodies.scene == scene
        places = torch.stack((bodies.x_m[rows], bodies.z_m[rows]), 1)
        if len(places) > 1:
            gaps = torch.cdist(places, places) + 99 * torch.eye(len(places))
            apart.append(float(gaps.min(1).values.max()))
    assert len(apart) > SCENES // 2
    assert max(apart) < 2.2
    assert sum(gap < 0.7 for gap in apart) > 0.3 * len(apart)


def test_far_groups_are_many_and_small() -> None:
    drawn = cast(replace(NOBODY, person_chance=1.0, crowd_chance=1.0))
    people = drawn.bodies.label == PERSON
    counts = torch.bincount(drawn.bodies.scene[people], minlength=SCENES)
    assert 4 <= int(counts.min()) <= int(counts.max()) <= 9
    assert float(heights_px(drawn).quantile(0.9)) < 0.45 * 130


def test_crowds_are_one_object_that_is_no_label() -> None:
    drawn = cast(replace(NOBODY, throng_chance=1.0))
    assert drawn.bodies.label.tolist() == [CROWD] * SCENES
    assert float(heights_px(drawn).max()) < 0.2 * 130


def test_companions_share_the_place_of_their_owners() -> None:
    settings = replace(NOBODY, person_chance=1.0, company_chance=1.0, mean_more=0.1, child_chance=0)
    settings = replace(settings, kinds=(1.0, 0.0, 0.0, 0.0, 0.0))
    bodies = cast(settings).bodies
    things = (bodies.label == THING).nonzero()[:, 0].tolist()
    assert len(things) >= SCENES
    for row in things:
        mates = (bodies.scene == bodies.scene[row]) & (bodies.label == PERSON)
        assert float((bodies.z_m[mates] - bodies.z_m[row]).abs().min()) < 0.02
        assert float((bodies.x_m[mates] - bodies.x_m[row]).abs().min()) == 0


@pytest.mark.parametrize("formation", [ABREAST, FILE, CIRCLE])
def test_members_of_a_group_turn_and_stand_as_its_formation_wants(formation: int) -> None:
    weights = tuple(float(kind == formation) for kind in (ABREAST, FILE, CIRCLE))
    scene = torch.arange(4).repeat_interleave(3)
    groups = grouped(GroupSettings(formations=weights), scene, torch.full_like(scene, STAND))
    yaw = torch.zeros(12)
    right, beyond = groups.offset_m(yaw)
    assert bool((right[::3] == 0).all())
    assert bool((beyond[::3] == 0).all())
    if formation == ABREAST:
        assert bool((right[1::3] > 0.15).all())
        assert bool((right[2::3] < -0.15).all())
    if formation == FILE:
        assert bool((beyond[2::3] < beyond[1::3]).all())
    if formation == CIRCLE:
        # All look at one point: a third of the circle from each other.
        torch.testing.assert_close(groups.turn[1::3], torch.full((4,), 2 * math.pi / 3))
        sides = torch.hypot(right[1::3], beyond[1::3]), torch.hypot(right[2::3], beyond[2::3])
        torch.testing.assert_close(*sides, rtol=0.01, atol=0.01)


def grouped(settings: GroupSettings, scene: Tensor, kind: Tensor, crowded: float = 0.0) -> Groups:
    scenes = int(scene.max()) + 1
    together = torch.full((scenes,), 1 - crowded)
    return draw_groups(Dice(3), settings, scene, together, torch.full((scenes,), crowded), kind)


def test_only_those_who_stand_form_circles_and_crowds_scatter() -> None:
    circles = GroupSettings(formations=(0.0, 0.0, 1.0))
    scene = torch.zeros(3, dtype=torch.int64)
    assert set(grouped(circles, scene, torch.full((3,), WALK)).formation.tolist()) == {ABREAST}
    assert set(grouped(circles, scene, torch.full((3,), STAND)).formation.tolist()) == {CIRCLE}
    assert set(grouped(circles, scene, torch.full((3,), STAND), 1.0).formation.tolist()) == {SCATTER}


def test_linked_people_reach_for_those_beside_them_only() -> None:
    settings = GroupSettings(formations=(1.0, 0.0, 0.0), linked_chance=1.0)
    held = grouped(settings, torch.zeros(3, dtype=torch.int64), torch.full((3,), WALK)).held
    assert held.tolist() == [[LINK, LINK], [LINK, FREE], [FREE, LINK]]


def test_company_suits_what_people_do() -> None:
    kind = torch.tensor([WALK, STAND, RUN, SIT]).repeat_interleave(100)
    child = torch.zeros(400)
    child[:50] = 1.0
    company = draw_company(Dice(1), kind, child, 1.0)
    assert set(company[:50].tolist()) == {ALONE}
    assert ALONE not in company[50:200].tolist()
    assert set(company[200:300].tolist()) == {ALONE}
    assert set(company[300:].tolist()) == {company_.BENCH, company_.CHAIR}
    assert arms_for(torch.tensor([company_.PRAM, ALONE])).tolist() == [[PUSH, PUSH], [FREE, FREE]]


def test_a_pram_is_ahead_and_a_suitcase_behind() -> None:
    kind = torch.tensor([company_.PRAM, company_.SUITCASE])
    yaw = torch.full((2,), math.pi / 2)
    solid = draw_companions(Dice(1), kind, yaw, torch.ones(2), torch.full((2,), 0.2))
    box = silhouettes(solid.at(torch.zeros(2, 1))[:, 0])
    assert float(box[0, 0]) > 0.1
    assert float(box[1, 2]) < 0.15
    assert bool((box[:, 3] < 0.75).all())


@pytest.mark.parametrize(("yaw", "pram", "bench"), [(0.0, -1, 1), (math.pi, 1, -1)])
def test_companions_are_before_or_behind_as_their_owner_faces(yaw: float, pram: int, bench: int) -> None:
    kind = torch.tensor([company_.PRAM, company_.BENCH, company_.UMBRELLA])
    near = nearness(kind, torch.full((3,), yaw)).sign()
    assert near.tolist() == [pram, bench, 1]
