"""What every conversion checks first, and what it makes of poor calibration data."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from model.convert.graph import INPUT
from model.convert.method import check_calibration, convert
from model.convert.rueckauer import Rueckauer
from model.convert.simulate import simulate
from model.convert.trace import trace
from model.errors import BadCalibration, BadWeights, NotConvertible
from tests.model.convert.nets import made


def with_nan(x: Tensor) -> Tensor:
    return x.index_fill(0, torch.tensor([1]), float("nan"))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda x: [], "no calibration data"),
        (lambda x: [x[:0]], "no batch"),
        (lambda x: [x[0, 0, 0]], "no batch"),
        (lambda x: [x, x[:0]], "batch 1 is"),
        (lambda x: [x, x[:, :1]], "batch 1 is"),
        (lambda x: [x, x[..., :4]], "batch 1 is"),
        (lambda x: [x[:, :1]], "does not take inputs"),
        (lambda x: [x.float()], "does not take inputs"),
        (lambda x: [x, x.float()], "float32, the weights torch.float64"),
        (lambda x: [x, with_nan(x)], "batch 1 holds NaN"),
    ],
)
@pytest.mark.parametrize("channel_wise", [False, True])
def test_calibration_data_that_cannot_be_used_is_refused(change, what: str, channel_wise: bool) -> None:  # type: ignore[no-untyped-def]
    net, x = made("plain")
    with pytest.raises(BadCalibration, match=what):
        convert(net, change(x), Rueckauer(channel_wise=channel_wise))


def test_a_graph_is_checked_against_data_of_its_own_shape() -> None:
    net, x = made("plain")
    with pytest.raises(BadCalibration, match=r"\(2, 12, 12\).*do not fit"):
        check_calibration(trace(net, x), [torch.rand(2, 2, 12, 12, dtype=torch.float64)])


@pytest.mark.parametrize("channel_wise", [False, True])
@pytest.mark.parametrize("form", ["thresholds", "weights"])
def test_a_single_sample_calibrates(channel_wise: bool, form: str) -> None:
    """Right for that sample: nothing of it is above the range that was measured on it."""
    net, x = made("residual")
    method = Rueckauer(100, channel_wise=channel_wise, initial=0.5, form=form)  # type: ignore[arg-type]
    network = convert(net, [x[:1]], method)
    outputs = simulate(network, x[:1], 400, count=False).last.outputs[0]
    assert float((outputs - net(x[:1])).detach().norm()) < 0.05 * float(net(x[:1]).detach().norm())


@pytest.mark.parametrize("form", ["thresholds", "weights"])
@pytest.mark.parametrize("percentile", [99.9, 100])
def test_dead_channels_do_no_harm(form: str, percentile: float) -> None:
    """One channel dead in calibration and one layer of them; an input that wakes it up does not explode."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Conv2d(4, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 3)]
    net = nn.Sequential(*layers).double().requires_grad_(False)
    net[0].bias[1] = -2.0
    net[2].weight.abs_().neg_()
    net[2].bias.fill_(-0.01)
    x = torch.rand(9, 2, 8, 8, dtype=torch.float64)
    method = Rueckauer(percentile, channel_wise=True, initial=0.5, form=form)  # type: ignore[arg-type]
    network = convert(net, [x], method)
    graph = trace(net, x)
    assert not graph.run({INPUT: x}, ["3"])["3"].any()
    assert all(bool(torch.isfinite(p).all()) for p in network.state_dict().values())
    torch.testing.assert_close(simulate(network, x, 20).last.outputs[0], net(x))
    awake = simulate(network, 5 * x, 20).last.cost.spikes["1"]
    assert 0 < awake.min() <= awake.max() <= 20 * 4 * 36


def test_constant_inputs_calibrate() -> None:
    net, x = made("plain")
    network = convert(net, [torch.zeros_like(x)], Rueckauer())
    assert all(bool((unit.threshold > 0).all()) for unit in network.neurons.values())


def test_what_is_wrong_with_the_network_is_said_first() -> None:
    x = torch.rand(3, 2, 8, 8)
    with pytest.raises(NotConvertible, match="'1' is a SiLU"):
        convert(nn.Sequential(nn.Conv2d(2, 3, 3), nn.SiLU()), [x], Rueckauer())
    norm = nn.BatchNorm2d(3, track_running_stats=False)
    with pytest.raises(NotConvertible, match="'1' is a BatchNorm2d without running statistics"):
        convert(nn.Sequential(nn.Conv2d(2, 3, 3), norm), [x], Rueckauer())
    broken = nn.Conv2d(2, 3, 3)
    nn.init.constant_(broken.bias, float("inf"))
    with pytest.raises(BadWeights, match=r"'0\.bias'"):
        convert(nn.Sequential(broken, nn.ReLU()), [x], Rueckauer())


def test_progress_is_told_to_the_end() -> None:
    net, x = made("plain")
    told: list[tuple[str, float]] = []
    convert(net, [x[:9], x[9:]], Rueckauer(), progress=lambda what, share: told.append((what, share)))
    assert told == [("measuring activations", 0.5), ("measuring activations", 1.0)]
