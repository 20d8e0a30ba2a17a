"""Painting: shapes, order, ownership; and both painters paint the same."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from streaming.simulate.brush import NOBODY, Brush, Ownership
from streaming.simulate.extents import silhouettes
from streaming.simulate.noise import Dice, fractal_noise
from streaming.simulate.parts import FIELDS, HOLE, LEVEL, UPRIGHT, PartList, Pattern, Point
from streaming.simulate.sprites import paint
from streaming.simulate.sprites_batched import paint_batched

CPU = torch.device("cpu")


def disc(x: float, y: float, radius: float, tone: float) -> Tensor:
    """(1, 1, 1, FIELDS)."""
    parts = PartList(1, 1, CPU)
    parts.add(Point(x, y), Point(x, y), (radius, radius), tone)
    return parts.stack()


def slab(x: float, low: float, high: float, half_width: float, tone: float, **more: object) -> Tensor:
    parts = PartList(1, 1, CPU)
    parts.add(Point(x, low), Point(x, high), (half_width, half_width), tone, flat=1.0, **more)  # type: ignore[arg-type]  # test of keywords
    return parts.stack()


def brush(objects: int, times: int = 1, scenes: int = 1) -> Brush:
    tile = fractal_noise(Dice(5), 32, 32, torch.full((scenes,), 1.0))
    return Brush(tile, torch.full((objects, times), 0.7), torch.ones(scenes))


def painted(parts: Tensor, tone: float = 0.5) -> tuple[Tensor, Ownership]:
    picture = torch.full((1, parts.shape[1], 40, 60), tone)
    return picture, paint(picture, parts, torch.zeros(len(parts), dtype=torch.int64), brush(len(parts)))


def test_a_disc_covers_its_area_and_nothing_else() -> None:
    picture, ownership = painted(disc(30, 20, 10, 1.0))
    assert picture[0, 0, 20, 30] == pytest.approx(1.0)
    assert picture[0, 0, 5, 5] == pytest.approx(0.5)
    assert int(ownership.covered) == pytest.approx(torch.pi * 100, rel=0.05)
    assert int((ownership.owner == 0).sum()) == int(ownership.covered)


def test_a_slab_is_opaque_with_straight_ends() -> None:
    picture, ownership = painted(slab(30, 10, 30, 5, 0.1))
    torch.testing.assert_close(picture[0, 0, 11:29, 26:34], torch.full((18, 8), 0.1))
    assert int(ownership.covered) == 20 * 10


def test_a_stretched_disc_is_an_ellipse() -> None:
    parts = PartList(1, 1, CPU)
    parts.add(Point(30, 20), Point(30, 20.001), (12, 12), 1.0, stretch=2.0)
    picture, ownership = painted(parts.stack())
    assert int(ownership.covered) == pytest.approx(torch.pi * 12 * 4, rel=0.08)
    assert picture[0, 0, 10, 30] == pytest.approx(1.0)
    assert picture[0, 0, 20, 36] == pytest.approx(0.5)


@pytest.mark.parametrize("ends", [LEVEL, UPRIGHT])
def test_sheared_faces_have_level_or_upright_ends(ends: float) -> None:
    """A face from (20, 10) to (30, 30), or from (20, 10) to (40, 14), 6 wide to each side."""
    parts = PartList(1, 1, CPU)
    end = Point(30, 30) if ends == LEVEL else Point(40, 14)
    parts.add(Point(20, 10), end, (6, 6), 1.0, flat=ends)
    _, ownership = painted(parts.stack())
    rows, columns = (ownership.owner[0] == 0).nonzero().unbind(1)
    bounds = [int(rows.min()), int(rows.max()) + 1, int(columns.min()), int(columns.max()) + 1]
    expected = [10, 30, 14, 36] if ends == LEVEL else [4, 20, 20, 40]
    assert max(abs(a - b) for a, b in zip(bounds, expected, strict=True)) <= 1
    box = silhouettes(parts.stack()[:, 0])[0]
    wanted = [14.0, 10.0, 36.0, 30.0] if ends == LEVEL else [20.0, 4.0, 40.0, 20.0]
    assert box.tolist() == pytest.approx(wanted)


def test_the_nearer_object_hides_the_farther() -> None:
    picture, ownership = painted(torch.cat((disc(25, 20, 10, 1.0), disc(30, 20, 10, 0.1))))
    assert picture[0, 0, 20, 28] == pytest.approx(0.1)
    assert int(ownership.owner[0, 20, 28]) == 1
    assert int(ownership.owner[0, 20, 17]) == 0
    assert int(ownership.owner[0, 2, 2]) == NOBODY
    left = int((ownership.owner == 0).sum())
    assert 0 < left < int(ownership.covered[0])
    assert int((ownership.owner == 1).sum()) == int(ownership.covered[1])


def test_a_ring_is_empty_in_the_middle() -> None:
    parts = PartList(1, 1, CPU)
    parts.add(Point(30, 20), Point(30, 20.001), (12, 12), 1.0, ring=1.5)
    picture, _ = painted(parts.stack())
    assert picture[0, 0, 20, 30] == pytest.approx(0.5)
    assert float(picture[0, 0, 20, 30 + 10]) > 0.9


def test_one_sees_through_the_holes_of_a_fence_but_not_through_windows() -> None:
    holes, _ = painted(slab(30, 5, 35, 10, 1.0, pattern=Pattern(6.0, 0.0, 0.5, 1.0, HOLE)))
    windows, _ = painted(slab(30, 5, 35, 10, 1.0, pattern=Pattern(6.0, 0.0, 0.5, 1.0, 0.2)))
    column = slice(6, 34)
    assert float(holes[0, 0, column, 30].min()) == pytest.approx(0.5)
    assert float(windows[0, 0, column, 30].min()) == pytest.approx(0.2, abs=0.01)
    assert float(holes[0, 0, column, 30].max()) == pytest.approx(1.0)


def test_a_part_outside_the_picture_changes_nothing() -> None:
    picture, ownership = painted(disc(-50, -50, 10, 1.0))
    assert torch.equal(picture, torch.full_like(picture, 0.5))
    assert int(ownership.covered) == 0


def random_parts(objects: int, times: int, count: int) -> Tensor:
    """Parts of every kind, at random."""
    dice = Dice(11)
    parts = torch.zeros(objects, times, count, FIELDS)
    n = objects * count

    def spread(value: Tensor) -> Tensor:
        return value.view(objects, 1, count).expand(-1, times, -1)

    for column, low, high in (
        (0, -5, 65), (1, -5, 45), (2, -5, 65), (3, -5, 45), (4, 1, 9), (5, 1, 9), (8, 0.1, 1), (9, 0, 0.5),
        (10, -0.3, 0.3), (12, 3, 9), (13, 3, 9), (14, 0.3, 0.7), (15, 0.3, 0.7), (16, -1, 1),
    ):  # fmt: skip
        parts[..., column] = spread(dice.uniform(n, low, high))
    parts[..., 6] = spread(dice.whole(n, 0, 4).float())
    parts[..., 7] = spread(dice.chance(n, 0.3) * 1.5)
    parts[..., 17] = spread(dice.chance(n, 0.3) * 1.5)
    parts[..., 11] = spread(dice.chance(n, 0.3))
    parts[..., 12] *= spread(dice.chance(n, 0.5))
    parts[..., 13] *= spread(dice.chance(n, 0.5))
    return parts


def assert_same_painting(device: str) -> None:
    parts, scene = random_parts(5, 2, 6), torch.tensor([0, 0, 0, 1, 1])
    tools = brush(5, 2, 2)
    one = torch.full((2, 2, 40, 60), 0.5)
    other = one.clone().to(device)
    first = paint(one, parts, scene, tools)
    moved = Brush(tools.texture.to(device), tools.texels_per_px.to(device), tools.softness_px.to(device))
    second = paint_batched(other, parts.to(device), scene.to(device), moved)
    assert float(((one - other.cpu()).abs() > 0.01).float().mean()) < 0.005
    assert float((first.owner != second.owner.cpu()).float().mean()) < 0.005
    torch.testing.assert_close(first.covered.float(), second.covered.cpu().float(), atol=8, rtol=0.02)
    assert int(first.covered.sum()) > 500


def test_both_painters_paint_the_same() -> None:
    assert_same_painting("cpu")


@pytest.mark.gpu
def test_both_painters_paint_the_same_on_a_gpu() -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    assert_same_painting("cuda")
