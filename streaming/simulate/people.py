"""People as parts: a skeleton from `gait.py`, dressed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from streaming.simulate.gait import STAND, WALK, Gait, Joint, Limbs, Skeleton, draw_gait, pose
from streaming.simulate.noise import Dice, columns
from streaming.simulate.parts import PartList, Pattern, Point

CREASES = 5
SEAT_BELOW = 0.085
FOREARM_LOOSE, PACK_LOOSE, CARRIED = 0.35, 0.6, 1.0
"""Shares by which the box of a person leaves out arms that stick out, backpacks and bags."""


@dataclass(frozen=True)
class Outfit:
    """What a person wears and carries; each (N, 1). Tones are linear intensity, sizes in body heights.

    A size of 0 means: has none.
    """

    skin: Tensor
    hair: Tensor
    top: Tensor
    trousers: Tensor
    shoes: Tensor
    sleeves: Tensor
    shins: Tensor
    accent: Tensor
    contrast: Tensor
    shade: Tensor
    texture: Tensor
    hem: Tensor
    flare: Tensor
    skirt: Tensor
    jacket: Tensor
    stripes: Tensor
    head: Tensor
    long_hair: Tensor
    hat: Tensor
    backpack: Tensor
    bag: Tensor
    strap: Tensor
    belt: Tensor
    satchel: Tensor
    creases: Tensor


def draw_outfit(dice: Dice, kind: Tensor, child: Tensor) -> Outfit:
    """Outfits of (N,) people; `child` is 0 for adults to 1 for the smallest, whose heads are larger."""
    n = len(kind)
    top, trousers = dice.log_uniform(n, 0.04, 0.95), dice.log_uniform(n, 0.04, 0.95)
    overall = dice.chance(n, 0.25)
    trousers = overall * top * dice.log_uniform(n, 0.6, 1.6) + (1 - overall) * trousers
    skin = dice.log_uniform(n, 0.25, 0.75)
    upright = ((kind == WALK) | (kind == STAND)).float()

    def sometimes(probability: float, low: float, high: float) -> Tensor:
        return dice.chance(n, probability) * dice.uniform(n, low, high)

    traits = columns(
        skin, dice.log_uniform(n, 0.04, 0.5), top, trousers, dice.log_uniform(n, 0.04, 0.95),
        torch.where(dice.unit(n) < 0.6, top, skin), torch.where(dice.unit(n) < 0.75, trousers, skin),
        dice.log_uniform(n, 0.04, 0.95), dice.log_uniform(n, 0.04, 0.95), dice.normal(n) * 0.25,
        dice.uniform(n, 0, 0.35), upright * dice.uniform(n, -0.2, 0.03) * dice.chance(n, 0.6),
        1.05 + sometimes(0.3, 0, 0.5), upright * sometimes(0.1, 0.12, 0.3), sometimes(0.25, 0.03, 0.05),
        sometimes(0.12, 0.02, 0.06), dice.uniform(n, 0.92, 1.12) * (1 + 0.4 * child),
        sometimes(0.3, 0.045, 0.055), sometimes(0.22, 0.02, 0.03), sometimes(0.28, 0.04, 0.09),
        upright * sometimes(0.22, 0.04, 0.1), sometimes(0.25, 0.009, 0.014), sometimes(0.4, 0.007, 0.012),
        sometimes(0.18, 0.04, 0.07),
    )  # fmt: skip
    return Outfit(*(*traits, _draw_creases(dice, n)))


def _draw_creases(dice: Dice, n: int) -> Tensor:
    """(N, CREASES, 6): width, height on the body, place across, tilt, length, tone against the cloth."""
    count = n * CREASES
    columns_ = (
        dice.chance(count, 0.5) * 0.007, dice.uniform(count, -0.35, 0.28), dice.uniform(count, -0.8, 0.8),
        dice.normal(count) * 0.5, dice.log_uniform(count, 0.02, 0.14),
        torch.where(dice.unit(count) < 0.5, dice.uniform(count, 0.4, 0.8), dice.uniform(count, 1.2, 1.9)),
    )  # fmt: skip
    return torch.stack(columns_, 1).view(n, CREASES, 6)


@dataclass(frozen=True)
class People:
    """N people whose parts can be asked for at any time."""

    gait: Gait
    outfit: Outfit

    def parts(self, t_s: Tensor) -> Tensor:
        """(N, K, M, FIELDS) parts at (N, K) seconds, far to near, in body heights above the feet."""
        view = _View(pose(self.gait, t_s), self.gait, self.outfit, t_s)
        view.dress()
        return view.list.stack(by_depth=True)

    def seat(self) -> Tensor:
        """(N,) height under the hips at time 0, in body heights."""
        still = pose(self.gait, torch.zeros_like(self.gait.phase))
        return still.pelvis.up[:, 0] - SEAT_BELOW


def gather_people(members: Sequence[People]) -> People:
    """All `members` as one."""
    gaits, outfits = [m.gait for m in members], [m.outfit for m in members]
    return People(
        Gait(*(torch.cat(trait) for trait in zip(*(vars(g).values() for g in gaits), strict=True))),
        Outfit(*(torch.cat(trait) for trait in zip(*(vars(o).values() for o in outfits), strict=True))),
    )


def draw_yaw(dice: Dice, n: int) -> Tensor:
    """Half of all people walk anywhere, half along the axes of the view."""
    axes = dice.whole(n, 0, 4) * (math.pi / 2) + dice.normal(n) * 0.2
    return torch.where(dice.unit(n) < 0.5, dice.uniform(n, -math.pi, math.pi), axes)


def draw_people(dice: Dice, kind: Tensor, yaw: Tensor, child: Tensor, held: Tensor | None = None) -> People:
    """People of (N,) `kind` (see `gait.py`), `yaw` in radians, `child` 0 to 1, `held` as in `arms.py`."""
    return People(draw_gait(dice, kind, yaw, held), draw_outfit(dice, kind, child))


class _View:
    """One skeleton seen from the camera, collecting parts."""

    def __init__(self, skeleton: Skeleton, gait: Gait, outfit: Outfit, t_s: Tensor) -> None:
        self.skeleton, self.gait, self.outfit = skeleton, gait, outfit
        self.cos, self.sin = gait.yaw.cos(), gait.yaw.sin()
        self.list = PartList(t_s.shape[0], t_s.shape[1], t_s.device)
        self.chest = self._width(0.122, 0.08)
        self.hips = self._width(0.104, 0.082)

    def _width(self, across: float, deep: float) -> Tensor:
        """Half width on the screen of an elliptic trunk."""
        return self.gait.build * ((across * self.cos) ** 2 + (deep * self.sin) ** 2).sqrt()

    def on_screen(self, joint: Joint) -> tuple[Point, Tensor]:
        """Where a joint is seen, and how near it is."""
        return (
            Point(joint.right * self.cos + joint.ahead * self.sin, joint.up),
            joint.right * self.sin - joint.ahead * self.cos,
        )

    def trunk(self, along: Tensor | float, ahead: Tensor | float = 0.0, right: Tensor | float = 0.0) -> Joint:
        """A place at `along` the trunk's axis from the pelvis, shifted ahead and to the right."""
        pelvis, s = self.skeleton.pelvis, self.skeleton
        return Joint(
            pelvis.right + right, s.trunk_ahead * along + ahead * s.trunk_up,
            pelvis.up + s.trunk_up * along - ahead * s.trunk_ahead,
        )  # fmt: skip

    def bone(
        self,
        start: Joint,
        end: Joint,
        radii: tuple[Tensor | float, Tensor | float],
        tone: Tensor,
        *,
        lift: float = 0.0,
        texture: Tensor | float = 0.0,
        flat: float = 0.0,
        loose: float = 0.0,
        pattern: Pattern | None = None,
    ) -> None:
        a, near_a = self.on_screen(start)
        b, near_b = self.on_screen(end)
        self.list.add(
            a, b, radii, tone, depth=(near_a + near_b) / 2 + lift, texture=texture, flat=flat,
            loose=loose, shade=self.outfit.shade, pattern=pattern,
        )  # fmt: skip

    def dress(self) -> None:
        for limbs in (self.skeleton.left, self.skeleton.right):
            self._leg(limbs)
            self._arm(limbs)
        self._torso()
        self._details()
        self._head()
        self._luggage()
        self._creases()

    def _leg(self, limbs: Limbs) -> None:
        o, build = self.outfit, self.gait.build
        cloth = o.texture * 0.6
        self.bone(limbs.hip, limbs.knee, (0.067 * build, 0.052 * build), o.trousers, texture=cloth)
        self.bone(limbs.knee, limbs.ankle, (0.05 * build, 0.037 * build), o.shins, texture=cloth)
        self.bone(limbs.ankle, limbs.toe, (0.034, 0.025), o.shoes)

    def _arm(self, limbs: Limbs) -> None:
        o, build = self.outfit, self.gait.build
        radii = (0.046 * build, 0.038 * build)
        self.bone(limbs.shoulder, limbs.elbow, radii, o.top, lift=0.01, texture=o.texture)
        self.bone(
            limbs.elbow, limbs.wrist, (0.038 * build, 0.027 * build), o.sleeves,
            lift=0.01, texture=o.texture, loose=FOREARM_LOOSE,
        )  # fmt: skip
        self.bone(limbs.wrist, limbs.hand, (0.026, 0.022), o.skin, lift=0.01, loose=FOREARM_LOOSE)

    def _torso(self) -> None:
        o, build = self.outfit, self.gait.build
        cloth = o.texture
        self.bone(
            self.trunk(0.03), self.trunk(-0.01), (self.hips, self.hips * 0.95), o.trousers, texture=cloth
        )
        stripes = Pattern(o.stripes, 0.0, 0.5, 1.0, o.contrast)
        self.bone(
            self.trunk(o.hem), self.trunk(0.26), (self.hips * o.flare, self.chest), o.top,
            lift=0.03, texture=cloth, flat=1.0, pattern=stripes,
        )  # fmt: skip
        across = 0.1 * build
        left, right = self.trunk(0.285, 0.0, -across), self.trunk(0.285, 0.0, across)
        self.bone(left, right, (0.05 * build, 0.05 * build), o.top, lift=0.031, texture=cloth)
        self.bone(self.trunk(0.25), self.trunk(0.3), (self.chest * 0.75, self.chest * 0.5), o.top, lift=0.032)
        worn = (o.skirt > 0).float()
        hem = (self.hips * (1.1 + o.skirt) * worn, self.hips * worn)
        self.bone(
            self.trunk(-o.skirt), self.trunk(0.04), hem, o.contrast, lift=0.025, texture=cloth, flat=1.0
        )

    def _details(self) -> None:
        o, build = self.outfit, self.gait.build
        jacket = (o.jacket, o.jacket * 1.3)
        self.bone(self.trunk(0.02, 0.065), self.trunk(0.27, 0.065), jacket, o.contrast, flat=1.0)
        slung = self.trunk(0.03, 0.07, 0.07 * build), self.trunk(0.28, 0.05, -0.07 * build)
        self.bone(*slung, (o.strap, o.strap), o.accent, lift=0.05)
        buckle = self.trunk(o.hem, 0.05, -0.09 * build), self.trunk(o.hem, 0.05, 0.09 * build)
        self.bone(*buckle, (o.belt, o.belt), o.contrast, lift=0.05)

    def _head(self) -> None:
        o = self.outfit
        ahead = 0.015
        self.bone(self.trunk(0.3), self.trunk(0.36, 0.005), (0.036, 0.033), o.skin, lift=0.02)
        skull = (0.051 * o.head, 0.055 * o.head)
        self.bone(self.trunk(0.392, ahead), self.trunk(0.432, ahead), skull, o.skin, lift=0.04, texture=0.1)
        crown = (0.052 * o.head, 0.05 * o.head)
        self.bone(self.trunk(0.41, ahead - 0.022), self.trunk(0.45, ahead - 0.012), crown, o.hair, lift=0.04)
        tail = (o.long_hair, o.long_hair)
        self.bone(self.trunk(0.32, ahead - 0.045), self.trunk(0.42, ahead - 0.03), tail, o.hair, texture=0.2)
        brim = self.trunk(0.46, ahead, -0.05), self.trunk(0.46, ahead + 0.03, 0.05)
        self.bone(*brim, (o.hat, o.hat), o.accent, lift=0.06)
        eyes = self.trunk(0.42, ahead + 0.05, -0.03), self.trunk(0.42, ahead + 0.05, 0.03)
        self.bone(*eyes, (0.009, 0.009), o.skin * 0.45, lift=0.015)

    def _luggage(self) -> None:
        o = self.outfit
        pack = (0.09**2 * self.cos**2 + o.backpack**2 * self.sin**2).sqrt() * (o.backpack > 0).float()
        bottom, lid = self.trunk(0.05, -0.07 - o.backpack / 2), self.trunk(0.26, -0.065 - o.backpack / 2)
        self.bone(bottom, lid, (pack, pack * 0.9), o.accent, lift=0.03, texture=0.2, loose=PACK_LOOSE)
        hand = self.skeleton.right.hand
        below = Joint(hand.right, hand.ahead, hand.up - o.bag * 1.8)
        self.bone(
            hand, below, (o.bag, o.bag * 1.1), o.accent, lift=0.02, texture=0.1, flat=1.0, loose=CARRIED
        )
        side = 0.12 * self.gait.build
        flap, base = self.trunk(0.06, 0.02, side), self.trunk(0.06 - 1.4 * o.satchel, 0.02, side)
        self.bone(
            flap, base, (o.satchel, o.satchel), o.accent, lift=0.03, texture=0.1, flat=1.0, loose=PACK_LOOSE
        )

    def _creases(self) -> None:
        """Folds: short strokes across the cloth, which turn a plain silhouette into a dressed one."""
        for index in range(CREASES):
            width, up, across, tilt, length, factor = self.outfit.creases[:, index].unsqueeze(-1).unbind(1)
            limbs = self.skeleton.right if index % 2 else self.skeleton.left
            on_leg, down = (up < 0).float(), up.clamp_max(0) / -0.35
            thigh = Joint(
                *(hip + down * (knee - hip) for hip, knee in zip(limbs.hip, limbs.knee, strict=True))
            )
            chest = self.trunk(up.clamp_min(0))
            at = Joint(*(on_leg * a + (1 - on_leg) * b for a, b in zip(thigh, chest, strict=True)))
            middle, near = self.on_screen(at)
            x = middle.x + across * (on_leg * 0.05 + (1 - on_leg) * self.chest)
            end = Point(x + length * tilt.sin(), middle.y + length * tilt.cos())
            tone = (on_leg * self.outfit.trousers + (1 - on_leg) * self.outfit.top) * factor
            self.list.add(Point(x, middle.y), end, (width, width * 0.6), tone, depth=near + 0.2)
