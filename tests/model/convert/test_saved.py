"""Converted detectors on disk: everything comes back, and what is broken is refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from model.card import load_card
from model.convert.calibration import Calibration
from model.convert.network import SpikingSettings
from model.convert.saved import load_converted, save_converted
from model.errors import BadWeights
from tests.model.convert.twins import converted, windows

METHOD = Calibration(steps=6, potential=True, rows=4, spiking=SpikingSettings(max_pool="rise"))


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One calibrated: with shifts, and an initial potential of every neuron's own."""
    detector, card = converted(6, METHOD)
    return save_converted(tmp_path_factory.mktemp("kept"), detector, card).card


@pytest.fixture
def copy(kept: Path, tmp_path: Path) -> Path:
    for path in kept.parent.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path / kept.name


def test_thresholds_potentials_and_shifts_come_back(kept: Path) -> None:
    detector, card = converted(6, METHOD)
    again = load_converted(kept)
    assert load_card(kept) == card
    for name, neuron in detector.network.neurons.items():
        for part in ("threshold", "initial", "extra"):
            assert torch.equal(getattr(neuron, part), getattr(again.network.neurons[name], part))
    x = windows(4, 2)
    membranes = detector.initial_state(2, *x.shape[-2:])
    assert all(map(torch.equal, detector.step(x, membranes)[0], again.step(x, membranes)[0]))


def changed(path: Path, change: Callable[[dict[str, Tensor]], None]) -> None:
    weights = path.with_suffix(".safetensors")
    tensors = load_file(weights)
    change(tensors)
    save_file(tensors, weights)


def put(name: str, value: Tensor) -> Callable[[dict[str, Tensor]], None]:
    return lambda tensors: tensors.update({name: value})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("rows.1.0.neuron1.threshold"), r"missing \['rows.1.0.neuron1.threshold'\]"),
        (put("rows.9.0.neuron1.threshold", torch.ones(())), r"unexpected \['rows.9.0.neuron1.threshold'\]"),
        (put("rows.1.0.neuron1.threshold", torch.zeros(())), "not above 0"),
        (put("rows.1.0.neuron1.threshold", torch.full((), torch.nan)), "not a finite number"),
        (put("rows.1.0.neuron1.initial", torch.zeros(3, 1, 1)), r"has shape \(3, 1, 1\), its neurons \(8,"),
        (put("rows.1.0.neuron1.extra", torch.zeros(1, 8, 32, 48)), r"has shape \(1, 8, 32, 48\)"),
        (lambda t: t.pop("detect.convs.0.weight"), "missing detect.convs.0.weight"),
        (put("detect.convs.0.weight", torch.zeros(2, 2)), "detect.convs.0.weight has shape"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(
    copy: Path, change: Callable[[dict[str, Tensor]], None], message: str
) -> None:
    changed(copy, change)
    with pytest.raises(BadWeights, match=message):
        load_converted(copy)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, r"conversion.steps is 0; allowed: a multiple of the card's 1 steps, 1..4096"),
        ({"steps": "64"}, "conversion.steps is '64', which has the wrong type"),
        ({"steps": True}, "conversion.steps is True"),
        ({"input": "poisson"}, "conversion.input is 'poisson'"),
        ({"method": None}, "conversion.method is None"),
        ({"more": 1}, r"unknown fields \['more'\]"),
        ({"spiking": {"reset": "never"}}, "reset is 'never'"),
        ({"spiking": {"colour": "red"}}, "conversion.spiking is"),
        ({"spiking": {"readout": "spikes"}}, "readout 'membrane'"),
        ({"spiking": {"average_pool": "spiking"}}, "average_pool 'analog'"),
    ],
)
def test_bad_conversions_in_a_card_are_refused(copy: Path, changes: dict[str, Any], message: str) -> None:
    card = json.loads(copy.read_text())
    card["conversion"] |= changes
    copy.write_text(json.dumps(card))
    with pytest.raises(BadWeights, match=message):
        load_converted(copy)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"conversion": {}}, "'if' and a conversion go together"),
        ({"mode": "rolling"}, "mode of a converted network is 'rolling'"),
        ({"steps": 4}, "conversion.steps is 6; allowed: a multiple of the card's 4"),
        ({"steps": 2}, "conversion.input is 'analog' with 2 steps"),
    ],
)
def test_cards_that_contradict_themselves_are_refused(
    copy: Path, changes: dict[str, Any], message: str
) -> None:
    copy.write_text(json.dumps(json.loads(copy.read_text()) | changes))
    with pytest.raises(BadWeights, match=message):
        load_card(copy).network_layout()


def test_events_need_counts_that_add_up(copy: Path) -> None:
    card = json.loads(copy.read_text())
    card["conversion"]["input"] = "events"
    copy.write_text(json.dumps(card | {"encoding": "log1p"}))
    with pytest.raises(BadWeights, match="events with the encoding 'log1p'"):
        load_card(copy)
