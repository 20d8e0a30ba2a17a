"""Networks and data that the tests of conversion share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F

Pool = Literal["average", "max"]
EPOCHS, BATCH, TEST = 10, 64, 500


@dataclass(frozen=True, slots=True, eq=False)
class Digits:
    """scikit-learn's digits, 8 x 8 in 0..1, float32 (n, 1, 8, 8) with labels; 500 of them are for testing."""

    train: Tensor
    train_labels: Tensor
    test: Tensor
    test_labels: Tensor

    @property
    def calibration(self) -> list[Tensor]:
        """Training digits in batches."""
        return list(self.train.split(128))

    def accuracy(self, outputs: Tensor) -> float:
        """Per cent of the test digits that are told right. Shape: outputs (500, 10)."""
        return 100 * (outputs.argmax(1) == self.test_labels).double().mean().item()


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


@lru_cache(maxsize=1)
def digits() -> Digits:
    images, labels = load_digits(return_X_y=True)
    x = torch.tensor(images, dtype=torch.float32).view(-1, 1, 8, 8) / 16
    y = torch.tensor(labels)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    test, train = order[:TEST], order[TEST:]
    return Digits(x[train], y[train], x[test], y[test])


@lru_cache(maxsize=4)
def digits_net(pool: Pool, seed: int = 0) -> nn.Sequential:
    """A network trained on digits in some seconds, the same every time; not to be changed."""
    data = digits()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = vgg(1, (16, 32), 8, pool)
        train(net, data.train, data.train_labels, EPOCHS, 0.1)
    return net


def train(net: nn.Module, x: Tensor, labels: Tensor, epochs: int, rate: float) -> None:
    """Stochastic gradient descent in one cycle; leaves the network in evaluation mode."""
    batches = -(-len(x) // BATCH)
    optimizer = torch.optim.SGD(net.parameters(), rate, momentum=0.9, weight_decay=5e-4, nesterov=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=epochs * batches)
    net.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(BATCH):
            optimizer.zero_grad()
            F.cross_entropy(net(x[rows]), labels[rows]).backward()
            optimizer.step()
            schedule.step()
    net.eval()
