"""Things that are nobody: every kind stands within its height, and the wind moves some."""

from __future__ import annotations

import pytest
import torch

from streaming.simulate.crowds import draw_crowds
from streaming.simulate.distractors import KINDS, draw_distractors, draw_things
from streaming.simulate.extents import silhouettes
from streaming.simulate.noise import Dice
from streaming.simulate.solids import SWAY_PERIOD_S


@pytest.mark.parametrize("kind", range(KINDS))
def test_things_stand_within_their_height(kind: int) -> None:
    things = draw_things(Dice(4), torch.full((40,), kind))
    box = silhouettes(things.at(torch.zeros(40, 1))[:, 0])
    assert torch.isfinite(box).all()
    assert float(box[:, 3].max()) < 1.35
    assert float(box[:, 3].min()) > 0.5
    assert float(box[:, 1].min()) > -0.4


def test_kinds_keep_their_places() -> None:
    kind = torch.tensor([3, 0, 3, 20, 1])
    things = draw_things(Dice(4), kind)
    used = (things.parts[..., 4] > 0).sum(1)
    alone = [(draw_things(Dice(4), kind[row : row + 1]).parts[..., 4] > 0).sum(1) for row in range(5)]
    assert int(used[0]) == int(used[2]) == int(alone[0])
    assert int(used[1]) <= 2
    assert int(used[4]) == int(alone[4])


def test_some_things_move_in_the_wind_and_are_back_after_the_period() -> None:
    things = draw_distractors(Dice(5), 200)
    t_s = torch.tensor([[0.0, 0.2, SWAY_PERIOD_S]]).expand(200, -1)
    start, later, again = things.at(t_s).unbind(1)
    moved = (start != later).any(2).any(1).float().mean()
    assert 0.2 < float(moved) < 0.7
    torch.testing.assert_close(start, again, atol=1e-3, rtol=0)


def test_nothing_is_drawn_of_no_things() -> None:
    assert len(draw_distractors(Dice(1), 0).parts) == 0


def test_a_crowd_is_wider_than_high_and_its_legs_step() -> None:
    crowd = draw_crowds(Dice(1), 20)
    now, later = crowd.at(torch.tensor([[0.0, 0.1]]).expand(20, -1)).unbind(1)
    box = silhouettes(now)
    assert float((box[:, 2] - box[:, 0]).median()) > float((box[:, 3] - box[:, 1]).median())
    assert bool((now != later).any())
