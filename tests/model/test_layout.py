"""Layouts: the named ones, the published description and back, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model.errors import BadLayout, UnknownModel
from model.layout import LAYOUTS, ann_twin, layout_from_yaml, layout_to_yaml, named_layout
from model.plan import plan

OFFICIAL = {"res10-ee": "ems-res10", "resnet34-cat": "resnet34-cat"}


def small_yaml(**changes: Any) -> dict[str, Any]:
    return layout_to_yaml(named_layout("ems-nano", classes=3)) | changes


def with_row(index: int, row: Any) -> dict[str, Any]:
    """The smallest network's description with one backbone row replaced."""
    yaml = small_yaml()
    yaml["backbone"][index] = row
    return yaml


def test_eight_layouts_are_named() -> None:
    assert (
        *("ems-nano", "ems-res10", "ems-res18", "ems-res34"),
        *("resnet10", "resnet18", "resnet34", "resnet34-cat"),
    ) == LAYOUTS


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_named_layout_survives_its_description(name: str) -> None:
    layout = named_layout(name, classes=3)
    assert layout.strides == (16, 32)
    yaml = layout_to_yaml(layout)
    assert "name" not in yaml
    assert layout_from_yaml(json.loads(json.dumps(yaml))) == layout


@pytest.mark.shared
@pytest.mark.parametrize("official", OFFICIAL)
def test_a_published_description_is_kept_exactly_and_recognised(official: str, shared: Path) -> None:
    yaml = json.loads((shared / "golden" / "meta.json").read_text())[official]["yaml"]
    layout = layout_from_yaml(yaml)
    assert layout == named_layout(OFFICIAL[official], classes=2, in_channels=3)
    assert json.dumps(layout_to_yaml(layout)) == json.dumps(yaml)


def test_our_own_fields_survive() -> None:
    twin = ann_twin(named_layout("ems-nano", classes=3))
    assert twin.activation == "relu"
    assert layout_from_yaml(layout_to_yaml(twin)) == twin
    averaging = replace(twin, pooling="average")
    assert layout_from_yaml(layout_to_yaml(averaging)) == averaging
    assert layout_from_yaml(small_yaml(name="mine", leak=0.5, threshold=1.0)).neuron.leak == 0.5


def test_multiples_scale_channels_to_eights_and_repeats() -> None:
    yaml = layout_to_yaml(named_layout("ems-res34", classes=2))
    nodes = plan(layout_from_yaml(yaml | {"width_multiple": 0.3, "depth_multiple": 0.5}))
    backbone = [(node.out_channels, node.repeat) for node in nodes[:9]]
    # 0.3 * 32 = 9.6 -> 16, 0.3 * 64 = 19.2 -> 24 ...; 2, 3, 5, 2 blocks halve to 1, 2, 2, 1.
    assert backbone == [
        *((16, 1), (24, 1), (24, 1), (40, 1), (40, 2)),
        *((80, 1), (80, 2), (160, 1), (160, 1)),
    ]


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownModel, match=r"'res11'.*ems-nano.*resnet34-cat"):
        named_layout("res11", classes=2)


@pytest.mark.parametrize(("classes", "in_channels"), [(0, 2), (-1, 2), (3, 0)])
def test_a_network_needs_classes_and_channels(classes: int, in_channels: int) -> None:
    with pytest.raises(BadLayout, match="at least one"):
        named_layout("ems-nano", classes=classes, in_channels=in_channels)


@pytest.mark.parametrize(
    ("yaml", "complaint"),
    [
        ({}, "'backbone'"),
        (small_yaml(backbone="rows"), "'backbone'"),
        (small_yaml(backbone=[[-1, 1, "Conv_2", [16, 3, 2]]] * 201), "at most 200 rows"),
        (small_yaml(head=[[-1, 1]]), "a row is"),
        (small_yaml(pooling="mean"), "pooling"),
        (small_yaml(head=[["a", 1, "Conv", []]]), "a row is"),
        (small_yaml(head=[[-1, 1, "Conv", [{}]]]), "numbers or words"),
        (small_yaml(nc="two"), "'nc'"),
        (small_yaml(nc=2.5), "whole"),
        (small_yaml(nc=True), "'nc'"),
        (small_yaml(ch=0), "'ch'"),
        (small_yaml(width_multiple=float("nan")), "'width_multiple'"),
        (small_yaml(anchors=3), "'anchors'"),
        (small_yaml(anchors=[[1, 2, 3], [1, 2]]), "'anchors'"),
        (small_yaml(anchors=[[1, 2]]), "levels"),
        (small_yaml(anchors=[[1, -2], [1, 2]]), "'anchors'"),
        (small_yaml(activation="tanh"), "activation"),
        (small_yaml(name=["x"]), "'name'"),
    ],
)
def test_a_description_with_a_wrong_key_is_refused(yaml: dict[str, Any], complaint: str) -> None:
    with pytest.raises(BadLayout, match=complaint):
        layout_from_yaml(yaml)


@pytest.mark.parametrize(
    ("yaml", "complaint"),
    [
        (with_row(1, [-1, 1, "Transformer", [32, 3, 2]]), "Transformer.*known are"),
        (with_row(1, [5, 1, "ConcatBlock_ms", [32, 3, 2]]), "not a row before"),
        (with_row(1, [-3, 1, "ConcatBlock_ms", [32, 3, 2]]), "not a row before"),
        (with_row(1, [[-1, 0], 1, "ConcatBlock_ms", [32, 3, 2]]), "reads 2 rows"),
        (with_row(1, [-1, 1, "ConcatBlock_ms", [32, 3]]), "width, kernel, stride"),
        (with_row(1, [-1, 1, "ConcatBlock_ms", [10**9, 3, 2]]), "width, kernel, stride"),
        (with_row(1, [-1, 1, "ConcatBlock_ms", [32, 4, 2]]), "odd kernels"),
        (with_row(1, [-1, 1, "ConcatBlock_ms", [32, 3, 3]]), "strides 1 and 2"),
        (with_row(1, [-1, 0, "ConcatBlock_ms", [32, 3, 2]]), "repeats"),
        (with_row(1, [-1, 1, "ConcatBlock_ms", [16, 3, 2]]), "must grow"),
        (with_row(1, [-1, 1, "ConcatBlock_ms", [32, 3, 1]]), "px a cell"),
        (with_row(1, [-1, 1, "Sample", ["None", 3, "nearest"]]), "samples"),
        (with_row(1, [[-1], 1, "Concat", [1]]), "joins"),
        (with_row(1, [-1, 1, "Detect", ["nc", "anchors"]]), "only Detect|px a cell"),
        (small_yaml(head=[]), "only Detect"),
    ],
)
def test_rows_that_cannot_be_built_are_refused(yaml: dict[str, Any], complaint: str) -> None:
    layout = layout_from_yaml(yaml)
    with pytest.raises(BadLayout, match=complaint):
        plan(layout)


def test_layouts_and_energy_need_no_torch() -> None:
    code = "import sys, model.layout, model.energy, model.official; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
