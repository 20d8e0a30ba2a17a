"""The blocks: shapes, the order of channels, folding, and which neurons are shared."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.blocks import (
    GAMMA,
    GAMMA_RESIDUAL,
    ConcatBlock,
    ConvNorm,
    MembraneBlock,
    SpikingBlock,
    WideBlock,
)
from model.layout import named_layout
from model.neurons import Neuron

LAYOUT = named_layout("ems-nano", classes=3)


def fire_once(neuron: Neuron, current: Tensor) -> Tensor:
    return neuron.window(current, 1)


def random_input(channels: int) -> Tensor:
    return torch.randn(2, channels, 8, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def neurons_of(block: nn.Module) -> list[str]:
    return [name for name, module in block.named_modules() if isinstance(module, Neuron)]


@pytest.mark.parametrize("block", [MembraneBlock, SpikingBlock, WideBlock, ConcatBlock])
@pytest.mark.parametrize(("stride", "size"), [(1, (8, 12)), (2, (4, 6))])
def test_blocks_change_channels_and_size(
    block: type[MembraneBlock], stride: int, size: tuple[int, int]
) -> None:
    y = block(LAYOUT, 6, 10, 3, stride).double()(random_input(6), fire_once)
    assert y.shape == (2, 10, *size)


def test_a_sum_leaves_the_block_with_no_neuron_behind_it() -> None:
    block = MembraneBlock(LAYOUT, 6, 6, 3, 1).double().eval()
    nn.init.zeros_(block.conv2.conv.weight)
    x = random_input(6)
    assert torch.equal(block(x, fire_once), x)


def test_a_growing_block_puts_new_channels_before_its_pooled_input() -> None:
    block = ConcatBlock(LAYOUT, 6, 10, 3, 2).double().eval()
    nn.init.zeros_(block.conv2.conv.weight)
    x = random_input(6)
    y = block(x, fire_once)
    grown = block.grow(fire_once(block.neuron1, x))
    assert torch.equal(y[:, 4:], F.max_pool2d(x, 2))
    assert torch.equal(y, F.max_pool2d(torch.cat((grown, x), dim=1), 2))


def test_a_shortcut_of_average_pools_is_linear() -> None:
    block = ConcatBlock(replace(LAYOUT, pooling="average"), 6, 10, 3, 2).double().eval()
    x, other = random_input(6), random_input(6).flip(0)
    assert torch.equal(block(x, fire_once)[:, 4:], F.avg_pool2d(x, 2) + block.conv2(hidden(block, x))[:, 4:])
    torch.testing.assert_close(block.pool(x + other), block.pool(x) + block.pool(other))


def hidden(block: ConcatBlock, x: Tensor) -> Tensor:
    return fire_once(block.neuron2, block.conv1(fire_once(block.neuron1, x)))


def test_shortcut_neurons_are_shared_only_where_they_read_the_same() -> None:
    assert neurons_of(ConcatBlock(LAYOUT, 6, 10, 3, 2)) == ["neuron1", "neuron2"]
    assert neurons_of(SpikingBlock(LAYOUT, 6, 10, 3, 1)) == ["neuron1", "neuron2"]
    # Pooled first: its own currents, its own neurons.
    assert neurons_of(SpikingBlock(LAYOUT, 6, 10, 3, 2)) == ["neuron1", "neuron2", "neuron3"]


def test_a_membrane_blocks_shortcut_is_real_valued() -> None:
    block = MembraneBlock(LAYOUT, 6, 10, 3, 2).double().eval()
    nn.init.zeros_(block.conv2.conv.weight)
    assert block.project is not None
    x = random_input(6)
    assert torch.equal(block(x, fire_once), block.project(F.max_pool2d(x, 2)))


def test_norms_start_from_the_papers_gains() -> None:
    block = SpikingBlock(LAYOUT, 6, 10, 3, 2)
    gains = {
        name: float(m.weight.detach()[0])
        for name, m in block.named_modules()
        if isinstance(m, nn.BatchNorm2d)
    }
    assert gains == pytest.approx({"conv1.norm": GAMMA, "conv2.norm": GAMMA_RESIDUAL, "project.norm": GAMMA})


def test_folding_keeps_the_result_and_can_be_repeated() -> None:
    layer = ConvNorm(4, 7, 3, 2).double()
    for _ in range(3):
        layer(random_input(4))
    layer.eval()
    before = layer(random_input(4))
    layer.fuse()
    layer.fuse()
    assert isinstance(layer.norm, nn.Identity)
    assert torch.allclose(layer(random_input(4)), before, atol=1e-13)
