"""Posts, railings, signs, bins, tables, chairs: what stands in streets and gardens."""

from __future__ import annotations

from streaming.simulate.parts import HOLE, Pattern, Point
from streaming.simulate.solids import Kit


def _post(kit: Kit) -> None:
    """A pole: a lamp, a pipe, the trunk of a young tree."""
    width = kit.log_range(0.012, 0.07)
    top = Point(kit.range(-0.04, 0.04), 1.0)
    kit.list.add(Point(0.0, 0.0), top, (width * kit.range(1, 1.8), width), kit.tone(), texture=0.15, flat=1.0)
    lamp = kit.chance(0.35) * kit.range(0.03, 0.09)
    kit.bar(top, Point(top.x + kit.range(-0.2, 0.2), 1.0), lamp, kit.tone(0.1, 1.0))


def _bollard(kit: Kit) -> None:
    """As high as a child, round or square, often with a bright ring."""
    width, tone = kit.range(0.06, 0.16), kit.tone()
    kit.list.add(Point(0.0, 0.0), Point(0.0, 0.9), (width, width * 0.9), tone, flat=1.0, shade=0.25)
    kit.bar(Point(0.0, 0.88), Point(0.0, 0.9), width * kit.range(0.9, 1.25), tone * kit.range(0.6, 1.4))
    ring = kit.range(0.5, 0.8)
    kit.list.add(Point(0.0, ring), Point(0.0, ring + 0.1), (width, width), kit.tone(), flat=1.0)


def _row_of_posts(kit: Kit) -> None:
    """Three to five posts, with a chain or a beam between some."""
    width, gap, tone = kit.log_range(0.02, 0.08), kit.range(0.3, 0.9), kit.tone()
    beam = kit.chance(0.5) * 0.02
    for index in range(5):
        x = (index - 2) * gap + kit.range(-0.05, 0.05)
        seen = 1.0 if index < 3 else kit.chance(0.6)
        top = Point(x + kit.range(-0.03, 0.03), kit.range(0.85, 1.0))
        kit.list.add(Point(x, 0.0), top, (width * seen, width * seen), tone, flat=1.0, texture=0.1)
        if index:
            kit.bar(Point(x - gap, 0.7), Point(x, 0.7), beam * seen, tone * 0.8)


def _railing(kit: Kit) -> None:
    """Two rails and bars between them."""
    tone, half = kit.tone(), kit.range(0.6, 1.8)
    bars = Pattern(kit.range(0.07, 0.25), 0.0, kit.range(0.5, 0.85), 1.0, HOLE)
    kit.list.add(Point(-half, 0.5), Point(half, 0.5), (0.46, 0.46), tone, flat=1.0, pattern=bars)
    for up in (0.08, 0.97):
        kit.bar(Point(-half, up), Point(half, up), kit.range(0.012, 0.03), tone)


def _sign(kit: Kit) -> None:
    width, tone = kit.log_range(0.012, 0.03), kit.tone()
    kit.bar(Point(0.0, 0.0), Point(0.0, 1.0), width, tone)
    size, square = kit.range(0.08, 0.2), kit.chance(0.5)
    for share in (1.0, 0.7):
        corner = Point(0.0, 1 - size + square * size * 0.8 * share + 1e-3)
        kit.list.add(Point(0.0, 1 - size), corner, (size * share, size * share), kit.tone(), flat=square)


def _bin(kit: Kit) -> None:
    """Bins, boxes, letter boxes, machines."""
    width, taper = kit.log_range(0.15, 0.6), kit.range(0.7, 1.1)
    sides = (width, width * taper)
    kit.list.add(Point(0.0, 0.0), Point(0.0, 1.0), sides, kit.tone(), texture=0.25, flat=1.0, shade=0.2)
    for _ in range(2):
        up = kit.range(0.1, 0.8)
        kit.list.add(Point(0.0, up), Point(0.0, up + 0.1), (width * 0.8, width * 0.8), kit.tone(), flat=1.0)


def _column(kit: Kit) -> None:
    """A pillar, a statue's base or an advertising column."""
    shaft, tone = kit.log_range(0.05, 0.16), kit.tone()
    bottom = shaft * kit.range(0.9, 1.5)
    kit.list.add(Point(0.0, 0.0), Point(0.0, 0.82), (bottom, shaft), tone, texture=0.2, flat=1.0, shade=0.3)
    capital = shaft * kit.range(0.4, 1.6)
    kit.list.add(Point(0.0, 0.85), Point(0.0, 0.93), (capital, capital * 0.7), kit.tone(), flat=1.0)


