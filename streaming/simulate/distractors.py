"""Things that stand about and are no class of ours, as parts: the detector must learn to leave them alone.

Street furniture, plants, and what hangs and waves. Many resemble a limb, a pair of legs or a whole person at
a glance; those that the wind moves make events before a still camera too.
"""

from __future__ import annotations

import math

from torch import Tensor

from streaming.simulate import furniture, plants, textiles
from streaming.simulate.noise import Dice
from streaming.simulate.solids import Solid, draw_by_kind

PAINTERS = (*furniture.PAINTERS, *plants.PAINTERS, *textiles.PAINTERS)
KINDS = len(PAINTERS)


def draw_distractors(dice: Dice, n: int) -> Solid:
    """`n` things of any kind, in their own heights."""
    return draw_things(dice, dice.whole(n, 0, KINDS))


def draw_things(dice: Dice, kind: Tensor) -> Solid:
    """Things of (N,) kinds, indices of PAINTERS, turned anywhere."""
    return draw_by_kind(dice, kind, dice.uniform(len(kind), -math.pi, math.pi), PAINTERS)
