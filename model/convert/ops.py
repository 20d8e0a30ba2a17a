"""The operations a convertible network is made of, and the kind each is treated as.

Layers with weights and pools are torch's own modules. What has no module there stands here. All of them take
and return tensors with the batch first and, but for `Route`, the channels second.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Kind: TypeAlias = Literal["affine", "activation", "max_pool", "average_pool", "add", "route", "decode"]
"""What an operation is to a conversion:

- affine: weights and a bias, whose synapses a spike crosses;
- activation: where neurons go;
- max_pool, average_pool, add: no weights, but they gather several spikes into one value;
- route: moves values (concat, upsample, flatten, slices), each by itself;
- decode: softmax or sigmoid after the last layer, for ordinary arithmetic on what is read out.
"""


class Activation(nn.Module):
    """ReLU and its kin: slope * x below zero, x above, and at most `cap`.

    Attributes:
        slope: 0 for ReLU and ReLU6, that of a leaky ReLU otherwise.
        cap: 6 for ReLU6, None for no upper bound; a tensor (C, 1, 1) where channels are scaled.
    """

    def __init__(self, slope: float = 0.0, cap: float | Tensor | None = None) -> None:
        super().__init__()
        self.slope, self.cap = slope, cap

    def forward(self, x: Tensor) -> Tensor:
        y = F.leaky_relu(x, self.slope) if self.slope else F.relu(x)
        return y if self.cap is None else y.clamp(max=self.cap)

    def extra_repr(self) -> str:
        return f"slope={self.slope}, cap={self.cap}"


class Add(nn.Module):
    """Sum of its inputs, which have one shape."""

    def forward(self, *inputs: Tensor) -> Tensor:
        total = inputs[0]
        for x in inputs[1:]:
            total = total + x
        return total


class Scale(nn.Module):
    """weight * x + bias, each one number or one a channel: a norm that no layer before it takes in."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)

    def forward(self, x: Tensor) -> Tensor:
        return by_channel(self.weight, x.dim()) * x + by_channel(self.bias, x.dim())


class Mean(nn.Module):
    """Mean over axes other than the batch."""

    def __init__(self, dims: tuple[int, ...], keepdim: bool) -> None:
        super().__init__()
        self.dims, self.keepdim = dims, keepdim

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(self.dims, self.keepdim)


class Route(nn.Module):
    """A function that moves values and computes nothing: every output is one of the inputs, or zero."""

    def __init__(self, function: Callable[..., Tensor], name: str) -> None:
        super().__init__()
        self.function, self.name = function, name

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.function(*inputs)

    def extra_repr(self) -> str:
        return self.name


class RandomSoftmax(nn.Module):
    """Softmax over the classes, in whose place neurons go that spike at random."""

    def forward(self, x: Tensor) -> Tensor:
        return x.softmax(1)


class Decode(nn.Module):
    """A function for what is read out in the end, such as softmax."""

    def __init__(self, function: Callable[[Tensor], Tensor], name: str) -> None:
        super().__init__()
        self.function, self.name = function, name

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)

    def extra_repr(self) -> str:
        return self.name


CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
PARAMETRIC = (*CONVOLUTIONS, *TRANSPOSED, nn.Linear)
ADAPTIVE_MAX_POOLS = (nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d)
MAX_POOLS = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, *ADAPTIVE_MAX_POOLS)
ADAPTIVE_AVERAGE_POOLS = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)
AVERAGE_POOLS = (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d, *ADAPTIVE_AVERAGE_POOLS, Mean)

_KINDS: tuple[tuple[Kind, tuple[type[nn.Module], ...]], ...] = (
    ("affine", (*PARAMETRIC, Scale)),
    ("activation", (Activation, RandomSoftmax)),
    ("max_pool", MAX_POOLS),
    ("average_pool", AVERAGE_POOLS),
    ("add", (Add,)),
    ("route", (Route,)),
    ("decode", (Decode,)),
)


def kind_of(op: nn.Module) -> Kind:
    """What an operation is to a conversion.

    Raises:
        TypeError: it is none of those that `model.convert.trace` makes.
    """
    for kind, types in _KINDS:
        if isinstance(op, types):
            return kind
    raise TypeError(f"{type(op).__name__} is no operation of a traced network")


def by_channel(values: Tensor, dims: int) -> Tensor:
    """One number, or one a channel, as a tensor that broadcasts over `dims` axes with the channels second."""
    return values if values.dim() == 0 else values.view(-1, *(1,) * (dims - 2))


def concat(dim: int) -> Route:
    """Concatenation along `dim`."""

    def function(*inputs: Tensor) -> Tensor:
        return torch.cat(inputs, dim)

    return Route(function, f"concat({dim})")


def reshape(shape: tuple[int, ...]) -> Route:
    """Every row of the batch in another shape."""

    def function(x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], *shape)

    return Route(function, f"reshape{shape}")


def called(name: str, target: Any, *args: Any, **kwargs: Any) -> Callable[[Tensor], Tensor]:
    """`target(x, *args, **kwargs)` as a function of x; `target` may name a method of x."""

    def function(x: Tensor) -> Tensor:
        result: Tensor = (
            getattr(x, target)(*args, **kwargs) if isinstance(target, str) else target(x, *args, **kwargs)
        )
        return result

    function.__name__ = name
    return function
