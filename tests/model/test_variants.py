"""Every choice of a recipe, from layout to card to what is served: both engines, steps and windows agree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from model.card import Card, Encoding, find, load_card
from model.encodings import encode
from model.engines.base import Engine
from model.engines.onnx import OnnxEngine
from model.engines.torch import TorchEngine
from model.layout import Layout, ann_twin, layout_from_yaml, layout_to_yaml, spiking_shortcuts
from model.networks import Network
from model.neuron_settings import NeuronSettings
from model.neurons import LIF
from model.weights import load, save
from tests.model.tiny import GRID, STEPS, keep_step_graph, random_network, safe_counts, tiny_card, tiny_yaml

Change = Callable[[Layout], Layout]


def neuron(**changes: Any) -> Change:
    return lambda layout: replace(layout, neuron=NeuronSettings(**changes))


VARIANTS: dict[str, tuple[Encoding, Change]] = {
    "counts": ("counts", lambda layout: replace(layout, input="events")),
    "spiking shortcuts": ("log1p", spiking_shortcuts),
    "learned": ("log1p", neuron(learned="both")),
    "soft reset": ("log1p", neuron(reset="soft")),
    "integer spikes": ("log1p", neuron(reset="soft", levels=4)),
    "average pools": ("log1p", lambda layout: replace(layout, pooling="average")),
    "late readout": ("log1p", lambda layout: replace(layout, readout_decay=0.5)),
}


def everything(layout: Layout) -> Layout:
    """All choices at once that go together."""
    spiking = spiking_shortcuts(replace(layout, input="events", readout_decay=0.5))
    return neuron(reset="soft", learned="both")(spiking)


EXPORTED: dict[str, tuple[Encoding, Change]] = {
    "all that go together": ("counts", everything),
    "integer spikes": VARIANTS["integer spikes"],
}
"""Those run by ONNX as well: an export takes seconds."""


def written(folder: Path, encoding: Encoding, change: Change) -> Path:
    """The card of a variant's weights, the learned numbers of each layer its own."""
    layout = change(layout_from_yaml(tiny_yaml()))
    card = tiny_card(layout=layout_to_yaml(layout), encoding=encoding)
    network = random_network(card)
    with torch.no_grad():
        for k, lif in enumerate(m for m in network.modules() if isinstance(m, LIF)):
            for learned in lif.parameters():
                learned.mul_(1 + 0.02 * k)
    path = save(folder, network, card).card
    assert load(path).layout == load_card(path).network_layout() == layout
    return path


def assert_steps_are_the_window(engine: Engine, network: Network, card: Card) -> None:
    """Step by step and at once, the engine gives what the network was trained to give."""
    counts = safe_counts(network, card, batch=2)
    with torch.inference_mode():
        trained = network(encode(torch.from_numpy(counts).transpose(0, 1), card.encoding))
    state, synops = engine.initial_state(2), np.zeros(2)
    for t in range(STEPS):
        output = engine.step(counts[:, t], state)
        state, synops = output.state, synops + output.activity.synops
    whole = engine.window(counts)
    for stepped, at_once, wanted in zip(output.maps, whole.maps, trained, strict=True):
        np.testing.assert_allclose(stepped, wanted.numpy(), atol=2e-5)
        np.testing.assert_allclose(at_once, wanted.numpy(), atol=2e-5)
    assert (synops > 0).all()
    np.testing.assert_allclose(synops, whole.activity.synops, rtol=1e-6)


@pytest.mark.parametrize("name", [*VARIANTS, "all that go together"])
def test_weights_and_card_step_as_the_network_runs_its_window(name: str, tmp_path: Path) -> None:
    path = written(tmp_path, *(VARIANTS | EXPORTED)[name])
    network, card = load(path), load_card(path)
    assert_steps_are_the_window(TorchEngine(network, card), network, card)


@pytest.mark.parametrize("name", EXPORTED)
def test_the_graph_steps_as_the_network_runs_its_window(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPIKESIGHT_CACHE", str(tmp_path / "cache"))
    path = keep_step_graph(written(tmp_path, *EXPORTED[name]))
    network, card = load(path), load_card(path)
    assert_steps_are_the_window(OnnxEngine(card, find(path)), network, card)


@pytest.mark.parametrize(("pixel", "outputs"), [((20, 30), 1), ((21, 30), 2), ((21, 31), 4)])
def test_each_event_of_the_input_is_counted_as_a_spike(
    pixel: tuple[int, int], outputs: int, tmp_path: Path
) -> None:
    network = load(written(tmp_path, *VARIANTS["counts"]))
    x = torch.zeros(1, 2, GRID[1], GRID[0])
    x[0, 0, pixel[0], pixel[1]] = 3
    counts = network.step(x, network.initial_state(1, GRID[1], GRID[0]))[2]
    # A 3 x 3 kernel of stride 2 reads the pixel for so many cells, of eight channels each.
    assert counts[0, -1].tolist() == [3, 3 * outputs * 8]


def test_counts_save_the_first_layers_multiplications() -> None:
    macs = {}
    for encoding, kind in (("log1p", "real"), ("counts", "events")):
        layout = replace(layout_from_yaml(tiny_yaml()), input=kind)
        card = tiny_card(layout=layout_to_yaml(layout), encoding=encoding)
        engine = TorchEngine(random_network(card), card)
        output = engine.step(np.zeros((1, 2, GRID[1], GRID[0]), np.uint16), engine.initial_state(1))
        macs[encoding] = float(output.activity.macs[0])
    assert macs["log1p"] - macs["counts"] == 2 * 9 * 8 * (GRID[0] // 2) * (GRID[1] // 2)


def test_the_twin_has_no_state_and_no_spikes() -> None:
    layout = ann_twin(layout_from_yaml(tiny_yaml()))
    card = tiny_card(layout=layout_to_yaml(layout), steps=1)
    engine = TorchEngine(random_network(card), card)
    assert not engine.initial_state(1).membranes
    output = engine.step(np.ones((1, 2, GRID[1], GRID[0]), np.uint16), engine.initial_state(1))
    assert output.activity.synops[0] == 0
    assert output.activity.macs[0] > 0
