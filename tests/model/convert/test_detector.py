"""Converted twins as detectors: what a step is, in both engines, and what it costs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from model.card import Card, find, load_card
from model.convert.activity import Activity
from model.convert.calibration import Calibration
from model.convert.detecting import WindowSettings
from model.convert.detector import SpikingDetector
from model.convert.ecc import ECC
from model.convert.gates import MaxGate
from model.convert.method import Method
from model.convert.network import SpikingNetwork, SpikingSettings
from model.convert.rueckauer import Rueckauer
from model.convert.saved import save_converted
from model.convert.simulate import simulate
from model.convert.thresholds import ThresholdSettings
from model.convert.trace import trace
from model.convert.twin import Twin
from model.detector import Detector, EngineName
from model.engines.cache import graph_path, keep
from model.engines.export import export
from model.errors import BadLayout, BadSetting, BadWeights, ExportFailed, NotConvertible
from model.networks import Network
from model.sites import sites
from model.weights import load, load_runnable
from tests.model.convert.twins import EXACT, converted, twin, twin_card, twin_yaml, windows
from tests.model.tiny import random_counts, tiny_card, write_tiny

RISE = SpikingSettings(max_pool="rise")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The card of a converted twin of 6 simulation steps, whose graph is in the cache already."""
    detector, card = converted(6)
    path = save_converted(tmp_path_factory.mktemp("converted"), detector, card).card
    keep(export(load_runnable(path), card), graph_path(card, find(path), "step"))
    return path


def loaded(path: Path, engine: EngineName = "torch") -> Detector:
    return Detector.load(path, engine=engine)


def maps_of(detector: SpikingDetector, x: torch.Tensor) -> torch.Tensor:
    """All raw maps of one step from rest, flat."""
    membranes = detector.initial_state(len(x), *x.shape[-2:])
    features, _, _ = detector.step(x, membranes)
    return torch.cat([level.flatten(1) for level in detector.head(features)], 1)


def test_a_step_is_t_simulation_steps_with_the_same_input(saved: Path) -> None:
    detector, counts = loaded(saved), random_counts(3, 2, 1)[:, 0]
    given = detector.step(counts, detector.initial_state(2))
    network = load_runnable(saved)
    assert isinstance(network, SpikingDetector)
    expected = simulate(network.network, torch.from_numpy(counts).float().clamp(max=4), 6).last
    for ours, theirs in zip(given.maps, expected.outputs, strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), atol=2e-5)


def test_both_engines_give_the_same(saved: Path) -> None:
    counts = random_counts(5, 3, 2)
    for run in (lambda d: d.window(counts), lambda d: d.step(counts[:, 0], d.initial_state(3))):
        ours, theirs = run(loaded(saved, "onnx")), run(loaded(saved))
        for a, b in zip(ours.maps, theirs.maps, strict=True):
            np.testing.assert_allclose(a, b, atol=2e-4)
        np.testing.assert_allclose(ours.activity.synops, theirs.activity.synops, rtol=1e-3)
        np.testing.assert_allclose(ours.activity.rate, theirs.activity.rate, atol=1e-3)
        np.testing.assert_array_equal(ours.activity.macs, theirs.activity.macs)
        np.testing.assert_array_equal(ours.state.steps, theirs.state.steps)


@pytest.mark.parametrize("engine", ["torch", "onnx"])
def test_steps_go_on_from_a_kept_state_and_rows_do_not_meet(saved: Path, engine: EngineName) -> None:
    detector, counts = loaded(saved, engine), random_counts(7, 2, 2)
    whole = detector.window(counts)
    state = detector.step(counts[:, 0], detector.initial_state(2)).state
    again = detector.step(counts[1:, 1], detector.restore_state(_row(detector, state, 1)))
    for ours, theirs in zip(again.maps, whole.maps, strict=True):
        np.testing.assert_allclose(ours, theirs[1:], atol=2e-4)
    assert whole.state.steps.tolist() == [2, 2]


