"""Networks: sizes, window against steps, folding, counting, and the official names."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.errors import BadSetting, BadState
from model.layout import LAYOUTS, ann_twin, named_layout
from model.networks import Network, build
from model.official import official_keys, official_neurons
from model.sites import Site, sites

HEIGHT, WIDTH, STEPS = 64, 96, 5


def ready(name: str = "ems-nano", *, batch: int = 3, twin: bool = False) -> tuple[Network, Tensor]:
    """A float64 network in evaluation mode whose norms have seen the data, so that it fires; and the data."""
    torch.manual_seed(0)
    layout = named_layout(name, classes=3)
    network = build(ann_twin(layout) if twin else layout, height=HEIGHT, width=WIDTH).double()
    x = torch.poisson(torch.full((STEPS, batch, 2, HEIGHT, WIDTH), 0.2, dtype=torch.float64)).log1p()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
            nn.init.uniform_(module.bias, 0.0, 0.4)
    with torch.no_grad():
        network(x)
    return network.eval(), x


def run_steps(network: Network, x: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...], list[Tensor]]:
    """Raw maps, last membranes and activities of steps from rest."""
    membranes = network.initial_state(x.shape[1], HEIGHT, WIDTH, dtype=x.dtype)
    features, activities = [], []
    for now in x:
        levels, membranes, activity = network.step(now, membranes)
        features.append(levels)
        activities.append(activity)
    means = tuple(torch.stack(level).mean(0) for level in zip(*features, strict=True))
    return network.head(means), membranes, activities


def parameters(name: str, *, classes: int = 2, in_channels: int = 3) -> int:
    with torch.device("meta"):
        network = Network(named_layout(name, classes=classes, in_channels=in_channels))
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(
    ("name", "classes", "count"),
    [
        ("ems-res10", 2, 6_207_050),
        ("ems-res18", 2, 9_343_370),
        ("ems-res34", 2, 14_399_306),
        ("resnet10", 2, 17_381_482),
        ("resnet18", 2, 15_247_594),
        ("resnet34", 2, 33_847_274),
        ("resnet34-cat", 2, 25_268_842),
        ("ems-res10", 80, 6_387_230),
        ("ems-res18", 80, 9_523_550),
        ("resnet10", 80, 17_561_662),
        ("resnet18", 80, 15_427_774),
        ("resnet34", 80, 34_027_454),
        ("resnet34-cat", 80, 25_449_022),
    ],
)
def test_parameter_counts_are_the_published_ones(name: str, classes: int, count: int) -> None:
    assert parameters(name, classes=classes) == count


def test_the_nano_network_has_at_most_a_tenth_of_the_parameters() -> None:
    assert parameters("ems-nano", in_channels=2) <= parameters("ems-nano", in_channels=3) <= 620_705


@pytest.mark.parametrize(("height", "width"), [(64, 96), (32, 32), (192, 256)])
def test_maps_and_state_have_the_promised_shapes(height: int, width: int) -> None:
    network = build(named_layout("ems-nano", classes=3))
    maps = network(torch.zeros(2, 1, 2, height, width))
    assert [tuple(m.shape) for m in maps] == [
        (1, 3, height // 16, width // 16, 8),
        (1, 3, height // 32, width // 32, 8),
    ]
    membranes = network.initial_state(4, height, width)
    assert {m.shape[0] for m in membranes} == {4}
    assert not any(m.any() for m in membranes)
    with torch.inference_mode():
        features, after, activity = network.eval().step(torch.zeros(4, 2, height, width), membranes)
    assert [m.shape for m in after] == [m.shape for m in membranes]
    assert activity.shape == (4, len(membranes), 2)
    assert [f.shape[2:] for f in features] == [(height // 16, width // 16), (height // 32, width // 32)]


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_steps_as_it_runs_a_window(name: str) -> None:
    network, x = ready(name, batch=1)
    with torch.inference_mode():
        window, (stepped, _, activities) = network(x), run_steps(network, x)
    assert sum(float(a[..., 0].sum()) for a in activities) > 1000
    for a, b in zip(window, stepped, strict=True):
        assert torch.allclose(a, b, atol=1e-6)


def test_a_batch_equals_its_rows_alone() -> None:
    network, x = ready()
    with torch.inference_mode():
        maps, membranes, activities = run_steps(network, x)
        for row in range(x.shape[1]):
            alone, alone_membranes, alone_activities = run_steps(network, x[:, row : row + 1])
            for a, b in zip((*maps, *membranes), (*alone, *alone_membranes), strict=True):
                assert torch.allclose(a[row : row + 1], b, atol=1e-9)
            for a, b in zip(activities, alone_activities, strict=True):
                assert torch.equal(a[row : row + 1], b)


@pytest.mark.parametrize("name", ["ems-nano", "resnet34-cat"])
def test_folding_changes_nothing(name: str) -> None:
    network, x = ready(name, batch=1)
    fused = network.fused()
    assert not any(isinstance(m, nn.BatchNorm2d) for m in fused.modules())
    assert any(isinstance(m, nn.BatchNorm2d) for m in network.modules())
    with torch.inference_mode():
        before, after = run_steps(network, x), run_steps(fused, x)
    for a, b in zip(before[0], after[0], strict=True):
        assert torch.allclose(a, b, atol=1e-9)
    assert all(torch.equal(a, b) for a, b in zip(before[2], after[2], strict=True))


def brute_force(spikes: Tensor, site: Site) -> tuple[float, float]:
    """Spikes, and the outputs they reach: a convolution of ones over them, summed."""
    ones = (torch.ones(k.c_out, k.c_in, k.kernel, k.kernel, dtype=spikes.dtype) for k in site.targets)
    reached = (
        F.conv2d(spikes, weight, stride=kernel.stride, padding=kernel.kernel // 2).sum()
        for weight, kernel in zip(ones, site.targets, strict=True)
    )
    return float(spikes.sum()), float(sum(reached))


@pytest.mark.parametrize("name", ["ems-nano", "resnet18", "resnet10"])
def test_activity_counts_what_convolutions_of_ones_count(name: str) -> None:
    network, x = ready(name, batch=1)
    layers = {site.name: site for site in sites(network.layout, HEIGHT, WIDTH).neurons if site.spiking}
    inputs: dict[str, Tensor] = {}
    for name_, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            kernel = name_.removesuffix(".conv")
            module.register_forward_hook(lambda _, args, __, kernel=kernel: inputs.update({kernel: args[0]}))
    with torch.inference_mode():
        _, _, activity = network.step(x[0], network.initial_state(1, HEIGHT, WIDTH, dtype=x.dtype))
    expected = [brute_force(inputs[site.targets[0].name], site) for site in layers.values()]
    assert activity[0].tolist() == [list(pair) for pair in expected]
    # Every convolution that a spike reaches is some layer's target, and it sees nothing but spikes.
    driven = {kernel.name for site in layers.values() for kernel in site.targets}
    for kernel_name, seen in inputs.items():
        assert (kernel_name in driven) == bool(((seen == 0) | (seen == 1)).all())


def test_training_reaches_every_parameter() -> None:
    torch.manual_seed(0)
    network = build(named_layout("ems-nano", classes=3), height=HEIGHT, width=WIDTH)
    x = torch.poisson(torch.full((STEPS, 2, 2, HEIGHT, WIDTH), 0.3)).log1p()
    torch.autograd.backward([m.square().sum() for m in network(x)])
    silent = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []


def test_the_twin_has_no_state_and_runs_one_step() -> None:
    network, x = ready(twin=True)
    assert network.initial_state(3, HEIGHT, WIDTH) == ()
    with torch.inference_mode():
        features, after, activity = network.step(x[0], ())
        window, maps = network(x[:1]), network.head(features)
    assert after == ()
    assert activity.shape == (3, 0, 2)
    for a, b in zip(window, maps, strict=True):
        assert torch.allclose(a, b)


def test_the_head_starts_from_its_priors() -> None:
    network = build(named_layout("ems-nano", classes=3), height=192, width=256)
    channels = network.nodes[-1].in_channels
    maps = network.head(tuple(torch.zeros(1, c, 1, 1) for c in channels))
    default_spread = 1 / math.sqrt(min(channels))
    for raw, stride in zip(maps, network.layout.strides, strict=True):
        cells = 192 * 256 / stride**2
        assert raw[..., 4].sub(math.log(8 / cells)).abs().max() <= default_spread
        assert raw[..., 5:].sub(math.log(0.6 / 2)).abs().max() <= default_spread


@pytest.mark.parametrize(("height", "width"), [(190, 256), (192, 250), (0, 256), (-32, 32)])
def test_a_grid_that_does_not_fit_is_refused(height: int, width: int) -> None:
    with pytest.raises(BadSetting, match="multiples of 32"):
        build(named_layout("ems-nano", classes=3)).initial_state(1, height, width)


def test_membranes_of_another_grid_are_refused() -> None:
    network = build(named_layout("ems-nano", classes=3))
    with pytest.raises(BadState, match="initial_state"):
        network.step(torch.zeros(1, 2, 64, 64), network.initial_state(1, 64, 96))


@pytest.mark.parametrize("name", LAYOUTS)
def test_official_names_are_one_to_one(name: str) -> None:
    with torch.device("meta"):
        network = Network(named_layout(name, classes=2))
    keys = official_keys(network)
    assert list(keys) == list(network.state_dict())
    assert len(set(keys.values())) == len(keys)
    layers = [site.name for site in sites(network.layout, 64, 64).neurons]
    official = [o for layer in official_neurons(network.layout, layers).values() for o in layer]
    assert len(set(official)) == len(official)


def test_official_names_read_as_the_published_ones() -> None:
    with torch.device("meta"):
        keys = official_keys(Network(named_layout("ems-res10", classes=2)))
    # 155 tensors with the anchors, which our layout holds.
    assert len(keys) == 154
    assert keys["rows.0.0.conv.norm.running_var"] == "model.0.bn.bn.running_var"
    assert keys["rows.1.0.grow.conv.weight"] == "model.1.shortcut.1.weight"
    assert keys["rows.5.0.conv2.norm.weight"] == "model.5.residual_function.5.bn.weight"
    assert keys["detect.convs.1.bias"] == "model.11.m.1.bias"
