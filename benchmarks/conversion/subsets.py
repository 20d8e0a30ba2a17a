"""Data sets and the networks trained on them: scikit-learn's digits, and parts of MNIST and CIFAR-10."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from sklearn.datasets import load_digits
from torch import Tensor, nn

from benchmarks.conversion.nets import Pool, train, vgg
from model.convert.fanout import dense_macs
from model.convert.trace import trace

Name = Literal["digits", "mnist", "cifar10"]
CALIBRATION_ROWS, CALIBRATION_BATCH = 2048, 128


@dataclass(frozen=True, slots=True)
class Subset:
    """How the network of a data set is made, and on how many images it is measured.

    Attributes:
        title: as pages have it.
        channels, size: of an image.
        widths: of the network's stages.
        epochs, rate, mirrored: of training, see `nets.train`.
        test: images to measure on, the first of the test images.
        pools: of the networks that are measured.
    """

    title: str
    channels: int
    size: int
    widths: tuple[int, ...]
    epochs: int
    test: int
    pools: tuple[Pool, ...] = ("average",)
    rate: float = 0.1
    mirrored: bool = False


SUBSETS: MappingProxyType[Name, Subset] = MappingProxyType(
    {
        "digits": Subset("scikit-learn digits", 1, 8, (16, 32), 10, 500, ("average", "max")),
        "mnist": Subset("MNIST", 1, 28, (8, 16, 32), 3, 300, ("average", "max")),
        # Not mirrored, 5,085 images make a network that is right on 65 of 100; mirrored, on 71.
        "cifar10": Subset("CIFAR-10 subset", 3, 32, (16, 32, 64), 14, 400, mirrored=True),
    }
)


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A trained network with its data, float32 in 0..1.

    Attributes:
        net: in evaluation mode.
        calibration: batches of training images.
        test: images to measure on. Shape: (N, C, H, W).
        labels: their classes, (N,).
        answers: the network's classes for them, (N,).
        macs: multiply-accumulates of the network for one image.
    """

    net: nn.Sequential
    calibration: list[Tensor]
    test: Tensor
    labels: Tensor
    answers: Tensor
    macs: int

    def accuracy(self, answers: Tensor) -> float:
        """Share of the images that are told right."""
        return float((answers == self.labels).double().mean())

    def agreement(self, answers: Tensor) -> float:
        """Share of the images that are told as the network tells them."""
        return float((answers == self.answers).double().mean())


def trained(name: Name, pool: Pool, data: Path, cache: Path) -> Trained:
    """The network of a data set, trained now or kept in `cache` since.

    Args:
        name: of the data set.
        pool: of the network.
        data: folder of mnist_sub.npz and cifar10_sub.npz.
        cache: folder to keep weights in.

    Raises:
        FileNotFoundError: the folder does not hold the data set.
    """
    subset = SUBSETS[name]
    x, labels, test, test_labels = _digits() if name == "digits" else _stored(data / f"{name}_sub.npz")
    kept = cache / f"{name}-{pool}.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = vgg(subset.channels, subset.widths, subset.size, pool)
        if kept.is_file():
            net.load_state_dict(load_file(kept))
        else:
            train(net, x, labels, subset.epochs, subset.rate, mirrored=subset.mirrored)
            save_file(net.state_dict(), kept)
    net.eval().requires_grad_(False)
    test, test_labels = test[: subset.test], test_labels[: subset.test]
    calibration = list(x[:CALIBRATION_ROWS].split(CALIBRATION_BATCH))
    macs = sum(dense_macs(trace(net, test[:1]), tuple(test.shape[1:])).values())
    return Trained(net, calibration, test, test_labels, net(test).argmax(1), macs)


def _digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    images, labels = load_digits(return_X_y=True)
    x, y = torch.tensor(images, dtype=torch.float32).view(-1, 1, 8, 8) / 16, torch.tensor(labels)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    test, rest = order[: SUBSETS["digits"].test], order[SUBSETS["digits"].test :]
    return x[rest], y[rest], x[test], y[test]


def _stored(file: Path) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    with np.load(file, allow_pickle=False) as arrays:
        x, test = (_images(arrays[key]) for key in ("x_train", "x_test"))
        labels, test_labels = (torch.from_numpy(arrays[key]).long() for key in ("y_train", "y_test"))
    return x, labels, test, test_labels


def _images(values: NDArray[np.uint8]) -> Tensor:
    x = torch.from_numpy(values).float() / 255
    return x.unsqueeze(1) if x.dim() == 3 else x
