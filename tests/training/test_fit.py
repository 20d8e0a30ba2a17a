"""Training from outside: it learns, tells, stops, goes on to the bit, and says what went wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from model.card import load_card
from model.layout import named_layout
from model.networks import build
from model.weights import load
from training.augment import plain_view, render
from training.batches import Batch, collate
from training.data import TrainingData
from training.errors import BadTraining, Diverged
from training.measure import layer_warnings, measure
from training.fit import train
from training.optim import Trainer, make_optimizer
from training.progress import TrainProgress
from training.settings import TrainSettings

GRID = (96, 64)


def settings(out: Path, **changes: Any) -> TrainSettings:
    small = TrainSettings(
        out=out, steps=4, grid=GRID, window_steps=3, batch=4, pool=16, views=2, validation=2, generators=0,
        final_validation=6, save_minutes=60.0, warm_share=0.5, warm_steps=2,
    )  # fmt: skip
    return replace(small, **changes)


def fixed_batch(data: TrainingData, count: int) -> Batch:
    windows = data.held_out(count)
    return collate([render(w, plain_view(w.shape, GRID), GRID) for w in windows])


def test_four_windows_are_learnt_by_heart(square_data: TrainingData, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = build(named_layout("ems-nano", classes=3), height=GRID[1], width=GRID[0]).train()
    trainer = Trainer(network, make_optimizer(network, settings(tmp_path)), settings(tmp_path))
    batch = fixed_batch(square_data, 4)
    losses = [trainer.step(batch, 4e-3).total.item() for _ in range(60)]
    assert losses[-1] < 0.35 * losses[0]
    report = measure(
        network.eval(), square_data.held_out(4), GRID, square_data.classes, encoding="counts"
    )
    assert report.scores.map50 > 0.6
    assert 0 < report.activity.firing_rate < 1
    assert 0 < report.activity.energy_mj < 3 * report.activity.dense_mj


def test_training_leaves_weights_card_log_and_curves(square_data: TrainingData, tmp_path: Path) -> None:
    told: list[TrainProgress] = []
    weights = train(settings(tmp_path), told.append, square_data)
    card = load_card(weights)
    assert card.classes == square_data.classes
    assert card.grid == GRID
    assert card.steps == 3
    assert card.metrics["windows"] == 6
    assert card.training["command"].startswith("spikesight train --layout ems-nano")
    assert "--steps 4 --seed 1" in card.training["command"]
    assert card.training["views"] == 16
    assert not load(weights).training
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert {"validation"} <= {row["kind"] for row in rows}
    assert [p.fraction for p in told] == sorted(p.fraction for p in told)
    assert told[-1].fraction == 1
    assert all(p.eta_s is None or p.eta_s >= 0 for p in told)


def test_an_interrupted_run_goes_on_to_the_bit(square_data: TrainingData, tmp_path: Path) -> None:
    often = settings(tmp_path / "whole", save_minutes=0.0)
    whole = train(often, None, square_data)

    def pull_the_plug(progress: TrainProgress) -> None:
        if progress.step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(replace(often, out=tmp_path / "parts"), pull_the_plug, square_data)
    parts = train(replace(often, out=tmp_path / "parts"), None, square_data)
    assert parts.read_bytes() == whole.read_bytes()
    assert load_card(parts).metrics == load_card(whole).metrics


def test_another_seed_makes_other_weights(square_data: TrainingData, tmp_path: Path) -> None:
    short = settings(tmp_path / "a", steps=2)
    first = train(short, None, square_data)
    second = train(replace(short, out=tmp_path / "b", seed=2), None, square_data)
    assert first.read_bytes() != second.read_bytes()


def test_a_checkpoint_of_other_settings_is_refused(square_data: TrainingData, tmp_path: Path) -> None:
    train(settings(tmp_path, steps=1), None, square_data)
    with pytest.raises(BadTraining, match=r"batch = 4, asked for is 2.*start afresh"):
        train(settings(tmp_path, steps=2, batch=2), None, square_data)
    train(settings(tmp_path, steps=2, batch=2, resume=False), None, square_data)


def test_a_stop_file_ends_the_run_with_weights(square_data: TrainingData, tmp_path: Path) -> None:
    def stop(progress: TrainProgress) -> None:
        if progress.step == 2:
            (tmp_path / "STOP").write_text("0")

    weights = train(settings(tmp_path, steps=1_000, save_minutes=0.0), stop, square_data)
    assert load_card(weights).training["steps"] == 3
    assert not (tmp_path / "STOP").exists()


def test_a_loss_that_is_no_number_says_so(square_data: TrainingData, tmp_path: Path) -> None:
    network = build(named_layout("ems-nano", classes=3)).train()
    with torch.no_grad():
        next(network.detect.parameters()).fill_(float("nan"))
    trainer = Trainer(network, make_optimizer(network, settings(tmp_path)), settings(tmp_path))
    before = {name: value.clone() for name, value in network.state_dict().items() if "norm" not in name}
    with pytest.raises(Diverged, match=r"the loss is nan .* learning rate 0\.001 in float32; .* lower lr"):
        trainer.step(fixed_batch(square_data, 2), 1e-3)
    for name, value in before.items():
        assert torch.equal(network.state_dict()[name], value) or not bool(value.isfinite().all()), name


def test_silent_and_saturated_layers_are_named(square_data: TrainingData) -> None:
    network = build(named_layout("ems-nano", classes=3)).eval()
    with torch.no_grad():
        network.get_parameter("rows.0.0.conv.norm.bias").fill_(-100.0)
        network.get_parameter("rows.2.0.conv1.norm.bias").fill_(100.0)
    warnings = layer_warnings(measure(network, square_data.held_out(2), GRID, square_data.classes))
    assert any("rows.1.0.neuron1 is silent" in warning for warning in warnings)
    assert any("rows.2.0.neuron2 is saturated" in warning for warning in warnings)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": None}, "give one of them"),
        ({"minutes": 3.0}, "give one of them"),
        ({"grid": (100, 64)}, "multiples of 32"),
        ({"batch": 0}, "batch is 0"),
        ({"pool": 3}, "pool is 3"),
        ({"seed": 1000}, "0..999"),
    ],
)
def test_settings_that_mean_nothing_are_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadTraining, match=message):
        settings(tmp_path, **changes)
