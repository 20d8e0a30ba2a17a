"""Operation counts against the published network's, and energy against hand-made sums."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from model.energy import dense_macs, energy_mj, fan_out, operations, total
from model.layout import Layout, named_layout
from model.sites import Kernel, coverage, sites


def rates(layout: Layout, rate: float) -> dict[str, float]:
    return {site.name: rate for site in sites(layout, 320, 320).neurons}


@pytest.mark.parametrize(
    ("name", "dense_gmac", "real_gmac"),
    [("ems-res10", 7.315, 0.405), ("resnet18", 22.003, 3.580), ("resnet34-cat", 41.074, 3.580)],
)
def test_operation_counts_are_the_published_ones(name: str, dense_gmac: float, real_gmac: float) -> None:
    """At 320 x 320, two classes, T = 5, the head counted at each step as the published code runs it."""
    layout = named_layout(name, classes=2, in_channels=3)
    assert 5 * dense_macs(layout, 320, 320) / 1e9 == pytest.approx(dense_gmac, abs=5e-4)
    silent = total(operations(layout, 320, 320, rates(layout, 0.0), steps=5, readouts=5))
    assert silent.synops == 0
    assert silent.macs / 1e9 == pytest.approx(real_gmac, abs=5e-4)


def test_the_head_costs_one_readout_a_window() -> None:
    layout = named_layout("ems-res10", classes=2, in_channels=3)
    each, once = (
        total(operations(layout, 320, 320, rates(layout, 0.2), steps=5, readouts=n)).macs for n in (5, 1)
    )
    assert each - once == 4 * 21 * (20 * 20 * 256 + 10 * 10 * 512)


def test_spikes_are_counted_by_layer_and_add_up() -> None:
    layout = named_layout("ems-nano", classes=3)
    counts = operations(layout, 320, 320, rates(layout, 1.0) | {"rows.1.0.neuron1": 0.5}, steps=1)
    by_name = {count.name: count for count in counts}
    # 16 channels at 160 x 160 firing every second step, each spike reaching 16 outputs of a 1x1 kernel.
    assert by_name["rows.1.0.grow"].synops == 0.5 * 16 * 160 * 160 * 16
    assert by_name["rows.1.0.grow"].macs == 0
    assert total(counts).energy_mj == pytest.approx(sum(count.energy_mj for count in counts))
    # Every neuron firing still does less than the dense network: the padding costs nothing.
    busy = total(operations(layout, 320, 320, rates(layout, 1.0), steps=1))
    assert 0.9 < (busy.synops + busy.macs) / dense_macs(layout, 320, 320) < 1


def test_energy_is_the_sum_of_both_kinds() -> None:
    assert energy_mj(1e9, 1e9) == pytest.approx(0.9 + 4.6)
    assert energy_mj(np.array([1e9, 0.0]), np.array([0.0, 1e9])) == pytest.approx([0.9, 4.6])


@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [1, 2, 5, 8, 32])
def test_coverage_is_what_a_transposed_convolution_of_ones_gives(kernel: int, stride: int, size: int) -> None:
    ones = torch.ones(1, 1, size, dtype=torch.float64, requires_grad=True)
    y = F.conv1d(ones, torch.ones(1, 1, kernel, dtype=torch.float64), stride=stride, padding=kernel // 2)
    (reads,) = torch.autograd.grad(y.sum(), ones)
    assert list(coverage(size, kernel, stride)) == reads.flatten().tolist()


def test_fan_out_is_smaller_at_the_borders() -> None:
    found = fan_out(Kernel("conv", 2, 7, 3, 1, height=3, width=4))
    assert found.tolist() == [[28, 42, 42, 28], [42, 63, 63, 42], [28, 42, 42, 28]]
