"""Who stands with whom: people side by side, one behind the other, in a circle, or scattered far away.

Members of a group share their leader's doings; where they stand is told in metres from the leader.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from streaming.simulate.arms import FREE, LINK
from streaming.simulate.gait import STAND
from streaming.simulate.noise import Dice, Range

ABREAST, FILE, CIRCLE, SCATTER = range(4)


@dataclass(frozen=True)
class GroupSettings:
    """How people stand together.

    Attributes:
        formations: weights of side by side, one behind the other, and in a circle.
        gap_m: between neighbours side by side; below 0.45 they touch.
        linked_chance: that people side by side hold hands or link arms.
        radius_m: of a circle.
        scatter_m: a far crowd spreads this much to each side; half as deep.
    """

    formations: tuple[float, ...] = (0.6, 0.12, 0.28)
    gap_m: Range = (0.32, 0.75)
    linked_chance: float = 0.3
    radius_m: Range = (0.4, 0.9)
    scatter_m: Range = (2.0, 9.0)


@dataclass(frozen=True)
class Groups:
    """Of N people, sorted by scene.

    Attributes:
        leader: (N,) int64, the row of the scene's first person.
        joins: (N,) bool, is a member beside the leader.
        formation: (N,) int64, ABREAST to SCATTER.
        turn: (N,) radians from the leader's yaw.
        right_m, ahead_m: (N,) from the leader, in the leader's frame; of SCATTER, in the camera's.
        held: (N, 2) poses of the arms.
    """

    leader: Tensor
    joins: Tensor
    formation: Tensor
    turn: Tensor
    right_m: Tensor
    ahead_m: Tensor
    held: Tensor

    def follow(self, value: Tensor) -> Tensor:
        """(N,) `value`, the leader's for members."""
        return torch.where(self.joins, value[self.leader], value)

    def offset_m(self, yaw: Tensor) -> tuple[Tensor, Tensor]:
        """(N,) metres to the right of and beyond the leader, whose group faces (N,) `yaw` of its leader."""
        sin, cos = yaw[self.leader].sin(), yaw[self.leader].cos()
        scattered = self.formation == SCATTER
        right = torch.where(scattered, self.right_m, self.right_m * cos + self.ahead_m * sin)
        beyond = torch.where(scattered, self.ahead_m, self.ahead_m * cos - self.right_m * sin)
        return right * self.joins, beyond * self.joins


def draw_groups(
    dice: Dice, settings: GroupSettings, scene: Tensor, together: Tensor, crowded: Tensor, kind: Tensor
) -> Groups:
    """Groups among people of (N,) `scene` and `kind`.

    Args:
        together: (B,) above 0 in scenes whose people belong together.
        crowded: (B,) above 0 in scenes with a far crowd.
    """
    n, b = len(scene), len(together)
    leader = torch.searchsorted(scene, scene)
    rank = torch.arange(n, device=scene.device) - leader
    formation = dice.choose(b, settings.formations)[scene]
    standing = kind[leader] == STAND
    formation = torch.where((formation == CIRCLE) & ~standing, ABREAST, formation)
    formation = torch.where(crowded[scene] > 0, SCATTER, formation)
    joins = ((together + crowded)[scene] > 0) & (rank > 0)
    slot = (rank + 1) // 2 * (1 - 2 * ((rank + 1) % 2))
    right, ahead, angle = _places(dice, settings, scene, b, slot, rank, formation)
    turn = torch.where(formation == CIRCLE, angle, dice.normal(n) * 0.15)
    turn = torch.where(formation == SCATTER, dice.uniform(n, -torch.pi, torch.pi), turn)
    linked = dice.chance(b, settings.linked_chance)[scene] * (formation == ABREAST) * (together[scene] > 0)
    return Groups(leader, joins, formation, turn * joins, right, ahead, _link(linked > 0, scene, slot))


def _places(
    dice: Dice, settings: GroupSettings, scene: Tensor, b: int, slot: Tensor, rank: Tensor, formation: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """(N,) metres to the right and ahead of the leader, and the angle on a circle."""
    n = len(scene)
    gap = dice.uniform(b, *settings.gap_m)[scene] * (1 + 0.12 * dice.normal(n))
    count = torch.bincount(scene, minlength=b)[scene]
    angle = 2 * torch.pi * rank / count.clamp_min(1)
    radius = dice.uniform(b, *settings.radius_m)[scene] * (1 + 0.15 * count)
    wide = dice.uniform(b, *settings.scatter_m)[scene]
    rights = (slot * gap, 0.1 * dice.normal(n), -radius * angle.sin(), wide * dice.uniform(n, -1, 1))
    aheads = (
        0.12 * dice.normal(n), -1.8 * gap * rank, radius * (1 - angle.cos()),
        wide * dice.uniform(n, -0.3, 0.7),
    )  # fmt: skip
    row = formation[None]
    right, ahead = (torch.stack(values).gather(0, row)[0] for values in (rights, aheads))
    return right, ahead, angle


def _link(linked: Tensor, scene: Tensor, slot: Tensor) -> Tensor:
    """(N, 2) poses: everybody reaches for the neighbours that are there."""
    count = torch.bincount(scene)[scene] if len(scene) else slot
    most_right, most_left = count // 2, -((count - 1) // 2)
    neighbours = torch.stack((slot > most_left, slot < most_right), 1)
    return torch.where(linked[:, None] & neighbours, LINK, FREE)
