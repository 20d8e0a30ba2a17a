"""Networks and data that the tests of conversion share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.conversion.nets import Pool, train, vgg

EPOCHS, TEST = 10, 500


def conv(a: int, b: int, stride: int = 1, *, groups: int = 1, norm: bool = True) -> nn.Sequential:
    """A 3x3 convolution with a norm."""
    layer = nn.Conv2d(a, b, 3, stride, 1, groups=groups, bias=not norm)
    return nn.Sequential(layer, nn.BatchNorm2d(b)) if norm else nn.Sequential(layer)


class Residual(nn.Module):
    """Two convolutions beside the input, or beside a strided 1x1 convolution of it; ReLU behind the sum."""

    def __init__(self, a: int, b: int, stride: int = 1) -> None:
        super().__init__()
        self.first, self.second, self.relu = conv(a, b, stride), conv(b, b), nn.ReLU()
        same = a == b and stride == 1
        self.beside = nn.Identity() if same else nn.Sequential(nn.Conv2d(a, b, 1, stride), nn.BatchNorm2d(b))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.relu(self.second(self.relu(self.first(x))) + self.beside(x))
        return y


class PreActivation(nn.Module):
    """Norm and ReLU before each convolution; nothing behind the sum."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm, self.act, self.first, self.second = (
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            conv(channels, channels),
            conv(channels, channels, norm=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.second(F.relu(self.first(self.act(self.norm(x))))) + x
        return y


class Branches(nn.Module):
    """Paths of different ranges joined channel by channel, as an Inception block does."""

    def __init__(self, channels: int, pool: nn.Module) -> None:
        super().__init__()
        self.wide, self.narrow = conv(channels, 4), conv(channels, 3, 2)
        self.pool, self.up = pool, nn.Upsample(scale_factor=2)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat(
            (F.relu(self.wide(x)), self.up(F.relu(10 * self.narrow(x))), self.up(self.pool(x))), dim=1
        )


class Pyramid(nn.Module):
    """Two maps as outputs, whose channels become answers per anchor, as a detector has."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.down = nn.Sequential(conv(2, 6), nn.ReLU()), nn.Sequential(conv(6, 8, 2), nn.ReLU())
        self.heads = nn.ModuleList([nn.Conv2d(14, 6, 1), nn.Conv2d(8, 6, 1)])

    def forward(self, x: Tensor) -> list[Tensor]:
        fine = self.stem(x)
        coarse = self.down(fine)
        fine = torch.cat((fine, F.interpolate(coarse, scale_factor=2.0)), 1)
        maps = (head(level) for head, level in zip(self.heads, (fine, coarse), strict=True))
        return [m.unflatten(1, (2, 3)).permute(0, 1, 3, 4, 2) for m in maps]


TOPOLOGIES: dict[str, Callable[[], nn.Module]] = {
    "plain": lambda: vgg(2, (4, 6), 8, "average"),
    "max pool": lambda: vgg(2, (4, 6), 8, "max"),
    "residual": lambda: nn.Sequential(
        conv(2, 4),
        nn.ReLU(),
        Residual(4, 4),
        Residual(4, 6, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 5),
    ),
    "pre-activation": lambda: nn.Sequential(
        conv(2, 4), PreActivation(4), PreActivation(4), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 3, 1)
    ),
    "concat": lambda: nn.Sequential(
        conv(2, 4),
        nn.ReLU(),
        Branches(4, nn.AvgPool2d(2)),
        conv(11, 4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(256, 3),
    ),
    "concat, then linear": lambda: nn.Sequential(
        conv(2, 4),
        nn.ReLU(),
        Branches(4, nn.MaxPool2d(2)),
        nn.Flatten(),
        nn.Linear(704, 6),
        nn.ReLU(),
        nn.Linear(6, 3),
    ),
    "depthwise and transposed": lambda: nn.Sequential(
        conv(2, 4),
        nn.ReLU(),
        conv(4, 8, 2, groups=4),
        nn.ReLU6(),
        nn.ConvTranspose2d(8, 6, 4, 2, 1, groups=2, bias=False),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.ConvTranspose2d(6, 2, 3, 2),
    ),
    "leaky": lambda: nn.Sequential(
        conv(2, 4),
        nn.LeakyReLU(0.1),
        nn.AvgPool2d(3, 2, 1),
        conv(4, 6),
        nn.LeakyReLU(0.1),
        nn.Conv2d(6, 3, 1),
    ),
    "several outputs": Pyramid,
}
"""Small networks of every shape that a conversion must take; inputs are (B, 2, 8, 8)."""


def made(topology: str, seed: int = 0) -> tuple[nn.Module, Tensor]:
    """A float64 network of random weights whose norms have seen the data, and 24 inputs."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net, x = TOPOLOGIES[topology]().double(), torch.rand(24, 2, 8, 8, dtype=torch.float64)
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 1.0
                nn.init.uniform_(module.weight, 0.5, 2)
                nn.init.uniform_(module.bias, -0.5, 0.5)
        with torch.no_grad():
            net.train()(x)
    return net.eval(), x


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
