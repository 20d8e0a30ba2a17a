"""Lenses bend pictures and parts alike, darken corners, and blur and sharpen as told."""

from __future__ import annotations

import pytest
import torch

from streaming.simulate.lens import (
    FARTHEST,
    Lens,
    bend_parts,
    bent_scale,
    blur,
    half_diagonal,
    sharpen,
    straighten,
    vignette,
)
from streaming.simulate.parts import FIELDS, R1, R2, X1, X2, Y1, Y2

WIDTH, HEIGHT = 60, 40


def lens(*, dark: float = 0.0, crispness: float = 0.0) -> Lens:
    zero = torch.zeros(1)
    return Lens(zero, zero + dark, zero + 1, zero, zero + crispness)


@pytest.mark.parametrize("bend", [-0.06, 0.0, 0.16])
def test_bending_undoes_straightening_everywhere(bend: float) -> None:
    x = torch.linspace(-1.8, 1.8, 37)[:, None].expand(37, 25)
    y = torch.linspace(-1.2, 1.2, 25).expand(37, 25)
    straight_x, straight_y = straighten(x, y, torch.tensor(bend))
    scale = bent_scale(straight_x, straight_y, torch.tensor(bend))
    torch.testing.assert_close(straight_x * scale, x, atol=1e-4, rtol=0)
    torch.testing.assert_close(straight_y * scale, y, atol=1e-4, rtol=0)
    assert float((x * x + y * y).max()) > FARTHEST


def test_a_barrel_draws_parts_towards_the_middle_and_makes_them_smaller() -> None:
    parts = torch.zeros(1, 1, 1, FIELDS)
    parts[..., X1], parts[..., Y1], parts[..., X2], parts[..., Y2] = 0.0, 0.0, 30.0, 20.0
    parts[..., R1] = parts[..., R2] = 2.0
    bent = bend_parts(parts, torch.tensor([0.16]), WIDTH, HEIGHT)[0, 0, 0]
    reach = half_diagonal(WIDTH, HEIGHT)
    assert float(torch.hypot(bent[X1] - 30, bent[Y1] - 20)) < 0.9 * reach
    assert bent[[X2, Y2]].tolist() == [30.0, 20.0]
    assert 1.6 < float(bent[R1]) < 2.0
    assert torch.equal(bend_parts(parts, torch.zeros(1), WIDTH, HEIGHT), parts)


def test_corners_lose_the_share_of_light_that_the_lens_says() -> None:
    light = vignette(lens(dark=0.4), HEIGHT, WIDTH)
    assert light.shape == (1, HEIGHT, WIDTH)
    assert float(light[0, HEIGHT // 2, WIDTH // 2]) == pytest.approx(1, abs=0.01)
    assert float(light[0, 0, 0]) == pytest.approx(0.6, abs=0.03)


def test_blur_keeps_the_light_and_spreads_a_point_as_far_as_told() -> None:
    point = torch.zeros(2, HEIGHT, WIDTH)
    point[:, 20, 30] = 1.0
    blurred = blur(point, torch.tensor([0.0, 2.0]))
    torch.testing.assert_close(blurred[0], point[0])
    torch.testing.assert_close(blurred.sum((1, 2)), torch.ones(2))
    column = torch.arange(WIDTH) - 30.0
    assert float((blurred[1].sum(0) * column.square()).sum()) == pytest.approx(4.0, rel=0.05)


def test_sharpening_strengthens_fine_detail_and_leaves_slopes() -> None:
    fine = torch.zeros(1, 1, HEIGHT, WIDTH)
    fine[..., ::2] = 0.2
    slope = torch.linspace(0, 1, WIDTH).expand(1, 1, HEIGHT, WIDTH).clone()
    before = fine.std(), slope.clone()
    for pictures in (fine, slope):
        sharpen(pictures, lens(crispness=1.0))
    assert float(fine.std()) > 1.3 * float(before[0])
    torch.testing.assert_close(slope[..., 1:-1], before[1][..., 1:-1])
