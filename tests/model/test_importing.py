"""Official checkpoints become weights that compute what the published code computes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from model.card import load_card
from model.checkpoints import import_checkpoint, read_checkpoint
from model.errors import BadCheckpoint, HostileCheckpoint, ModelError
from model.layout import layout_from_yaml
from model.weights import load
from tests.model.official import write_checkpoint

ANCHORS = [[10, 14, 23, 27, 37, 58], [81, 82, 135, 169, 216, 269]]
YAML: dict[str, Any] = {
    "nc": 2,
    "ch": 3,
    "depth_multiple": 1.0,
    "width_multiple": 1.0,
    "anchors": ANCHORS,
    "backbone": [
        [-1, 1, "Conv_2", [32, 3, 2]],
        [-1, 1, "ConcatBlock_ms", [64, 3, 2]],
        [-1, 1, "ConcatBlock_ms", [128, 3, 2]],
        [-1, 1, "ConcatBlock_ms", [256, 3, 2]],
        [-1, 1, "ConcatBlock_ms", [512, 3, 2]],
    ],
    "head": [
        [-1, 1, "BasicBlock_ms", [256, 3, 1]],
        [-1, 1, "ConcatBlock_ms", [512, 3, 1]],
        [-2, 1, "BasicBlock_ms", [128, 1, 1]],
        [-1, 1, "Sample", ["None", 2, "nearest"]],
        [[-1, 3], 1, "Concat", [2]],
        [-1, 1, "BasicBlock_ms", [256, 3, 1]],
        [[10, 6], 1, "Detect", ["nc", "anchors"]],
    ],
}


@pytest.mark.shared
def test_an_imported_network_computes_the_published_outputs(shared: Path, tmp_path: Path) -> None:
    meta = json.loads((shared / "golden" / "meta.json").read_text())["res10-ee"]
    golden = np.load(shared / "golden" / "res10-ee.npz")
    write_checkpoint(tmp_path / "gen1.pt", meta["yaml"])
    network = load(import_checkpoint(tmp_path / "gen1.pt", tmp_path / "out"), dtype=torch.float64)
    assert sum(p.numel() for p in network.parameters()) == meta["parameters"]
    rng = np.random.default_rng(0)
    x = rng.choice([0.0, 0.5, 1.0], size=(1, 5, 3, 320, 320), p=[0.1, 0.8, 0.1])
    with torch.inference_mode():
        p4, p5 = network(torch.from_numpy(x).transpose(0, 1))
    np.testing.assert_allclose(p4.numpy(), golden["p4"], atol=1e-9, rtol=0)
    np.testing.assert_allclose(p5.numpy(), golden["p5"], atol=1e-9, rtol=0)


def test_the_card_states_what_the_checkpoint_says(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "gen1.pt", YAML, ema=True)
    path = import_checkpoint(tmp_path / "gen1.pt", tmp_path / "out", "mine", steps=4, grid=(320, 256))
    assert path == tmp_path / "out" / "mine.json"
    card = load_card(path)
    assert card.network_layout() == layout_from_yaml(YAML)
    assert (card.classes, card.in_channels, card.encoding) == (("car", "pedestrian"), 3, "painted")
    assert (card.steps, card.grid, card.training["epoch"]) == (4, (320, 256), 7)


def test_half_precision_weights_become_float32(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "half.pt", YAML, half=True)
    network = load(import_checkpoint(tmp_path / "half.pt", tmp_path))
    wanted = read_checkpoint(tmp_path / "half.pt").tensors["model.0.conv.weight"]
    first = next(t for name, t in network.state_dict().items() if name.endswith("weight"))
    np.testing.assert_array_equal(first.numpy(), wanted, strict=True)


def test_anchors_that_training_fitted_win_over_the_description(tmp_path: Path) -> None:
    fitted = [[5, 6, 7, 8, 9, 10], [50, 60, 70, 80, 90, 100]]
    write_checkpoint(tmp_path / "x.pt", YAML, anchors=fitted)
    layout = load_card(import_checkpoint(tmp_path / "x.pt", tmp_path)).network_layout()
    assert layout.anchors == tuple(tuple(zip(a[::2], a[1::2], strict=True)) for a in fitted)


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        (YAML | {"nc": 3}, "2 names; its description"),
        (YAML | {"width_multiple": 2.0}, "has shape"),
        (YAML | {"backbone": YAML["backbone"][:-1]}, "row|tensors do not fit"),
        (YAML | {"head": [*YAML["head"][:-1], [[10, 6], 1, "Evil", []]]}, "Evil|Detect"),
        (YAML | {"backbone": [[-1, 10**9, "Conv_2", [32, 3, 2]], *YAML["backbone"][1:]]}, "."),
        (YAML | {"backbone": [[-1, 1, "Conv_2", [10**9, 3, 2]], *YAML["backbone"][1:]]}, "."),
        ({"nc": 2}, "backbone"),
    ],
)
def test_a_description_that_is_not_the_networks_is_refused(
    yaml: dict[str, Any], message: str, tmp_path: Path
) -> None:
    write_checkpoint(tmp_path / "x.pt", yaml, anchors=ANCHORS, classes=2)
    with pytest.raises(ModelError, match=message):
        import_checkpoint(tmp_path / "x.pt", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_weights_with_nan_are_refused(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "x.pt", YAML, poison="model.3.residual_function.1.weight")
    with pytest.raises(BadCheckpoint, match="not a finite number"):
        import_checkpoint(tmp_path / "x.pt", tmp_path)


def test_a_hostile_file_leaves_nothing_behind(tmp_path: Path) -> None:
    import os
    import pickle
    import zipfile

    class Evil:
        def __reduce__(self) -> Any:
            return os.system, (f"touch {tmp_path / 'ran'}",)

    with zipfile.ZipFile(tmp_path / "x.pt", "w") as made:
        made.writestr("x/data.pkl", pickle.dumps({"model": Evil()}, 2))
    with pytest.raises(HostileCheckpoint, match=r"posix\.system"):
        import_checkpoint(tmp_path / "x.pt", tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.pt"]
