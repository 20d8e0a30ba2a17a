"""The blocks of the published networks (EMS-YOLO, arXiv 2307.11411, figure 3), time folded into the batch.

Everything is LIF -> convolution -> tdBN. tdBN, normalisation over time and batch, is `BatchNorm2d` here,
for time is part of the batch axis. The sums that leave a block are membrane currents: no neuron follows them.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.layout import Layout
from model.neurons import LIF, Fire, Neuron, ReLU, SiluRecurrence
from model.sites import WIDE_HIDDEN

# alpha * threshold with alpha 1, and 0.2 for the last norm of a residual branch (section 4.2 of the paper).
GAMMA, GAMMA_RESIDUAL = 0.5, 0.1


def neuron(layout: Layout) -> Neuron:
    """One layer of the layout's neurons."""
    return LIF(layout.neuron) if layout.activation == "lif" else ReLU()


class ConvNorm(nn.Module):
    """Convolution without bias, then tdBN; after `fuse` one convolution with bias."""

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int, gamma: float = GAMMA) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, bias=False)
        norm = nn.BatchNorm2d(c_out, eps=1e-5, momentum=0.1)
        nn.init.constant_(norm.weight, gamma)
        self.norm: nn.BatchNorm2d | nn.Identity = norm

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm(self.conv(x))
        return y

    @torch.no_grad()
    def fuse(self) -> None:
        """Fold the norm's running statistics into the convolution; a second call changes nothing."""
        norm, old = self.norm, self.conv
        if isinstance(norm, nn.Identity):
            return
        mean, variance = cast(Tensor, norm.running_mean).double(), cast(Tensor, norm.running_var).double()
        scale = norm.weight.double() * torch.rsqrt(variance + norm.eps)
        kernel, stride = old.kernel_size[0], old.stride[0]
        new = nn.Conv2d(old.in_channels, old.out_channels, kernel, stride, kernel // 2).to(old.weight)
        new.weight.copy_(old.weight.double() * scale.view(-1, 1, 1, 1))
        cast(Tensor, new.bias).copy_(norm.bias.double() - mean * scale)
        self.conv, self.norm = new, nn.Identity()


class Stem(nn.Module):
    """`Conv_1`, `Conv_2`: the real-valued input to membrane currents."""

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv = ConvNorm(c_in, c_out, kernel, stride)

    def forward(self, x: Tensor, fire: Fire) -> Tensor:
        y: Tensor = self.conv(x)
        return y


class ConvSilu(nn.Module):
    """`Conv`: convolution, tdBN and the real-valued SiLU recurrence; not spiking."""

    def __init__(self, layout: Layout, c_in: int, c_out: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv = ConvNorm(c_in, c_out, kernel, stride)
        self.neuron = SiluRecurrence(layout.neuron.leak) if layout.activation == "lif" else ReLU()

    def forward(self, x: Tensor, fire: Fire) -> Tensor:
        return fire(self.neuron, self.conv(x))


class Residual(nn.Module):
    """Base of the blocks: neuron - conv - neuron - conv beside a shortcut.

    The first neurons' output is handed to `shortcut` as well: where a shortcut's own neurons would read the
    same input they would fire the same, so one layer of neurons serves both.
    """

    def __init__(
        self, layout: Layout, c_in: int, c_hidden: int, c_out: int, kernel: int, stride: int
    ) -> None:
        super().__init__()
        self.neuron1 = neuron(layout)
        self.conv1 = ConvNorm(c_in, c_hidden, kernel, stride)
        self.neuron2 = neuron(layout)
        self.conv2 = ConvNorm(c_hidden, c_out, kernel, 1, GAMMA_RESIDUAL)
        self.stride, self.pooling = stride, layout.pooling

    def forward(self, x: Tensor, fire: Fire) -> Tensor:
        spikes = fire(self.neuron1, x)
        residual: Tensor = self.conv2(fire(self.neuron2, self.conv1(spikes)))
        return residual + self.shortcut(x, spikes, fire)

    def shortcut(self, x: Tensor, spikes: Tensor, fire: Fire) -> Tensor:
        raise NotImplementedError

    def pool(self, x: Tensor) -> Tensor:
        """Maximum, or mean, over stride x stride windows of membrane currents."""
        if self.stride == 1:
            return x
        return (F.max_pool2d if self.pooling == "max" else F.avg_pool2d)(x, self.stride, self.stride)


class MembraneBlock(Residual):
    """`BasicBlock_ms`: bottleneck; the shortcut is the identity or a pooled, real-valued 1x1 convolution."""

    def __init__(self, layout: Layout, c_in: int, c_out: int, kernel: int, stride: int) -> None:
        super().__init__(layout, c_in, c_out // 2, c_out, kernel, stride)
        same = c_in == c_out and stride == 1
        self.project = None if same else ConvNorm(c_in, c_out, 1, 1)

    def shortcut(self, x: Tensor, spikes: Tensor, fire: Fire) -> Tensor:
        if self.project is None:
            return x
        y: Tensor = self.project(self.pool(x))
        return y


class SpikingBlock(Residual):
    """`BasicBlock_2`: no bottleneck; the shortcut is the identity or a pooled, spiking 1x1 convolution."""

    def __init__(
        self, layout: Layout, c_in: int, c_out: int, kernel: int, stride: int, hidden: int = 0
    ) -> None:
        super().__init__(layout, c_in, hidden or c_out, c_out, kernel, stride)
        same = c_in == c_out and stride == 1
        self.project = None if same else ConvNorm(c_in, c_out, 1, 1)
        self.neuron3 = None if same or stride == 1 else neuron(layout)

    def shortcut(self, x: Tensor, spikes: Tensor, fire: Fire) -> Tensor:
        if self.project is None:
            return x
        pooled = spikes if self.neuron3 is None else fire(self.neuron3, self.pool(x))
        y: Tensor = self.project(pooled)
        return y


class BottleneckBlock(SpikingBlock):
    """`BasicBlock_lcb`: as `BasicBlock_ms` with a spiking shortcut; ours."""

    def __init__(self, layout: Layout, c_in: int, c_out: int, kernel: int, stride: int) -> None:
        super().__init__(layout, c_in, c_out, kernel, stride, c_out // 2)


class WideBlock(SpikingBlock):
    """`BasicBlock_1`: as `BasicBlock_2`, always 3x3, with 1024 hidden channels."""

    def __init__(self, layout: Layout, c_in: int, c_out: int, kernel: int, stride: int) -> None:
        super().__init__(layout, c_in, c_out, 3, stride, WIDE_HIDDEN)


class ConcatBlock(Residual):
    """`Concat_res2`: the shortcut puts a spiking 1x1 convolution's channels before the input and pools."""

    def __init__(
        self, layout: Layout, c_in: int, c_out: int, kernel: int, stride: int, hidden: int = 0
    ) -> None:
        super().__init__(layout, c_in, hidden or c_out, c_out, kernel, stride)
        self.grow = ConvNorm(c_in, c_out - c_in, 1, 1)

    def shortcut(self, x: Tensor, spikes: Tensor, fire: Fire) -> Tensor:
        # Pooling channel by channel commutes with the concatenation and spares one copy at full size.
        return torch.cat((self.pool(self.grow(spikes)), self.pool(x)), dim=1)


class ConcatMembraneBlock(ConcatBlock):
    """`ConcatBlock_ms`: as `Concat_res2` with a bottleneck."""

    def __init__(self, layout: Layout, c_in: int, c_out: int, kernel: int, stride: int) -> None:
        super().__init__(layout, c_in, c_out, kernel, stride, c_out // 2)
