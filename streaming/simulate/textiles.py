"""Flags, clothes lines, coat stands, parasols: cloth that is nobody's, much of it moving."""

from __future__ import annotations

from streaming.simulate.parts import Pattern, Point
from streaming.simulate.solids import Kit


def _flag(kit: Kit) -> None:
    """A pole with a cloth whose waves run away from it."""
    side, tone, second = kit.dice.sign(kit.n)[:, None], kit.tone(), kit.tone()
    kit.bar(Point(0.0, 0.0), Point(0.0, 1.0), kit.log_range(0.008, 0.02), kit.tone())
    length, half = kit.range(0.06, 0.14), kit.range(0.08, 0.16)
    wind = kit.sway(0.0, 0.0, 0.04, 0.18)
    for index in range(4):
        up = 0.99 - half
        wave = wind._replace(y=up, phase=index * 0.9)
        start, end = Point(side * index * length, up), Point(side * (index + 1.15) * length, up)
        kit.list.add(
            start, end, (half, half), tone * (1 - 0.12 * (index % 2)), flat=1.0, hinge=wave,
            pattern=Pattern(0.0, kit.range(0.08, 0.3), 1.0, 0.5, second),
        )  # fmt: skip


def _clothes_line(kit: Kit) -> None:
    """Shirts and trousers without anybody in them, swinging from a line."""
    kit.bar(Point(-1.2, 1.0), Point(1.2, 1.0), 0.006, kit.tone())
    for index in range(3):
        x, tone = (index - 1) * 0.75 + kit.range(-0.15, 0.15), kit.tone()
        wind = kit.sway(x, 1.0, 0.02, 0.2)
        half, drop = kit.range(0.12, 0.2), kit.range(0.4, 0.75)
        trousers = kit.chance(0.5)
        shirt = half * (1 - 0.3 * trousers)
        low = Point(x, 1 - drop * (1 - 0.6 * trousers))
        kit.list.add(Point(x, 1.0), low, (shirt, shirt), tone, flat=1.0, texture=0.2, shade=0.15, hinge=wind)
        for side in (-1.0, 1.0):
            sleeve = Point(x + side * half * (1.5 - 0.8 * trousers), 1 - drop * (0.6 + 0.4 * trousers))
            root = Point(x + side * half * (0.8 - 0.3 * trousers), 0.97 - 0.3 * drop * trousers)
            kit.list.add(root, sleeve, (0.07, 0.055), tone, texture=0.2, hinge=wind)


def _coat_stand(kit: Kit) -> None:
    """A stand with hooks and a coat on it."""
    tone, coat = kit.tone(), kit.tone()
    kit.bar(Point(0.0, 0.0), Point(0.0, 1.0), 0.02, tone)
    for side in (-1.0, 1.0):
        kit.bar(Point(0.0, 0.85), Point(side * 0.13, 0.92), 0.013, tone)
        kit.bar(Point(0.0, 0.08), Point(side * 0.18, 0.0), 0.015, tone)
    half = kit.range(0.06, 0.16)
    kit.list.add(
        Point(0.02, 0.4), Point(0.05, 0.85), (half * 1.3, half), coat, texture=0.2, flat=1.0, shade=0.2
    )
    kit.bar(Point(half, 0.8), Point(half * 1.3, 0.5), 0.04, coat * 0.9)


def _parasol(kit: Kit) -> None:
    """A big umbrella on its own foot, open or folded."""
    tone, second = kit.tone(), kit.tone()
    opened = kit.chance(0.7)
    wide = kit.range(0.4, 0.75) * opened + 0.07 * (1 - opened)
    edge = 0.82 * opened + 0.45 * (1 - opened)
    kit.bar(Point(0.0, 0.0), Point(0.0, 1.0), 0.014, second)
    kit.list.add(Point(0.0, edge), Point(0.0, 1.0), (wide, 0.05), tone, flat=1.0, shade=0.2)
    kit.list.add(Point(0.0, edge - 0.04), Point(0.0, edge), (wide, wide), second, flat=1.0)
    for share in (-0.5, 0.0, 0.5):
        kit.bar(Point(share * wide, edge), Point(share * 0.05, 1.0), 0.006, tone * 0.7)


def _banner(kit: Kit) -> None:
    """A tall narrow cloth on a pole, as people are tall and narrow."""
    side, tone = kit.dice.sign(kit.n)[:, None], kit.tone()
    kit.bar(Point(0.0, 0.0), Point(0.0, 1.0), 0.012, kit.tone())
    half = kit.range(0.08, 0.15)
    wind = kit.sway(0.0, 0.97, 0.01, 0.08)
    stripes = Pattern(kit.range(0.1, 0.4), 0.0, 0.5, 1.0, kit.tone())
    top, low = Point(side * half, 0.97), Point(side * half, kit.range(0.2, 0.5))
    kit.list.add(top, low, (half, half * kit.range(0.7, 1.0)), tone, flat=1.0, pattern=stripes, hinge=wind)


PAINTERS = (_flag, _clothes_line, _coat_stand, _parasol, _banner)