def _legs(kit: Kit) -> None:
    """Two leaning tapered posts, as legs without a body; some with a crossbar."""
    tone, width = kit.tone(), kit.range(0.04, 0.11)
    for side in (-1.0, 1.0):
        foot = Point(side * kit.range(0.02, 0.22), 0.0)
        top = Point(side * kit.range(0.0, 0.12), kit.range(0.8, 1.0))
        kit.list.add(foot, top, (width * kit.range(0.4, 1.0), width), tone, texture=0.15)
    bar = kit.chance(0.4) * 0.03
    kit.bar(Point(-0.1, 0.55), Point(0.1, 0.55), bar, tone)


def _table(kit: Kit) -> None:
    """A table seen from any side: a board and four legs, straight or spread."""
    tone, half, deep = kit.tone(), kit.range(0.5, 1.1), kit.range(0.3, 0.6)
    leg, spread = kit.log_range(0.02, 0.06), kit.range(0.7, 1.05)
    for ahead in (-1.0, 1.0):
        for side in (-1.0, 1.0):
            foot = kit.at(ahead * deep * spread, side * half * spread, 0.0)
            kit.bar(foot, kit.at(ahead * deep * 0.9, side * half * 0.9, 0.95), leg, tone * 0.8, flat=1.0)
        kit.bar(
            kit.at(ahead * deep, -half, 0.95), kit.at(ahead * deep, half, 0.95), kit.range(0.03, 0.05), tone
        )
    kit.bar(kit.at(-deep, 0.0, 0.95), kit.at(deep, 0.0, 0.95), 0.04, tone)


def _chair(kit: Kit) -> None:
    """An empty chair or stool: four thin legs, a seat, mostly a back."""
    tone, half, leg = kit.tone(), kit.range(0.2, 0.27), kit.log_range(0.012, 0.035)
    back = kit.chance(0.75)
    for ahead in (-1.0, 1.0):
        for side in (-1.0, 1.0):
            top = 0.5 + 0.5 * back * (ahead < 0)
            foot = kit.at(ahead * half * 1.1, side * half, 0.0)
            kit.bar(foot, kit.at(ahead * half, side * half, top), leg, tone * 0.8)
    for ahead in (-0.5, 0.5):
        kit.bar(kit.at(ahead * half, -half, 0.5), kit.at(ahead * half, half, 0.5), 0.05, tone)
    for up in (0.7, 0.9):
        low, high = kit.at(-half, -half, up), kit.at(-half, half, up)
        kit.bar(low, high, kit.range(0.02, 0.08) * back, tone)


def _bench(kit: Kit) -> None:
    tone, half = kit.tone(), kit.range(0.8, 1.4)
    back = kit.chance(0.7)
    for side in (-0.85, 0.85):
        for ahead in (-0.25, 0.25):
            kit.bar(kit.at(ahead, side * half, 0.0), kit.at(ahead, side * half, 0.5), 0.035, tone * 0.7)
    for ahead in (-0.15, 0.15):
        kit.bar(kit.at(ahead, -half, 0.5), kit.at(ahead, half, 0.5), 0.06, tone)
    for up in (0.7, 0.92):
        kit.bar(kit.at(-0.28, -half, up), kit.at(-0.28, half, up), 0.06 * back, tone)


def _hydrant(kit: Kit) -> None:
    """Short and stout, with a head and two arms: a small person at a glance."""
    tone, width = kit.tone(), kit.range(0.13, 0.2)
    kit.list.add(Point(0.0, 0.0), Point(0.0, 0.7), (width * 1.1, width), tone, shade=0.3)
    kit.bar(Point(-width * 1.6, 0.6), Point(width * 1.6, 0.6), 0.08, tone * 0.8)
    head = width * kit.range(0.7, 1.1)
    kit.list.add(Point(0.0, 0.82), Point(0.0, 0.88), (head, head * 0.7), kit.tone())


PAINTERS = (
    _post, _bollard, _row_of_posts, _railing, _sign, _bin, _column, _legs, _table, _chair, _bench, _hydrant
)  # fmt: skip
