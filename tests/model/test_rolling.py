"""A state that lasts: its readout against plain sums in double precision, and what is left after silence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from model.card import Card, find, load_card
from model.engines.base import Engine
from model.engines.cache import graph_path
from model.engines.onnx import OnnxEngine
from model.engines.torch import TorchEngine
from model.layout import layout_from_yaml, layout_to_yaml
from model.networks import Network
from model.rolling import FORGOTTEN, lasting, rolling_decay, silent_steps
from model.state import State, split, stack
from model.weights import load
from tests.model.tiny import (
    keep_step_graph,
    random_counts,
    tiny_card,
    tiny_yaml,
    write_tiny,
)

LONG = 10
DECAYS = [(1.0, 2 / 3), (0.5, 0.5)]  # what the layout says, and what a rolling card of T = 5 does


def rolling_card(readout_decay: float = 1.0) -> Card:
    layout = replace(layout_from_yaml(tiny_yaml()), readout_decay=readout_decay)
    return tiny_card("rolling-tiny", layout=layout_to_yaml(layout), mode="rolling")


def stepped(engine: Engine, counts: NDArray[np.uint16]) -> list[tuple[NDArray[np.float32], State]]:
    """Maps of the first level after every step, and the state before it. Shape: counts (T, 2, H, W)."""
    state, found = engine.initial_state(1), []
    for step in counts:
        output = engine.step(step[None], state)
        found.append((output.maps[0], state))
        state = output.state
    return found


def assert_read_as_stated(engine: Engine, decay: float) -> None:
    """The readout is that of `model.rolling`, by plain sums in double precision.

    What a single step adds is what the head gives where nothing but the membranes came before.
    """
    counts = random_counts(1, steps=LONG)[0]
    zero, each = engine.initial_state(1), []
    for at, (maps, before) in enumerate(stepped(engine, counts)):
        alone = State(before.membranes, zero.head_sums, zero.steps)
        each.append(engine.step(counts[at : at + 1], alone).maps[0].astype(np.float64))
        weights = decay ** np.arange(at, -1, -1.0)
        wanted = np.tensordot(weights, np.stack(each), 1) / weights.sum()
        np.testing.assert_allclose(maps, wanted, atol=2e-5)


@pytest.mark.parametrize(("stated", "decay"), DECAYS)
def test_torch_reads_a_lasting_state_out_as_stated(stated: float, decay: float, tmp_path: Path) -> None:
    path = write_tiny(tmp_path, rolling_card(stated))
    network = load(path)
    assert network.layout.readout_decay == pytest.approx(decay)
    assert_read_as_stated(TorchEngine(network, load_card(path)), decay)


def test_the_graph_reads_a_lasting_state_out_as_stated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPIKESIGHT_CACHE", str(tmp_path / "cache"))
    path = keep_step_graph(write_tiny(tmp_path, rolling_card()))
    assert_read_as_stated(OnnxEngine(load_card(path), find(path)), 2 / 3)


def test_a_graph_of_windows_is_not_taken_for_a_rolling_one(tmp_path: Path) -> None:
    window = write_tiny(tmp_path, tiny_card("same"))
    files, card = find(window), load_card(window)
    paths = {
        graph_path(changed, files, "step")
        for changed in (card, replace(card, mode="rolling"), replace(card, mode="rolling", steps=7))
    }
    assert len(paths) == 3


def test_a_very_long_state_stays_finite_and_right() -> None:
    card = rolling_card()
    layout = card.network_layout()
    engine = TorchEngine(Network(layout).eval(), card)
    (counts,) = random_counts(3, steps=2)
    first = engine.step(counts[:1], engine.initial_state(1))
    # where 30 years of steps were before, the weights of the readout have long stopped to change
    old = replace(first.state, steps=np.array([10**11], np.int64))
    older = replace(first.state, steps=np.array([200], np.int64))
    maps = [engine.step(counts[1:], state).maps[0] for state in (old, older)]
    assert np.isfinite(maps[0]).all()
    np.testing.assert_array_equal(maps[0], maps[1])


def test_rows_of_all_ages_share_a_batch() -> None:
    card = rolling_card()
    engine = TorchEngine(Network(card.network_layout()).eval(), card)
    counts = random_counts(5, steps=6)[0]
    state, alone = engine.initial_state(1), []
    for step in counts:
        output = engine.step(step[None], state)
        alone.append((state, output.maps[0]))
        state = output.state
    together = engine.step(counts[[1, 5]], stack([alone[1][0], alone[5][0]]))
    for row, at in enumerate((1, 5)):
        np.testing.assert_allclose(together.maps[0][row], alone[at][1][0], atol=1e-5)
    assert [int(row.steps[0]) for row in split(together.state)] == [2, 6]


def test_a_window_card_is_read_out_as_before() -> None:
    assert tiny_card().network_layout().readout_decay == 1.0
    own = replace(layout_from_yaml(tiny_yaml()), readout_decay=0.25)
    assert lasting(own, 5) is own


@pytest.mark.parametrize("steps", [2, 3, 5, 12, 64])
def test_steps_are_as_old_on_average_as_those_of_a_window(steps: int) -> None:
    decay = rolling_decay(steps)
    ages = np.arange(10_000)
    weights = decay**ages
    assert (weights * ages).sum() / weights.sum() == pytest.approx((steps - 1) / 2)


def test_a_window_of_one_step_rolls_too() -> None:
    assert replace(rolling_card(), steps=1).network_layout().readout_decay == rolling_decay(2)


@pytest.mark.parametrize(
    ("decay", "steps", "silence"), [(2 / 3, 5, 12), (0.5, 5, 7), (0.5, 10, 10), (0.95, 5, 32)]
)
def test_silence_begins_when_all_is_forgotten(decay: float, steps: int, silence: int) -> None:
    layout = replace(layout_from_yaml(tiny_yaml()), readout_decay=decay)
    assert silent_steps(layout, steps) == silence
    assert decay**silence <= FORGOTTEN or silence == 32
