"""Recipes: what is trained, what the card says of it, and what the twin sees."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from model.card import load_card
from model.errors import BadLayout, UnknownModel
from model.layout import named_layout
from model.networks import build
from model.neuron_settings import NeuronSettings
from model.weights import load
from tests.training.trainer import GRID, small_settings
from training.augment import plain_view, render
from training.batches import collate
from training.data import TrainingData
from training.fit import train
from training.optim import forward
from training.recipe import OURS, PAPER, Recipe


def test_the_papers_recipe_is_the_published_layout() -> None:
    layout = PAPER.layout("ems-res10", 2)
    assert layout == named_layout("ems-res10", classes=2, in_channels=3)
    assert layout.neuron == NeuronSettings(leak=0.25, threshold=0.5, reset="hard", levels=1)


def test_ours_counts_events_as_spikes() -> None:
    layout = OURS.layout("ems-nano", 3)
    assert layout.input == "events"
    assert layout.in_channels == 2
    assert {row.kind for row in layout.rows} != {
        row.kind for row in replace(OURS, shortcuts="published").layout("ems-nano", 3).rows
    }


def test_choices_that_cannot_be_built_are_refused() -> None:
    with pytest.raises(UnknownModel, match="ems-nano"):
        OURS.layout("ems-mini", 3)
    with pytest.raises(BadLayout, match="integer spikes"):
        replace(OURS, neuron=NeuronSettings(levels=4))


@pytest.mark.parametrize(
    "recipe",
    [
        PAPER,
        replace(
            OURS, neuron=NeuronSettings(reset="soft", learned="both", surrogate="arctan"), readout_decay=0.5
        ),
    ],
)
def test_a_trained_recipe_is_what_its_card_builds(
    recipe: Recipe, square_data: TrainingData, tmp_path: Path
) -> None:
    weights = train(small_settings(tmp_path, steps=2, recipe=recipe), None, square_data)
    card = load_card(weights)
    assert card.encoding == recipe.encoding
    assert card.network_layout() == recipe.layout("ems-nano", 3)
    assert load(weights).layout == card.network_layout()


def test_the_twin_trains_on_merged_steps(square_data: TrainingData, tmp_path: Path) -> None:
    recipe = replace(OURS, activation="relu")
    card = load_card(train(small_settings(tmp_path, steps=2, recipe=recipe), None, square_data))
    assert (card.steps, card.step_us) == (1, 3 * 8_000)
    assert card.network_layout().activation == "relu"
    assert card.metrics["activity"]["synops"] == 0


def test_the_twin_sees_the_sum_of_all_steps(square_data: TrainingData) -> None:
    twin = build(replace(OURS, activation="relu").layout("ems-nano", 3)).eval()
    counts = collate([render(w, plain_view(w.shape, GRID), GRID) for w in square_data.held_out(2)]).counts
    whole = counts.sum(0, keepdim=True, dtype=torch.int32)
    with torch.no_grad():
        for three, one in zip(
            forward(twin, counts, "float32", "counts"), forward(twin, whole, "float32", "counts"), strict=True
        ):
            assert torch.equal(three, one)
