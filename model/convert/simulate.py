"""`simulate`: a converted network over T steps, read at several T in one run."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from model.convert.activity import Activity, Meter
from model.convert.graph import INPUT
from model.convert.inputs import Analog, InputCode
from model.convert.network import SpikingNetwork
from model.errors import BadSetting
from model.state import State


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What a network said after some steps, and what they cost.

    Attributes:
        outputs: as the ANN returns them, always as a tuple.
        activity: of all steps up to here; None where it was not asked for.
    """

    outputs: tuple[Tensor, ...]
    activity: Activity | None

    @property
    def cost(self) -> Activity:
        """The activity. Raises BadSetting: it was not counted."""
        if self.activity is None:
            raise BadSetting("activity was not counted; simulate with count=True")
        return self.activity


@dataclass(frozen=True, slots=True, eq=False)
class Simulation:
    """A simulation.

    Attributes:
        readings: by T, in steps of this simulation.
        state: after the last step.
    """

    readings: Mapping[int, Reading]
    state: State

    @property
    def last(self) -> Reading:
        """What was read after the last step."""
        return self.readings[max(self.readings)]


@torch.no_grad()
def simulate(
    network: SpikingNetwork,
    x: Tensor,
    steps: int,
    *,
    read_at: Collection[int] = (),
    code: InputCode | None = None,
    state: State | None = None,
    count: bool = True,
) -> Simulation:
    """Run `steps` steps.

    Args:
        network: converted.
        x: a batch of inputs as the ANN takes them, (B, ...); as the code takes them where that is another
            shape.
        steps: T, at least 1.
        read_at: read after so many steps too, each 1..steps; always read after the last one.
        code: how the input comes in; `Analog` unless given.
        state: to go on from; the state at rest unless given. The read-out is the mean since that.
        count: whether to count activity, which takes some time.

    Raises:
        BadSetting: `steps` is below 1, or one of `read_at` outside 1..steps.
        BadCalibration: inputs are not of the network's shape.
        BadState: the state is of another network, shape or batch.
    """
    wanted = {*read_at, steps}
    if steps < 1 or not all(1 <= t <= steps for t in wanted):
        raise BadSetting(f"steps is {steps}, read at {sorted(wanted)}; give at least 1, and read at 1..steps")
    code = code or Analog()
    first = code.at(x, 0)
    sample = tuple(first.shape[1:])
    state = state or network.initial_state(len(first), sample)
    meter = Meter(network, sample, code) if count else None
    readings: dict[int, Reading] = {}
    for time, known in enumerate(_shown(network, x, steps, code, int(state.steps.max(initial=0))), 1):
        if meter is not None and INPUT in known:
            meter(INPUT, known[INPUT])
        state = network.step(known, state, meter)
        if time in wanted:
            readings[time] = Reading(network.readout(state), meter.activity(time) if meter else None)
    return Simulation(readings, state)


@torch.no_grad()
def mean_values(
    network: SpikingNetwork, x: Tensor, steps: int, names: Collection[str], *, code: InputCode | None = None
) -> dict[str, Tensor]:
    """Mean over `steps` steps from rest of what nodes give, (B, ...) by name; only what leads to them is run.

    This is what calibration compares with `Graph.run`, the ANN.

    Raises:
        BadSetting: `steps` is below 1.
        BadCalibration: inputs are not of the network's shape.
    """
    if steps < 1:
        raise BadSetting(f"steps is {steps}; give at least 1")
    code = code or Analog()
    first = code.at(x, 0)
    membranes = network.initial_state(len(first), tuple(first.shape[1:])).membranes
    totals: dict[str, Tensor] = {}
    for time, known in enumerate(_shown(network, x, steps, code)):
        values, membranes = network.advance(known, membranes, time, names)
        totals = {name: totals[name] + values[name] if time else values[name] for name in names}
    return {name: total / steps for name, total in totals.items()}


def _shown(
    network: SpikingNetwork, x: Tensor, steps: int, code: InputCode, start: int = 0
) -> Iterator[dict[str, Tensor]]:
    """What is known of the input in each step."""
    if code.flow == "static":
        known = network.constants(code.at(x, start))
        for _ in range(steps):
            yield known
    else:
        for time in range(start, start + steps):
            yield {INPUT: code.at(x, time)}