def _row(detector: Detector, state: object, row: int) -> bytes:
    from model.state import State, select

    assert isinstance(state, State)
    return detector.save_state(select(state, [row]))


@pytest.mark.parametrize("input_", ["events", "real"])
def test_cost_is_that_of_the_simulation(input_: str) -> None:
    """Spikes and their synapses alike; the input is charged once, as events where it counts events."""
    card = twin_card(layout=twin_yaml() | {"input": input_})
    detector, new = converted(5, card=card)
    x = windows(9, 2, card)
    _, _, counted = detector.step(x, detector.initial_state(2, *x.shape[-2:]))
    cost: Activity = simulate(detector.network, x, 5).last.cost
    found = sites(detector.layout, x.shape[-2], x.shape[-1])
    layers = len(found.neurons)
    np.testing.assert_allclose(counted[:, :layers, 0].sum(1), cost.total_spikes, rtol=1e-5)
    np.testing.assert_allclose(counted[:, :layers, 1].sum(1), cost.total_synops, rtol=1e-5)
    step, head = found.real_macs(new.ticks)
    if input_ == "events":
        # Each event reaches 16 channels at most 4 places of the 3 x 3 stem with stride 2.
        events = x.sum((1, 2, 3))
        assert (counted[:, layers, 0] == events).all()
        assert (counted[:, layers, 1] <= 4 * 8 * events).all()
        stem = cost.macs["rows.0.0.conv.conv"]
        assert step + head == cost.total_macs - stem
    else:
        assert counted.shape[1] == layers
        assert step + head == cost.total_macs


def test_real_valued_shortcuts_multiply_in_every_simulation_step() -> None:
    rows = [list(row) for row in twin_yaml()["head"]]
    rows[0] = [-1, 1, "BasicBlock_ms", rows[0][3]]
    detector, new = converted(5, card=twin_card(layout=twin_yaml() | {"head": rows}))
    cost = simulate(detector.network, windows(9, 1), 5).last.cost
    step, head = sites(detector.layout, 64, 96).real_macs(new.ticks)
    assert cost.macs["rows.5.0.project.conv"] > 0
    assert step + head == cost.total_macs - cost.macs["rows.0.0.conv.conv"]


@pytest.mark.parametrize(
    "method",
    [
        EXACT,
        ECC(channel_wise=True, spiking=RISE),
        Calibration(threshold=ThresholdSettings(channel_wise=True), potential=True, rows=4, spiking=RISE),
    ],
    ids=["rueckauer", "ecc", "calibration"],
)
def test_answers_come_to_the_anns_with_t_by_every_method(method: Method) -> None:
    card, x = twin_card(), windows(1, 2)
    ann = torch.cat([level.flatten(1) for level in Twin(twin(card))(x)], 1).detach()

    def error(steps: int) -> float:
        chosen = replace(method, steps=steps) if isinstance(method, Calibration) else method
        detector, _ = converted(steps, chosen)
        return float((maps_of(detector, x) - ann).norm() / ann.norm())

    short, long = error(8), error(128)
    assert long < 0.5 * short
    assert long < 0.1


def test_average_pools_of_currents_need_no_gate_and_keep_spikes_apart() -> None:
    card = twin_card(layout=twin_yaml() | {"pooling": "average"})
    x = windows(1, 2, card)
    ann = torch.cat([level.flatten(1) for level in Twin(twin(card))(x)], 1).detach()
    detector, _ = converted(128, card=card)
    assert not any(isinstance(unit, MaxGate) for unit in detector.network.units)
    assert float((maps_of(detector, x) - ann).norm() / ann.norm()) < 0.1


def test_the_head_reads_numbers_of_any_sign_and_size() -> None:
    """V(T) / T: with a bias far outside what spikes could say."""
    card = twin_card()
    detector, _ = converted(8)
    for level in range(2):
        bias = detector.network.graph.node(f"detect.convs.{level}").op.bias
        assert isinstance(bias, torch.nn.Parameter)
        bias.data += torch.linspace(-1000, 1000, len(bias))
    maps = maps_of(detector, windows(2, 1, card))
    assert maps.min() < -900
    assert maps.max() > 900


