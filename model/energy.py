"""Operations of a network and the energy they would take on neuromorphic hardware.

A spike costs one accumulation (AC) for each output it reaches, a real-valued input one multiply-accumulate
(MAC) for each. E = E_AC * AC + E_MAC * MAC, with the 45 nm, 32 bit figures that the field quotes (Horowitz,
ISSCC 2014; EMS-YOLO, arXiv 2307.11411). It counts arithmetic alone: memory and leakage
are not in it, and it says nothing about the machine that simulates the network.

Torch-free.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from model.layout import Layout, ann_twin
from model.sites import Kernel, coverage, sites

AC_PJ = 0.9
MAC_PJ = 4.6
PJ_PER_MJ = 1e9

Count = TypeVar("Count", float, NDArray[np.float64])


@dataclass(frozen=True, slots=True)
class OperationCount:
    """Operations of one convolution, or of several together.

    Attributes:
        name: of the convolution's module; "total" for a sum.
        synops: accumulations caused by spikes.
        macs: multiply-accumulates of real-valued inputs.
    """

    name: str
    synops: float
    macs: float

    @property
    def energy_mj(self) -> float:
        """Millijoule at 0.9 pJ an AC and 4.6 pJ a MAC."""
        return energy_mj(self.synops, self.macs)


def energy_mj(synops: Count, macs: Count) -> Count:
    """Millijoule of so many accumulations and multiply-accumulates; numbers or arrays of one shape."""
    return (AC_PJ * synops + MAC_PJ * macs) / PJ_PER_MJ


def operations(
    layout: Layout,
    height: int,
    width: int,
    firing_rates: Mapping[str, float],
    *,
    steps: int,
    readouts: int = 1,
) -> tuple[OperationCount, ...]:
    """Operations of each convolution in `steps` steps, from the firing rate of each layer of neurons.

    Rates are spikes per neuron and step, by the layer's name, taken as even over the layer (`Network.step`
    counts exactly). The head runs `readouts` times: its input is averaged first.

    Raises:
        BadLayout: the layout cannot be built.
        BadSetting: height or width is not a positive multiple of 32.
        KeyError: a layer of neurons has no rate.
    """
    return tuple(
        _count(kernel, firing_rates, readouts if kernel.name.startswith("detect.") else steps)
        for kernel in sites(layout, height, width).kernels
    )


def total(counts: tuple[OperationCount, ...]) -> OperationCount:
    """All counts together."""
    return OperationCount("total", sum(c.synops for c in counts), sum(c.macs for c in counts))


def dense_macs(layout: Layout, height: int, width: int) -> int:
    """Multiply-accumulates of one pass of the conventional twin, head included."""
    return sum(kernel.macs for kernel in sites(ann_twin(layout), height, width).kernels)


def fan_out(kernel: Kernel) -> NDArray[np.int64]:
    """Outputs that one spike at each input pixel reaches. Shape: (height, width)."""
    rows = np.array(coverage(kernel.height, kernel.kernel, kernel.stride), np.int64)
    cols = np.array(coverage(kernel.width, kernel.kernel, kernel.stride), np.int64)
    return kernel.c_out * np.outer(rows, cols)


def _count(kernel: Kernel, firing_rates: Mapping[str, float], runs: int) -> OperationCount:
    if not kernel.driver:
        return OperationCount(kernel.name, 0.0, float(runs * kernel.macs))
    every = kernel.c_in * int(fan_out(kernel).sum())
    return OperationCount(kernel.name, runs * firing_rates[kernel.driver] * every, 0.0)
