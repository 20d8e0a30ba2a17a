"""Far crowds: a dozen small figures that walk, in one object, because nobody could tell them apart."""

from __future__ import annotations

import torch

from streaming.simulate.noise import Dice
from streaming.simulate.parts import Hinge, Point
from streaming.simulate.solids import Kit, Solid

FIGURES = 11


def draw_crowds(dice: Dice, n: int) -> Solid:
    """`n` crowds, in heights of a person."""
    kit = Kit(dice, n, torch.arange(n, device=dice.device), torch.ones(n, 1, device=dice.device),
              torch.zeros(n, 1, device=dice.device))  # fmt: skip
    wide = kit.range(0.8, 2.2)
    for index in range(FIGURES):
        up = (1 - index / FIGURES) * 0.12
        _figure(kit, wide * kit.range(-1, 1), up, kit.range(0.85, 1.08))
    return Solid.of(kit.list)


def _figure(kit: Kit, x: torch.Tensor, up: float, tall: torch.Tensor) -> None:
    """Two legs that step, a trunk and a head; what is further away stands higher."""
    top, trousers = kit.tone(), kit.tone()
    omega, phase, swing = kit.range(4, 7), kit.range(0, 6), kit.range(0, 0.35)
    hip = up + 0.48 * tall
    for side in (0.0, torch.pi):
        leg = Hinge(x, hip, 1.0, 0.0, swing, omega, phase + side)
        kit.list.add(Point(x, hip), Point(x, up), (0.065, 0.04), trousers, hinge=leg)
    chest = Point(x, up + 0.78 * tall)
    kit.list.add(Point(x, hip), chest, (0.1, 0.13), top, texture=0.1)
    head = Point(x, up + 0.91 * tall)
    kit.list.add(head, Point(x, head.y + 0.03), (0.055, 0.055), kit.tone(0.1, 0.7))
