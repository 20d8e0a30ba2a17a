"""Moving average of weights: steadier than the weights it follows."""

from __future__ import annotations

import copy
import math
from typing import TypeVar

import torch
from torch import Tensor, nn

Net = TypeVar("Net", bound=nn.Module)


class WeightAverage:
    """Exponential moving average of a network's parameters and buffers.

    The decay grows from 0 to `decay` over about `warmup` updates, so that the random start is soon forgotten.
    """

    def __init__(self, network: nn.Module, decay: float = 0.999, warmup: float = 300.0) -> None:
        self.decay = decay
        self.warmup = warmup
        self.updates = 0
        self.values: dict[str, Tensor] = {
            name: value.detach().clone() for name, value in network.state_dict().items()
        }

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Move towards the network's values; integer buffers are copied."""
        self.updates += 1
        follow = 1 - self.decay * (1 - math.exp(-self.updates / self.warmup))
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                self.values[name].lerp_(value.detach(), follow)
            else:
                self.values[name].copy_(value)

    def network(self, like: Net) -> Net:
        """A copy of `like` that holds the averaged values, in evaluation mode."""
        averaged = copy.deepcopy(like)
        averaged.load_state_dict(self.values)
        return averaged.eval()
