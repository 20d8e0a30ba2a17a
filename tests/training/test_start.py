"""Weights to start from: those of T = 1 start T > 1, other heads start anew, other networks are refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from model.card import find, load_card
from model.card_page import card_to_markdown
from model.layout import named_layout
from model.networks import Network, build
from model.weights import load
from tests.training.conftest import SquareData
from tests.training.trainer import GRID, small_settings
from training.data import TrainingData
from training.errors import BadTraining
from training.fit import train
from training.recipe import OURS
from training.start import start_from


@pytest.fixture(scope="module")
def one_step(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights trained on windows of one step."""
    settings = small_settings(tmp_path_factory.mktemp("one"), steps=2, window_steps=1, warm_share=0.0)
    return train(settings, None, SquareData(window_steps=1))


def network(classes: int = 3, **changes: Any) -> Network:
    torch.manual_seed(5)
    layout = replace(OURS, **changes).layout("ems-nano", classes)
    return build(layout, height=GRID[1], width=GRID[0])


def test_weights_of_one_step_start_several(one_step: Path, square_data: TrainingData, tmp_path: Path) -> None:
    new = network()
    assert start_from(new, str(one_step)) == len(load(one_step).state_dict())
    settings = small_settings(tmp_path, steps=1, init=str(one_step), lr=1e-12, ema=0.0)
    started = load(train(settings, None, square_data))
    for (name, value), old in zip(started.named_parameters(), load(one_step).parameters(), strict=True):
        torch.testing.assert_close(value, old, atol=1e-6, rtol=0, msg=name)


def test_a_card_tells_what_its_weights_started_from(
    one_step: Path, square_data: TrainingData, tmp_path: Path
) -> None:
    started = train(small_settings(tmp_path, steps=1, init=str(one_step)), None, square_data)
    parent = load_card(started).training["started_from"]
    assert parent["weights"] == find(one_step).digest()[:12]
    assert parent["views"] == load_card(one_step).training["views"]
    assert "started_from" not in load_card(one_step).training
    page = card_to_markdown(load_card(started))
    assert f"| {parent['weights']} |" in page
    assert f"`{parent['command']}`" in page


def test_a_head_of_other_classes_starts_anew(one_step: Path) -> None:
    new = network(classes=7)
    fresh = {name: value.clone() for name, value in new.state_dict().items()}
    copied = start_from(new, str(one_step))
    old = load(one_step).state_dict()
    for name, value in new.state_dict().items():
        assert torch.equal(value, fresh[name] if name.startswith("detect.") else old[name]), name
    heads = sum(name.startswith("detect.") for name in old)
    assert copied == len(old) - heads


def test_a_first_layer_of_another_encoding_starts_anew(one_step: Path) -> None:
    new = network(encoding="painted")
    fresh = new.get_parameter("rows.0.0.conv.conv.weight").clone()
    start_from(new, str(one_step))
    assert torch.equal(new.get_parameter("rows.0.0.conv.conv.weight"), fresh)
    assert torch.equal(
        new.get_parameter("rows.0.0.conv.norm.weight"),
        load(one_step).get_parameter("rows.0.0.conv.norm.weight"),
    )


def test_weights_of_another_network_are_refused(one_step: Path) -> None:
    other = build(named_layout("ems-res10", classes=3))
    before = {name: value.clone() for name, value in other.state_dict().items()}
    with pytest.raises(BadTraining, match=r"ems-nano\.safetensors fits \d+ of \d+ tensors.*same layout"):
        start_from(other, str(one_step))
    assert all(torch.equal(value, before[name]) for name, value in other.state_dict().items())


def test_windows_of_another_length_are_refused(square_data: TrainingData, tmp_path: Path) -> None:
    with pytest.raises(BadTraining, match=r"windows have 3 steps, window_steps and lead_steps are 4 and 0"):
        train(small_settings(tmp_path, window_steps=4), None, square_data)