def test_parts_of_a_window_come_in_one_after_the_other() -> None:
    detector, card = converted(40, input="events", parts=5)
    assert (card.steps, card.step_us, card.ticks) == (5, 8_000, 8)
    same = windows(3, 2).clamp(max=1).expand(5, -1, -1, -1, -1)
    features, _, activity = detector.window(same)
    whole, _ = converted(40)
    once, _, counted = whole.step(same.sum(0), whole.initial_state(2, 64, 96))
    for ours, theirs in zip(features, once, strict=True):
        torch.testing.assert_close(ours / 5, theirs, atol=1e-4, rtol=1e-4)
    # Of five equal parts each, five times as strong, is as the sum of all. Every event comes in once.
    torch.testing.assert_close(activity, counted)


def test_more_parts_make_earlier_steps(tmp_path: Path) -> None:
    """After each part there is an answer, and the last one costs T / N simulation steps."""
    detector, card = converted(10, input="events", parts=5)
    run = loaded(save_converted(tmp_path, detector, card).card)
    counts = random_counts(2, 1, 5)
    state = run.initial_state()
    for t in range(5):
        out = run.step(counts[:, t], state)
        state = out.state
    whole = run.window(counts)
    for a, b in zip(out.maps, whole.maps, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "steps is 0; give 1..4096"),
        ({"steps": 5000}, "steps is 5000"),
        ({"steps": 10, "input": "events", "parts": 3}, "parts is 3; give a divisor of the 10"),
        ({"steps": 10, "parts": 5}, "parts is 5 with analog input"),
    ],
)
def test_settings_that_cannot_be_run_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(BadSetting, match=message):
        WindowSettings(**settings)


def test_what_is_no_twin_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotConvertible, match="spike already"):
        converted(card=twin_card(layout=tiny_card().layout))
    with pytest.raises(NotConvertible, match="windows of 5 steps"):
        converted(card=twin_card(steps=5))
    spiking = load(write_tiny(tmp_path))
    with pytest.raises(NotConvertible, match="spike already"):
        trace(Twin(spiking), torch.zeros(1, 2, 64, 96))


def test_outputs_that_fire_and_other_layouts_are_refused() -> None:
    network = SpikingNetwork(trace(torch.nn.Sequential(torch.nn.Conv2d(2, 3, 1)), torch.zeros(1, 2, 4, 4)))
    layout = twin_card().network_layout()
    with pytest.raises(NotConvertible, match="has no 'detect"):
        SpikingDetector(layout, network, 4)
    with pytest.raises(BadSetting, match="ticks is 0"):
        SpikingDetector(layout, network, 0)


def test_a_layout_of_a_converted_twin_builds_no_network(saved: Path) -> None:
    card = load_card(saved)
    with pytest.raises(BadLayout, match="converted twin"):
        Network(card.network_layout())
    with pytest.raises(BadWeights, match="was converted from an ANN"):
        load(saved)
    with pytest.raises(ExportFailed, match="6 simulation steps"):
        export(load_runnable(saved), card, "window")


def test_scaled_weights_are_not_saved(tmp_path: Path) -> None:
    detector, card = converted(4, Rueckauer(form="weights", spiking=RISE))
    with pytest.raises(NotConvertible, match="form='thresholds'"):
        save_converted(tmp_path, detector, card)
    assert list(tmp_path.iterdir()) == []


def test_the_card_says_how(saved: Path) -> None:
    card: Card = load_card(saved)
    assert card.conversion["method"] == "rueckauer"
    assert card.conversion["settings"]["percentile"] == 100
    assert card.conversion["spiking"]["max_pool"] == "rise"
    assert card.conversion["calibration"] == {"data": "random", "windows": 8}
    assert (card.ticks, card.steps, card.threshold) == (6, 1, twin_card().threshold)
