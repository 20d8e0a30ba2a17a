"""The head without anchors, from its recipe to boxes out of the detector."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from model.boxes import iou_xyxy
from model.card import Card
from model.detector import Detector
from model.errors import BadLayout
from model.layout import Layout, layout_from_yaml, layout_to_yaml
from model.networks import Network, build
from model.postprocess import decode, detections
from model.weights import save
from tests.training.conftest import CLASSES, make_window
from training.augment import plain_view, render
from training.batches import Batch, collate
from training.measure import measure
from training.optim import Trainer, make_optimizer
from training.recipe import OURS, Recipe
from training.settings import TrainSettings

GRID, STEPS, UPDATES = (96, 64), 2, 40
FREE = replace(OURS, boxes="free")
WINDOWS = [make_window(1_000_000 + seed, steps=STEPS) for seed in range(4)]


def free_layout(name: str = "ems-nano") -> Layout:
    return FREE.layout(name, len(CLASSES))


def batch_of_all() -> Batch:
    return collate([render(w, plain_view(w.shape, GRID), GRID) for w in WINDOWS])


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Network:
    """A network that has seen nothing but the four windows."""
    torch.manual_seed(0)
    settings = TrainSettings(out=tmp_path_factory.mktemp("run"), steps=UPDATES, grid=GRID, recipe=FREE)
    network = build(free_layout(), height=GRID[1], width=GRID[0]).train()
    trainer, batch = Trainer(network, make_optimizer(network, settings), settings), batch_of_all()
    losses = [trainer.step(batch, 4e-3).total.item() for _ in range(UPDATES)]
    assert losses[-1] < 0.35 * losses[0]
    return network.eval()


def test_four_windows_are_learnt_by_heart(learnt: Network) -> None:
    report = measure(learnt, WINDOWS, GRID, CLASSES, encoding=FREE.encoding)
    assert report.scores.map50 > 0.9


def test_the_detector_serves_what_was_learnt(learnt: Network, tmp_path: Path) -> None:
    card = Card(
        name="free", layout=layout_to_yaml(learnt.layout), classes=CLASSES, in_channels=2, step_us=8_000,
        steps=STEPS, grid=GRID, encoding=FREE.encoding, threshold=0.3, iou=0.5,
    )  # fmt: skip
    detector = Detector.load(save(tmp_path, learnt, card).card, engine="torch")
    counts = batch_of_all().counts.numpy().astype(np.uint16)
    state = detector.initial_state(len(WINDOWS))
    for step in counts:
        output = detector.step(step, state)
        state = output.state
    for found, window in zip(detector.detections(output.maps), WINDOWS, strict=True):
        assert found.label[0] == window.label[0]
        assert iou_xyxy(found.xyxy[0], window.xyxy)[0] > 0.5


def test_a_cell_answers_once() -> None:
    network = build(free_layout())
    maps = network(torch.zeros(1, 1, 2, GRID[1], GRID[0]))
    assert [tuple(m.shape) for m in maps] == [(1, 1, 4, 6, 8), (1, 1, 2, 3, 8)]


def test_a_new_head_expects_eight_objects_a_level() -> None:
    head = build(free_layout(), height=384, width=512).detect
    for conv, stride in zip(head.convs, head.layout.strides, strict=True):
        cells = (384 // stride) * (512 // stride)
        chance = conv.bias[4].sigmoid().item() * cells
        assert chance == pytest.approx(8, rel=0.35)


def test_the_layout_survives_its_description() -> None:
    layout = free_layout()
    yaml = json.loads(json.dumps(layout_to_yaml(layout)))
    assert yaml["boxes"] == "free"
    assert layout_from_yaml(yaml) == layout
    assert "boxes" not in layout_to_yaml(OURS.layout("ems-nano", 3))


@pytest.mark.parametrize("name", ["ems-res10", "resnet18"])
def test_any_layout_may_go_without_anchors(name: str) -> None:
    assert [len(level) for level in free_layout(name).anchors] == [1, 1]
    own = replace(FREE, anchors=(((20, 40),), ((60, 120),)))
    assert own.layout(name, 3).anchors == (((20, 40),), ((60, 120),))


@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("raw", [-3e38, 3e38])
def test_no_weights_make_a_box_without_bounds(raw: float, level: int) -> None:
    layout = free_layout()
    maps = [np.full((1, 1, 192 // s, 256 // s, 8), -9, np.float32) for s in layout.strides]
    maps[level][..., :4] = raw
    maps[level][..., 4:] = 9
    sizes = decode(maps, layout.anchors, layout.strides)[0, :, 2:4]
    assert np.isfinite(sizes).all()
    assert sizes.max() <= 4 * 144
    (found,) = detections(maps, layout.anchors, layout.strides, CLASSES, threshold=0.5, iou=0.9)
    assert (found.xyxy >= 0).all()
    assert (found.xyxy <= [256, 192, 256, 192]).all()


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (Recipe(boxes="centre"), r"boxes is 'centre'; it may be 'anchors', 'free'"),  # type: ignore[arg-type]
        (
            replace(FREE, anchors=(((9, 22), (19, 46)), ((37, 92),))),
            r"one \(width, height\) a level, got \[2, 1\]",
        ),
        (replace(FREE, anchors=(((48, 48),),)), "2 levels"),
    ],
)
def test_choices_that_cannot_be_built_are_refused(recipe: Recipe, message: str) -> None:
    with pytest.raises(BadLayout, match=message):
        recipe.layout("ems-nano", 3)


@pytest.mark.parametrize("boxes", ["centre", ["free"], None, 1])
def test_a_description_that_means_nothing_is_refused(boxes: object) -> None:
    yaml = layout_to_yaml(free_layout()) | {"boxes": boxes}
    with pytest.raises(BadLayout, match="boxes is"):
        layout_from_yaml(yaml)
