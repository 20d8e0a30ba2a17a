"""The detection head: one 1x1 convolution a level on the membrane currents averaged over time."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn

from model.layout import Layout

EXPECTED_OBJECTS = 8.0
EXPECTED_CLASS_SCORE = 0.6


class Head(nn.Module):
    """Raw maps from head inputs.

    The published head convolves every step and averages; a convolution commutes with the mean, so the mean
    comes first and one convolution serves the window.
    """

    def __init__(self, layout: Layout, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.layout = layout
        self.outputs = 5 + layout.classes
        self.convs = nn.ModuleList(
            nn.Conv2d(c, len(anchors) * self.outputs, 1)
            for c, anchors in zip(channels, layout.anchors, strict=True)
        )

    def forward(self, features: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Mean head inputs, per level (B, C, ny, nx), to raw maps (B, A, ny, nx, 5 + classes)."""
        maps = (conv(x) for conv, x in zip(self.convs, features, strict=True))
        return tuple(m.unflatten(1, (-1, self.outputs)).permute(0, 1, 3, 4, 2) for m in maps)

    @torch.no_grad()
    def start_bias(self, height: int, width: int) -> None:
        """Start the biases from eight objects in an image of `height` x `width` px and 0.6 over the classes.

        Every anchor of a level expects eight, and so does a level that has none, whose cells answer once.
        The published prior assumes 640 x 640 px whatever the image is; here it is the image's own size.
        """
        class_prior = math.log(EXPECTED_CLASS_SCORE / (self.layout.classes - 0.999999))
        for conv, stride in zip(self.convs, self.layout.strides, strict=True):
            bias = cast(Tensor, conv.bias).view(-1, self.outputs)
            bias[:, 4] += math.log(EXPECTED_OBJECTS * stride * stride / (height * width))
            bias[:, 5:] += class_prior
