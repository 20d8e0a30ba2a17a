"""What a lens does to pictures: it bends straight lines, darkens corners and blurs what is out of focus.

Bending follows the division model of Fitzgibbon (CVPR 2001): what is seen at p from the middle would be at
p / (1 - k |p|^2) without the lens, lengths in half diagonals; k above 0 is a barrel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from streaming.simulate.batching import cuts
from streaming.simulate.noise import Dice, Range
from streaming.simulate.parts import PERIOD_U, PERIOD_V, R1, R2, RING, ROUGH, X1, X2, Y1, Y2

FARTHEST = 1.6
"""Square of the distance, in half diagonals, from which on bending grows no further."""
MOST_DETAIL = 0.4
"""Log intensity beyond which detail is an edge, which needs no help."""
LENGTHS = (R1, R2, RING, ROUGH, PERIOD_U, PERIOD_V)


@dataclass(frozen=True)
class LensSettings:
    """Ranges from which each scene's lens is drawn.

    Attributes:
        bend: k above; half of the lenses are straight.
        vignette: how much darker a corner is than the middle.
        softness_px: width of an edge, rendered px.
        blur_chance, blur_px: of a backdrop out of focus, deviation in rendered px.
        crispness: how much of the finest detail, which enlarging takes away, a lens in focus gives back.
    """

    bend: Range = (-0.06, 0.16)
    vignette: Range = (0.0, 0.5)
    softness_px: Range = (0.6, 1.6)
    blur_chance: float = 0.15
    blur_px: Range = (0.4, 1.6)
    crispness: Range = (0.5, 2.0)


@dataclass(frozen=True)
class Lens:
    """The lenses of B scenes; (B,) each.

    Attributes:
        bend: k of the model. vignette: share of light that corners lose.
        softness_px: width of an edge. blur_px: deviation of the backdrop's blur.
        crispness: strength of the finest detail; 0 out of focus.
    """

    bend: Tensor
    vignette: Tensor
    softness_px: Tensor
    blur_px: Tensor
    crispness: Tensor


def draw_lens(dice: Dice, settings: LensSettings, scenes: int) -> Lens:
    blur = dice.log_uniform(scenes, *settings.blur_px) * dice.chance(scenes, settings.blur_chance)
    return Lens(
        dice.uniform(scenes, *settings.bend) * dice.chance(scenes, 0.5),
        dice.uniform(scenes, *settings.vignette),
        dice.log_uniform(scenes, *settings.softness_px) + blur,
        blur,
        dice.uniform(scenes, *settings.crispness) * (blur == 0),
    )


def half_diagonal(width: int, height: int) -> float:
    return math.hypot(width, height) / 2


def straighten(x: Tensor, y: Tensor, bend: Tensor) -> tuple[Tensor, Tensor]:
    """Where (x, y) half diagonals from the middle would be seen without the lens; `bend` broadcasts."""
    scale = 1 / (1 - bend * (x * x + y * y).clamp_max(FARTHEST))
    return x * scale, y * scale


def bent_scale(x: Tensor, y: Tensor, bend: Tensor) -> Tensor:
    """How much nearer to the middle the lens moves what is at (x, y) half diagonals: undoes `straighten`."""
    square = x * x + y * y
    # |p| (1 + k |q|^2 s^2 ...) solved for s = |p| / |q|: s = 1 - k |q|^2 s^2.
    scale = 2 / (1 + (1 + 4 * bend * square).clamp_min(0).sqrt())
    far = scale * scale * square > FARTHEST
    return torch.where(far, 1 - bend * FARTHEST, scale)


def bend_parts(parts: Tensor, bend: Tensor, width: int, height: int) -> Tensor:
    """Parts (N, K, M, FIELDS) in px of a straight picture as the lenses `bend` (N,) show them."""
    reach, middle = half_diagonal(width, height), (width / 2, height / 2)
    bent, scales = parts.clone(), []
    for column, row in ((X1, Y1), (X2, Y2)):
        x, y = parts[..., column] - middle[0], parts[..., row] - middle[1]
        scale = bent_scale(x / reach, y / reach, bend[:, None, None])
        bent[..., column], bent[..., row] = x * scale + middle[0], y * scale + middle[1]
        scales.append(scale)
    bent[..., list(LENGTHS)] *= ((scales[0] + scales[1]) / 2)[..., None]
    return bent


def vignette(lens: Lens, height: int, width: int) -> Tensor:
    """(B, height, width) share of the light that arrives."""
    device = lens.vignette.device
    x = (torch.arange(width, device=device) + 0.5 - width / 2) / half_diagonal(width, height)
    y = (torch.arange(height, device=device)[:, None] + 0.5 - height / 2) / half_diagonal(width, height)
    return 1 - lens.vignette[:, None, None] * (x * x + y * y)


def blur(pictures: Tensor, deviation_px: Tensor) -> Tensor:
    """Pictures (B, H, W), each blurred by its own Gaussian (B,); deviation 0 leaves one as it is."""
    radius = int(3 * float(deviation_px.max())) + 1 if len(deviation_px) else 1
    at = torch.arange(-radius, radius + 1, device=pictures.device)
    weight = torch.exp(-0.5 * (at / deviation_px.clamp_min(1e-3)[:, None]) ** 2)
    weight = weight / weight.sum(1, keepdim=True)
    seen = F.pad(pictures[None], (radius, radius, radius, radius), mode="replicate")
    across = F.conv2d(seen, weight[:, None, None, :], groups=len(pictures))
    return F.conv2d(across, weight[:, None, :, None], groups=len(pictures))[0]


def sharpen(log_intensity: Tensor, lens: Lens) -> None:
    """Strengthen the finest detail of pictures (B, K, h, w) in place."""
    for rows in cuts(len(log_intensity), log_intensity[0].numel(), log_intensity.device):
        part = log_intensity[rows]
        detail = part - _mean_of_nine(part)
        detail.clamp_(-MOST_DETAIL, MOST_DETAIL).mul_(lens.crispness[rows, None, None, None])
        part.add_(detail)


def _mean_of_nine(pictures: Tensor) -> Tensor:
    """Each pixel's mean with its eight neighbours, by slices: on a processor far faster than pooling."""
    framed = F.pad(pictures, (1, 1, 1, 1), mode="replicate")
    across = framed[..., :-2] + framed[..., 1:-1] + framed[..., 2:]
    return (across[..., :-2, :] + across[..., 1:-1, :] + across[..., 2:, :]).mul_(1 / 9)
