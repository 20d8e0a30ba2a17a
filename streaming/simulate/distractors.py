"""Things that stand about and are no class of ours, as parts: the detector must learn to leave them alone.

Posts, signs, bins, bushes, trees, tables, columns; and things that resemble limbs: a leg-like pair of posts,
a branching trunk, a coat stand.
"""

from __future__ import annotations

import torch
from torch import Tensor

from streaming.simulate.noise import Dice
from streaming.simulate.parts import PartList, Point

POST, SIGN, BIN, BUSH, TREE, TABLE, COLUMN, LEGS, BRANCHES, STAND = range(10)
KINDS = 10


def draw_distractors(dice: Dice, n: int) -> Tensor:
    """(N, 1, M, FIELDS) parts of `n` distractors, in their own heights."""
    thing = _Thing(dice, n)
    thing.paint()
    return thing.list.stack()


class _Thing:
    def __init__(self, dice: Dice, n: int) -> None:
        self.dice, self.n = dice, n
        self.list = PartList(n, 1, dice.device)
        self.kind = dice.whole(n, 0, KINDS)[:, None]
        self.tone, self.second = self._tone(), self._tone()

    def _tone(self) -> Tensor:
        return self.dice.log_uniform(self.n, 0.04, 1.0)[:, None]

    def _range(self, low: float, high: float) -> Tensor:
        return self.dice.uniform(self.n, low, high)[:, None]

    def _is(self, *kinds: int) -> Tensor:
        """1.0 for objects of `kinds`: times a radius, parts of other kinds vanish."""
        return torch.stack([self.kind == kind for kind in kinds]).any(0).float()

    def paint(self) -> None:
        self._posts()
        self._boxes()
        self._foliage()
        self._table()
        self._limbs()

    def _posts(self) -> None:
        width = self.dice.log_uniform(self.n, 0.012, 0.07)[:, None] * self._is(POST, SIGN, TREE, STAND)
        tree = self._is(TREE)
        top = Point(self._range(-0.03, 0.03), 1 - 0.45 * tree)
        radii = (width * (1 + tree), width)
        self.list.add(Point(0.0, 0.0), top, radii, self.tone, texture=0.15, flat=1.0)
        size, square = self._range(0.08, 0.22), self.dice.chance(self.n, 0.5)[:, None]
        plate = size * self._is(SIGN)
        for share, tone in ((1.0, self.second), (0.7, self._tone())):
            corner = Point(0.0, 1 - size + square * size * 0.8 * share + 1e-3)
            self.list.add(Point(0.0, 1 - size), corner, (plate * share, plate * share), tone, flat=square)

    def _boxes(self) -> None:
        width = self.dice.log_uniform(self.n, 0.15, 0.6)[:, None] * self._is(BIN)
        taper = self._range(0.7, 1.1)
        self.list.add(
            Point(0.0, 0.0),
            Point(0.0, 1.0),
            (width, width * taper),
            self.tone,
            texture=0.25,
            flat=1.0,
            shade=0.2,
        )
        for _ in range(2):
            up = self._range(0.1, 0.8)
            self.list.add(
                Point(0.0, up), Point(0.0, up + 0.1), (width * 0.8, width * 0.8), self._tone(), flat=1.0
            )
        shaft = self.dice.log_uniform(self.n, 0.05, 0.16)[:, None] * self._is(COLUMN)
        flare = self._range(0.9, 1.5)
        self.list.add(
            Point(0.0, 0.0),
            Point(0.0, 0.82),
            (shaft * flare, shaft),
            self.tone,
            texture=0.2,
            flat=1.0,
            shade=0.3,
        )
        capital = shaft * self._range(0.4, 1.6)
        self.list.add(Point(0.0, 0.85), Point(0.0, 0.93), (capital, capital * 0.7), self._tone(), flat=1.0)

    def _foliage(self) -> None:
        tree = self._is(TREE)
        seen = self._is(BUSH, TREE)
        for _ in range(6):
            radius = self._range(0.14, 0.3)
            up = tree * self._range(0.55, 0.8) + (1 - tree) * (radius + self._range(0, 0.45))
            right = self._range(-0.28, 0.28)
            tone = self.second * self._range(0.7, 1.3)
            self.list.add(
                Point(right, up), Point(right + 0.02, up), (radius * seen, radius * seen), tone,
                texture=0.6, rough=0.03 * seen,
            )  # fmt: skip

    def _table(self) -> None:
        seen = self._is(TABLE)
        self.list.add(Point(-0.3, 0.95), Point(0.3, 0.95), (0.04 * seen, 0.04 * seen), self.tone, texture=0.1)
        for side in (-0.26, 0.26):
            leg = (0.025 * seen, 0.025 * seen)
            self.list.add(Point(side, 0.0), Point(side, 0.95), leg, self.tone, flat=1.0)

    def _limbs(self) -> None:
        """Two leaning tapered posts; a trunk with two branches; a stand with hooks and a coat."""
        legs, branches, stand = self._is(LEGS), self._is(BRANCHES), self._is(STAND)
        for side in (-1.0, 1.0):
            foot, width = Point(side * self._range(0.02, 0.2), 0.0), self._range(0.05, 0.11) * legs
            top = Point(side * self._range(0.0, 0.1), self._range(0.8, 1.0))
            self.list.add(foot, top, (width * 0.6, width), self.tone, texture=0.15)
            fork = Point(0.0, self._range(0.35, 0.65))
            tip = Point(side * self._range(0.1, 0.4), self._range(0.75, 1.0))
            self.list.add(fork, tip, (0.04 * branches, 0.015 * branches), self.tone)
            hook = Point(side * 0.13, 0.92)
            self.list.add(Point(0.0, 0.85), hook, (0.015 * stand, 0.012 * stand), self.second)
        self.list.add(Point(0.0, 0.0), Point(0.0, 0.7), (0.06 * branches, 0.04 * branches), self.tone)
        coat = self._range(0.06, 0.16) * stand
        self.list.add(
            Point(0.02, 0.4),
            Point(0.05, 0.85),
            (coat * 1.2, coat),
            self.second,
            texture=0.2,
            flat=1.0,
            shade=0.2,
        )
