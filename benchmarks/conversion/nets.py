"""The networks that conversions are measured on, and how they are trained."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Pool = Literal["average", "max"]
BATCH = 64


def vgg(channels: int, widths: tuple[int, ...], size: int, pool: Pool, classes: int = 10) -> nn.Sequential:
    """Stages of twice convolution, norm and ReLU, then a pool; one linear layer in the end."""
    layers: list[nn.Module] = []
    for width in widths:
        for _ in range(2):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
            channels = width
        layers.append(nn.AvgPool2d(2) if pool == "average" else nn.MaxPool2d(2))
    side = size // 2 ** len(widths)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * side * side, classes))


def train(
    net: nn.Module, x: Tensor, labels: Tensor, epochs: int, rate: float, *, mirrored: bool = False
) -> None:
    """Stochastic gradient descent in one cycle; leaves the network in evaluation mode.

    Args:
        net: to be trained, in place.
        x: images. Shape: (N, C, H, W).
        labels: (N,).
        epochs: over all images.
        rate: the highest of the cycle.
        mirrored: whether half of the images, by chance, are shown the other way round.
    """
    batches = -(-len(x) // BATCH)
    optimizer = torch.optim.SGD(net.parameters(), rate, momentum=0.9, weight_decay=5e-4, nesterov=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=epochs * batches)
    net.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(BATCH):
            images = x[rows]
            if mirrored:
                images = torch.where(torch.rand(len(images), 1, 1, 1) < 0.5, images.flip(3), images)
            optimizer.zero_grad()
            F.cross_entropy(net(images), labels[rows]).backward()
            optimizer.step()
            schedule.step()
    net.eval()
