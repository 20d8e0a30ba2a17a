"""Bushes, trees and bare branches; the wind moves them."""

from __future__ import annotations

import torch
from torch import Tensor

from streaming.simulate.parts import Point
from streaming.simulate.solids import Kit


def _bush(kit: Kit) -> None:
    _foliage(kit, kit.tone(), kit.range(0.2, 0.3), kit.range(0.5, 0.7), wide=0.28, lumps=6)


def _tree(kit: Kit) -> None:
    """A crown over a trunk."""
    width, tone = kit.log_range(0.02, 0.07), kit.tone()
    kit.list.add(Point(0.0, 0.0), Point(kit.range(-0.05, 0.05), 0.6), (width * 1.6, width), tone, texture=0.3)
    _foliage(kit, kit.tone(), kit.range(0.5, 0.6), kit.range(0.75, 0.85), wide=0.28, lumps=7)


def _foliage(kit: Kit, tone: Tensor, low: Tensor, high: Tensor, wide: float, lumps: int) -> None:
    """Ragged lumps between two heights, each swaying a little."""
    for _ in range(lumps):
        radius = kit.range(0.13, 0.28)
        up = torch.maximum(low + (high - low) * kit.range(0, 1), radius * 0.9)
        right = kit.range(-wide, wide)
        wind = kit.sway(0.0, 0.0, 0.0, 0.02, kit.range(0, 6))
        kit.list.add(
            Point(right, up), Point(right + 0.02, up), (radius, radius), tone * kit.range(0.7, 1.3),
            texture=0.6, rough=0.03, hinge=wind,
        )  # fmt: skip


def _bare(kit: Kit) -> None:
    """A trunk that forks into bare branches, like raised arms."""
    tone, trunk = kit.tone(0.04, 0.5), kit.log_range(0.025, 0.07)
    fork = kit.range(0.3, 0.6)
    top = Point(kit.range(-0.05, 0.05), fork)
    kit.list.add(Point(0.0, 0.0), top, (trunk * 1.4, trunk), tone, texture=0.3)
    for index in range(5):
        side = 1.0 if index % 2 else -1.0
        root = Point(top.x, fork - kit.range(0, 0.12) * (index > 1))
        tip = Point(root.x + side * kit.range(0.05, 0.45), kit.range(0.7, 1.0))
        wind = kit.sway(root.x, root.y, 0.0, 0.05, kit.range(0, 6))
        seen = 1.0 if index < 2 else kit.chance(0.6)
        thick = trunk * kit.range(0.4, 0.8) * seen
        kit.list.add(root, tip, (thick, thick * 0.3), tone, hinge=wind)
        twig = Point((root.x + tip.x) / 2, (root.y + tip.y) / 2)
        end = Point(twig.x + kit.range(-0.2, 0.2), twig.y + kit.range(0.05, 0.25))
        kit.list.add(twig, end, (thick * 0.4, thick * 0.2), tone, hinge=wind)


def _reeds(kit: Kit) -> None:
    """Stalks and long leaves bent by the wind."""
    tone = kit.tone()
    for _ in range(9):
        foot, tip = kit.range(-0.35, 0.35), kit.range(0.5, 1.0)
        wind = kit.sway(foot, 0.0, 0.02, 0.14, kit.range(0, 1.5))
        width = kit.log_range(0.008, 0.035)
        end = Point(foot + kit.range(-0.2, 0.2), tip)
        kit.list.add(Point(foot, 0.0), end, (width, width * 0.3), tone * kit.range(0.7, 1.3), hinge=wind)


def _bough(kit: Kit) -> None:
    """A branch with leaves that hangs into view from one side."""
    tone, leaf, side = kit.tone(0.04, 0.5), kit.tone(), kit.dice.sign(kit.n)[:, None]
    root = Point(side * 0.9, kit.range(0.8, 1.0))
    tip = Point(side * kit.range(-0.5, 0.1), kit.range(0.5, 0.9))
    wind = kit.sway(root.x, root.y, 0.01, 0.06)
    kit.list.add(root, tip, (0.035, 0.012), tone, hinge=wind)
    for _ in range(8):
        share, size = kit.range(0.2, 1.0), kit.range(0.04, 0.1)
        x = root.x + share * (tip.x - root.x) + kit.range(-0.06, 0.06)
        y = root.y + share * (tip.y - root.y) - kit.range(-0.05, 0.2)
        end, tint = Point(x + kit.range(-0.05, 0.05), y - 0.04), leaf * kit.range(0.7, 1.3)
        kit.list.add(Point(x, y), end, (size, size), tint, texture=0.5, rough=0.02, hinge=wind)


PAINTERS = (_bush, _tree, _bare, _reeds, _bough)
