"""`MaxGate`: a max pool over spikes, which needs a memory of who spiked most."""

from __future__ import annotations

import copy
from typing import Any, Literal, cast, get_args

import torch
from torch import Tensor, nn

from model.errors import BadSetting

MaxRule = Literal["count", "recent", "rise"]
RECENT = 0.9
"""Share that the moving average of rule "recent" keeps each step."""


class MaxGate(nn.Module):
    """Forwards in each window what the input sends that leads so far (Rueckauer 2017, section 2.2).

    The state holds one counter an input, zero at rest:

    - "count": the sum of what it sent; the leader's current value passes, as in the published tool. Each time
      the lead changes a little too much has passed: harmless where inputs are spikes of clear rates, but not
      where they are currents, whose lead changes all the time;
    - "recent": a moving average, which forgets; the leader's current value passes;
    - "rise": the sum; what passes is by how much the highest sum of the window rose, so that the sum of all
      that passed is exactly the highest sum, whoever led in between. For spikes of one amplitude, spikes.

    Of several leaders the first in the window passes.
    """

    def __init__(self, pool: nn.Module, rule: MaxRule) -> None:
        super().__init__()
        if rule not in get_args(MaxRule):
            raise BadSetting(f"max_pool is {rule!r}; it may be {', '.join(get_args(MaxRule))}")
        self.rule = rule
        self.pool = cast("nn.MaxPool2d", copy.deepcopy(pool))
        self.pool.return_indices = True
        wanted = {"kernel_size": (2, 2), "stride": (2, 2), "padding": (0, 0), "dilation": (1, 1)}
        two_axes = isinstance(pool, nn.MaxPool2d)
        self._halves = two_axes and all(_pair(getattr(pool, name)) == pair for name, pair in wanted.items())

    def step(self, value: Tensor, counter: Tensor, time: int = 0) -> tuple[Tensor, Tensor]:
        """What passes, (B, C, h, w), and the next counters. Shape: value and counter (B, C, H, W)."""
        if self.rule == "rise":
            after = counter + value
            return self._highest(after) - self._highest(counter), after
        after = RECENT * counter + value if self.rule == "recent" else counter + value
        _, leaders = self.pool(after)
        passed = torch.gather(value.flatten(2), 2, leaders.flatten(2))
        return passed.view(leaders.shape), after

    def _highest(self, x: Tensor) -> Tensor:
        """The maximum of each window, without its place."""
        if self._halves and x.shape[-1] % 2 == x.shape[-2] % 2 == 0:
            # By halves, rows and then columns, which takes a tenth of the time that torch's pool does.
            rows = torch.maximum(x[..., ::2, :], x[..., 1::2, :])
            return torch.maximum(rows[..., ::2], rows[..., 1::2])
        return cast(Tensor, self.pool(x)[0])


def _pair(value: Any) -> Any:
    return (value, value) if isinstance(value, int) else value
