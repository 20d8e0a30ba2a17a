"""Where objects are: bodies moving straight over the ground, and their projection into the picture."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from streaming.simulate.camera import Camera, View
from streaming.simulate.parts import PERIOD_U, PERIOD_V, R1, R2, RING, ROUGH, X1, X2, Y1, Y2

NEAREST_M = 0.4
LENGTHS = (R1, R2, RING, ROUGH, PERIOD_U, PERIOD_V)


@dataclass(frozen=True)
class Bodies:
    """N objects in B scenes, ordered by scene and from far to near; all (N,).

    Attributes:
        scene: int64 row of the scene.
        label: int64 class, -1 for what is no class of ours.
        x_m, z_m: metres right of and ahead of the camera of time 0, at time `since_s`.
        drop_m: metres of the feet below the camera.
        speed_x, speed_z: m/s.
        height_m: metres.
        since_s: when the object was at (x_m, z_m).
    """

    scene: Tensor
    label: Tensor
    x_m: Tensor
    drop_m: Tensor
    z_m: Tensor
    speed_x: Tensor
    speed_z: Tensor
    height_m: Tensor
    since_s: Tensor


@dataclass(frozen=True)
class Placement:
    """Similarity that takes object coordinates into the picture; all (N, K).

    Attributes:
        x, y: px of the feet.
        scale: px of an object's height.
        roll: radians.
    """

    x: Tensor
    y: Tensor
    scale: Tensor
    roll: Tensor


def project(bodies: Bodies, camera: Camera, view: View, t_s: Tensor) -> Placement:
    """Where the bodies are seen at (K,) seconds; those behind the camera get scale 0."""
    scene = bodies.scene
    age_s = t_s[None] - bodies.since_s[:, None]
    ahead = bodies.z_m[:, None] + bodies.speed_z[:, None] * age_s - view.z_m[scene]
    aside = bodies.x_m[:, None] + bodies.speed_x[:, None] * age_s - view.x_m[scene]
    px_per_m = camera.focal_px[scene][:, None] / ahead.clamp_min(NEAREST_M)
    x = aside * px_per_m
    y = bodies.drop_m[:, None] * px_per_m + camera.horizon_px[scene][:, None]
    roll = view.roll[scene]
    return Placement(
        x * roll.cos() - y * roll.sin() + view.shift_x[scene] + camera.width / 2,
        x * roll.sin() + y * roll.cos() + view.shift_y[scene] + camera.height / 2,
        bodies.height_m[:, None] * px_per_m * (ahead > NEAREST_M),
        roll,
    )


def parts_to_px(parts: Tensor, placement: Placement) -> Tensor:
    """(N, K, M, FIELDS) parts in object heights, y up, to parts in picture px, y down."""
    seen = parts.expand(-1, placement.x.shape[1], -1, -1).clone()
    scale, cos, sin = (v[..., None] for v in (placement.scale, placement.roll.cos(), placement.roll.sin()))
    for x, y in ((X1, Y1), (X2, Y2)):
        right, up = seen[..., x] * scale, seen[..., y] * scale
        seen[..., x] = placement.x[..., None] + right * cos + up * sin
        seen[..., y] = placement.y[..., None] + right * sin - up * cos
    seen[..., list(LENGTHS)] *= scale[..., None]
    return seen
