"""What every engine takes and gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from model.card import Card
from model.errors import BadCounts, BadSetting
from model.sites import sites
from model.state import State

MAX_BATCH = 1_024


@dataclass(frozen=True, slots=True, eq=False)
class Activity:
    """What the neurons did, per row of the batch.

    Attributes:
        rate: (B, L) float32, share of each layer's neurons that fired, a step (of a converted network a
            simulation step); a layer that does not spike has 0.
        synops: (B,) float64, synaptic operations the spikes caused, all steps together.
        macs: (B,) float64, multiply-accumulates of convolutions with real-valued input, all steps together;
            the head counts once, as it runs once on the average.
        steps: how many steps the figures cover.
    """

    rate: NDArray[np.float32]
    synops: NDArray[np.float64]
    macs: NDArray[np.float64]
    steps: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class StepOutput:
    """What a step or a window gives.

    Attributes:
        maps: per level (B, A, ny, nx, 5 + K) float32, the head on its inputs averaged over each row's steps
            since its reset.
        state: to hand to the next step; the state that went in is left as it was.
        activity: of this step, or of the whole window.
    """

    maps: tuple[NDArray[np.float32], ...]
    state: State
    activity: Activity


class Engine(Protocol):
    """Runs one network on one grid; holds weights and never a state.

    `counts` are uint16 (B, C, H, W) for a step and (B, T, C, H, W) for a window from the zero state, C = 2
    (OFF, ON), or 3 for a card whose encoding is "frame". Encoding happens inside.
    Both raise BadCounts for another shape or type, `step` also BadState for a state of another network, grid
    or batch.
    """

    name: str
    device: str

    def initial_state(self, batch: int) -> State: ...

    def step(self, counts: NDArray[np.uint16], state: State) -> StepOutput: ...

    def window(self, counts: NDArray[np.uint16]) -> StepOutput: ...


def check_counts(counts: NDArray[Any], card: Card, batch: int | None, *, window: bool) -> None:
    """Refuse counts that are not this card's.

    Raises:
        BadCounts: the type is not uint16, the shape is not (B, C, H, W), or (B, T, C, H, W) for a window, or
            the batch is not that of the state.
    """
    width, height = card.grid
    cell = (card.count_channels, height, width)
    shape = counts.shape
    fits = len(shape) == 4 + window and shape[-3:] == cell and shape[0] > 0 and (not window or shape[1] > 0)
    if counts.dtype != np.uint16 or not fits:
        wanted = f"(B, T, {cell[0]}, {height}, {width})" if window else f"(B, {cell[0]}, {height}, {width})"
        raise BadCounts(f"counts are {shape} {counts.dtype}; {card.name} takes {wanted} uint16")
    if batch is not None and shape[0] != batch:
        raise BadCounts(f"counts have {shape[0]} rows, the state {batch}; give one state row a stream")


def check_batch(batch: int) -> None:
    """Raises BadSetting: a batch that is not 1..MAX_BATCH rows."""
    if not 1 <= batch <= MAX_BATCH:
        raise BadSetting(f"batch is {batch}; allowed are 1..{MAX_BATCH} rows")


class Meter:
    """Turns what a network counts into `Activity`."""

    def __init__(self, card: Card) -> None:
        width, height = card.grid
        found = sites(card.network_layout(), height, width)
        self._neurons = np.array([site.neurons for site in found.neurons if site.spiking], np.float32)
        self._ticks = card.ticks
        self._step_macs, self._head_macs = found.real_macs(card.ticks)

    def activity(self, raw: NDArray[np.float32], steps: int) -> Activity:
        """From (B, L, 2) spikes and synaptic operations of `steps` steps together.

        One layer more than the network has neurons for are the events of the input.
        """
        macs = np.full(len(raw), float(self._step_macs * steps + self._head_macs))
        synops = raw[..., 1].sum(axis=1, dtype=np.float64)
        spikes = raw[:, : len(self._neurons), 0]
        return Activity(spikes / (self._neurons * np.float32(steps * self._ticks)), synops, macs, steps)
