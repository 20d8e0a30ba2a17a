"""Pictures of scenes over time: backdrop, ground, then objects from far to near, and where each object is."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from streaming.simulate.backdrop import Textures, view_backdrop
from streaming.simulate.batching import cuts
from streaming.simulate.brush import Brush, Ownership
from streaming.simulate.camera import Camera, View
from streaming.simulate.extents import silhouettes
from streaming.simulate.ground import Ground, lay_ground
from streaming.simulate.lens import bend_parts
from streaming.simulate.motion import Bodies, Placement, parts_to_px, project
from streaming.simulate.parts import FIELDS
from streaming.simulate.sprites import paint

TEXEL_PX = 1.5


@dataclass(frozen=True)
class Stage:
    """All that does not move by itself in B scenes.

    Attributes:
        camera: the moving camera.
        canvas: (B, H, W) backdrop.
        ground: the plane under it.
        textures: noise shared by everything in a scene.
        softness_px: (B,) width of an edge: lens blur.
    """

    camera: Camera
    canvas: Tensor
    ground: Ground
    textures: Textures
    softness_px: Tensor


@dataclass(frozen=True)
class Cast:
    """The objects of B scenes.

    Attributes:
        bodies: N objects, by scene and from far to near.
        parts: (N, K, M, FIELDS) or (N, 1, M, FIELDS), in object heights.
        texels: (N,) fineness of each object's texture, texels per height.
    """

    bodies: Bodies
    parts: Tensor
    texels: Tensor


def in_painting_order(cast: Cast) -> Cast:
    """The objects by scene, then from far to near."""
    order = torch.argsort(-cast.bodies.z_m, stable=True)
    order = order[torch.argsort(cast.bodies.scene[order], stable=True)]
    bodies = Bodies(*(column[order] for column in vars(cast.bodies).values()))
    return Cast(bodies, cast.parts[order], cast.texels[order])


@dataclass(frozen=True)
class Frames:
    """Rendered pictures.

    Attributes:
        intensity: (B, K, h, w) linear.
        ownership: who covers which pixel of the last picture.
        xyxy: (N, 4) silhouettes in the last picture, px, not clipped.
    """

    intensity: Tensor
    ownership: Ownership
    xyxy: Tensor


def render(stage: Stage, cast: Cast, view: View, t_s: Tensor) -> Frames:
    """Pictures at (K,) seconds, of a camera at `view` (B, K)."""
    camera = stage.camera
    size = (*view.roll.shape, camera.height, camera.width)
    pictures = torch.empty(size, device=view.roll.device)
    for rows in cuts(len(pictures), pictures[0].numel(), pictures.device):
        rays = camera.rays(view, rows)
        pictures[rows] = view_backdrop(stage.canvas[rows], rays)
        lay_ground(pictures[rows], stage.ground, camera, view, rays, rows.start)
    placement = project(cast.bodies, camera, view, t_s)
    seen = place_parts(cast, camera, placement)
    brush = Brush(stage.textures.tile, _texels_per_px(cast.texels, placement), stage.softness_px)
    ownership = paint(pictures, seen, cast.bodies.scene, brush)
    return Frames(pictures, ownership, silhouettes(seen[:, -1]))


def place_parts(cast: Cast, camera: Camera, placement: Placement) -> Tensor:
    """(N, K, M, FIELDS) parts in px, as the lens shows them."""
    straight = parts_to_px(cast.parts, placement)
    return bend_parts(straight, camera.bend[cast.bodies.scene], camera.width, camera.height)


def _texels_per_px(texels: Tensor, placement: Placement) -> Tensor:
    return texels[:, None] / placement.scale.clamp_min(1)


def merge_parts(groups: list[Tensor], times: int) -> Tensor:
    """(N, K, M, FIELDS) of groups (n, K or 1, m, FIELDS) in a row, padded with parts of radius 0."""
    most = max(group.shape[2] for group in groups)
    total = sum(len(group) for group in groups)
    merged = torch.zeros(total, times, most, FIELDS, device=groups[0].device)
    start = 0
    for group in groups:
        merged[start : start + len(group), :, : group.shape[2]] = group
        start += len(group)
    return merged
