"""Cards: what they say, what they refuse, and how models are found by name."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from model.card import DEFAULT_MODEL, ZOO, available, card_from_json, find, load_card
from model.errors import BadWeights, UnknownModel
from model.layout import layout_from_yaml, named_layout
from tests.model.tiny import tiny_card, tiny_yaml, write_tiny


def values(**changes: Any) -> dict[str, Any]:
    return asdict(tiny_card()) | changes


def test_a_card_comes_back_from_its_json() -> None:
    card = tiny_card(training={"seed": 1}, metrics={"mAP50": 0.5}, licence="Apache-2.0", good_for="tests")
    assert card_from_json(card.to_json()) == card


def test_the_layout_is_a_name_or_a_description() -> None:
    assert tiny_card().network_layout() == layout_from_yaml(tiny_yaml())
    named = tiny_card(layout="ems-nano").network_layout()
    assert named == named_layout("ems-nano", classes=3, in_channels=2)


def test_a_layout_for_other_classes_is_refused() -> None:
    with pytest.raises(BadWeights, match=r"layout has \(classes, channels\) \(3, 2\), the card \(2, 2\)"):
        tiny_card(classes=("a", "b")).network_layout()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "../evil"}, "plain file name"),
        ({"name": ""}, "plain file name"),
        ({"encoding": "jpeg"}, "encoding is 'jpeg'"),
        ({"in_channels": 3}, "in_channels for log1p is 3"),
        ({"mode": "guess"}, "mode is 'guess'"),
        ({"grid": [100, 64]}, "multiples of 32"),
        ({"grid": [64, 32_000]}, "multiples of 32"),
        ({"grid": [64]}, "grid is .* wrong type"),
        ({"grid": [64, 64.0]}, "grid is .* wrong type"),
        ({"steps": 0}, r"steps is 0; allowed: 1\.\.64"),
        ({"steps": True}, "steps is True, which has the wrong type"),
        ({"step_us": -8_000}, "step_us is -8000"),
        ({"classes": []}, "distinct names"),
        ({"classes": ["a", "a"]}, "distinct names"),
        ({"classes": ["a", 5]}, "classes is .* wrong type"),
        ({"threshold": 1.5}, r"threshold is 1\.5; allowed: 0\.\.1"),
        ({"threshold": float("nan")}, "threshold is nan"),
        ({"iou": "half"}, "iou is 'half'"),
        ({"layout": 5}, "layout is 5"),
        ({"surprise": 1}, r"unknown fields \['surprise'\]"),
    ],
)
def test_a_wrong_field_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BadWeights, match=message):
        card_from_json(json.dumps(values(**changes)))


def test_a_missing_field_is_named() -> None:
    some = values()
    del some["grid"], some["iou"]
    with pytest.raises(BadWeights, match=r"missing fields \['grid', 'iou'\]"):
        card_from_json(json.dumps(some))


@pytest.mark.parametrize("text", ["", "{", "\x00\x01", "[" * 100_000])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(BadWeights, match=r"tiny\.json is not JSON"):
        card_from_json(text, "tiny.json")


def test_json_of_another_kind_is_refused() -> None:
    with pytest.raises(BadWeights, match="a JSON list"):
        card_from_json("[]")


def write_pair(folder: Path) -> Path:
    (folder / "mine.v2.json").write_text(tiny_card("mine.v2").to_json())
    (folder / "mine.v2.safetensors").write_bytes(b"")
    return folder


@pytest.mark.parametrize("name", ["mine.v2", "mine.v2.json", "mine.v2.safetensors"])
def test_either_file_names_the_pair(tmp_path: Path, name: str) -> None:
    files = find(write_pair(tmp_path) / name)
    assert (files.weights.name, files.card.name) == ("mine.v2.safetensors", "mine.v2.json")
    assert load_card(tmp_path / name).name == "mine.v2"


@pytest.mark.parametrize("name", ["nothing", "", "..", "/", "/etc/passwd", "ems-nano/../ems-nano"])
def test_unknown_models_are_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(UnknownModel, match=r"no model .* known are .*NAME\.safetensors"):
        load_card(name)


def test_a_card_without_weights_is_no_model(tmp_path: Path) -> None:
    (write_pair(tmp_path) / "mine.v2.safetensors").unlink()
    with pytest.raises(UnknownModel):
        find(tmp_path / "mine.v2")


def test_a_card_of_a_megabyte_is_refused(tmp_path: Path) -> None:
    (write_pair(tmp_path) / "mine.v2.json").write_text(" " * 1_000_001)
    with pytest.raises(BadWeights, match="this is no card"):
        load_card(tmp_path / "mine.v2")


@pytest.mark.parametrize("name", available())
def test_every_model_of_the_zoo_has_a_card_that_holds(name: str) -> None:
    card = load_card(name)
    assert card.name == name
    assert len(card.network_layout().anchors) == 2


def test_cards_and_boxes_need_no_torch() -> None:
    code = (
        "import sys, model.card, model.detector, model.postprocess, model.state, model.checkpoints, "
        "model.engines.onnx; assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_folder_of_models_stands_beside_the_zoo_and_before_it(tmp_path: Path) -> None:
    write_tiny(tmp_path, tiny_card("mine"))
    own = write_tiny(tmp_path, tiny_card(DEFAULT_MODEL))
    assert available(tmp_path)[0] == DEFAULT_MODEL
    assert {*available(tmp_path)} == {*available(), "mine"}
    assert find("mine", tmp_path).card == tmp_path / "mine.json"
    assert find(DEFAULT_MODEL, tmp_path).card == own
    assert find(DEFAULT_MODEL).card.parent == ZOO
    with pytest.raises(UnknownModel, match="mine"):
        find("yours", tmp_path)
    with pytest.raises(UnknownModel, match="no model"):
        find(f"../{tmp_path.name}/mine.json", tmp_path / "elsewhere")
