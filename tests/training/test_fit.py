"""Training from outside: it learns, tells, stops, goes on to the bit, and says what went wrong."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from model.card import load_card
from model.layout import named_layout
from model.networks import build
from model.weights import load
from tests.training.trainer import GRID, small_settings, start
from training.augment import NO_AUGMENT, plain_view, render
from training.batches import Batch, collate
from training.data import TrainingData
from training.errors import BadTraining, Diverged
from training.fit import train
from training.loss import LossSettings
from training.measure import measure
from training.optim import Trainer, make_optimizer
from training.progress import TrainProgress
from training.recipe import OURS


def fixed_batch(data: TrainingData, count: int) -> Batch:
    windows = data.held_out(count)
    return collate([render(w, plain_view(w.shape, GRID), GRID) for w in windows])


def test_four_windows_are_learnt_by_heart(square_data: TrainingData, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = build(named_layout("ems-nano", classes=3), height=GRID[1], width=GRID[0]).train()
    trainer = Trainer(network, make_optimizer(network, small_settings(tmp_path)), small_settings(tmp_path))
    batch = fixed_batch(square_data, 4)
    losses = [trainer.step(batch, 4e-3).total.item() for _ in range(60)]
    assert losses[-1] < 0.35 * losses[0]
    report = measure(network.eval(), square_data.held_out(4), GRID, square_data.classes, encoding="counts")
    assert report.scores.map50 > 0.6
    assert 0 < report.activity.firing_rate < 1
    assert 0 < report.activity.energy_mj < 3 * report.activity.dense_mj


def test_training_leaves_weights_card_log_and_curves(square_data: TrainingData, tmp_path: Path) -> None:
    told: list[TrainProgress] = []
    weights = train(small_settings(tmp_path), told.append, square_data)
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


def test_another_seed_makes_other_weights(square_data: TrainingData, tmp_path: Path) -> None:
    short = small_settings(tmp_path / "a", steps=2)
    first = train(short, None, square_data)
    second = train(replace(short, out=tmp_path / "b", seed=2), None, square_data)
    assert first.read_bytes() != second.read_bytes()


def test_a_checkpoint_of_other_settings_is_refused(square_data: TrainingData, tmp_path: Path) -> None:
    train(small_settings(tmp_path, steps=1), None, square_data)
    with pytest.raises(BadTraining, match=r"batch = 4, asked for is 2.*start afresh"):
        train(small_settings(tmp_path, steps=2, batch=2), None, square_data)
    train(small_settings(tmp_path, steps=2, batch=2, resume=False), None, square_data)


def test_a_stop_file_ends_the_run_with_weights(square_data: TrainingData, tmp_path: Path) -> None:
    told: list[str] = []

    def stop(progress: TrainProgress) -> None:
        told.append(progress.message)
        if progress.step == 2 and len(told) == 2:
            (tmp_path / "STOP").write_text("0")

    weights = train(small_settings(tmp_path, steps=1_000, save_minutes=0.0), stop, square_data)
    assert "STOP found: ending in 0 minutes" in told
    assert load_card(weights).training["steps"] == 2
    assert not (tmp_path / "STOP").exists()


def test_a_loss_that_is_no_number_says_so(square_data: TrainingData, tmp_path: Path) -> None:
    network = build(named_layout("ems-nano", classes=3)).train()
    with torch.no_grad():
        next(network.detect.parameters()).fill_(float("nan"))
    trainer = Trainer(network, make_optimizer(network, small_settings(tmp_path)), small_settings(tmp_path))
    before = {name: value.clone() for name, value in network.state_dict().items() if "norm" not in name}
    with pytest.raises(Diverged, match=r"the loss is nan .* learning rate 0\.001 in float32; .* lower lr"):
        trainer.step(fixed_batch(square_data, 2), 1e-3)
    for name, value in before.items():
        assert torch.equal(network.state_dict()[name], value) or not bool(value.isfinite().all()), name


def test_a_run_learns_rectangles_it_never_saw(square_data: TrainingData, tmp_path: Path) -> None:
    """The whole of `train` on a fixed seed: 100 steps to mAP50 0.7 on held-out windows."""
    settings = small_settings(
        tmp_path, steps=100, window_steps=2, batch=8, pool=64, views=4, final_validation=48, log_steps=20,
        warm_share=0.0, short_share=0.0, augment=NO_AUGMENT, ema=0.95, lr=4e-3,
    )  # fmt: skip
    card = load_card(train(settings, None, replace(square_data, window_steps=2)))
    assert card.metrics["scores"]["map50"] > 0.7
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    losses = [row["box"] + row["obj"] + row["cls"] for row in rows if row["kind"] == "train"]
    assert losses[-1] < 0.5 * losses[0]


def test_a_killed_run_goes_on_to_the_bit(square_data: TrainingData, tmp_path: Path) -> None:
    """SIGKILL between two checkpoints, anywhere: what the next start makes is what one start makes."""
    settings = small_settings(tmp_path / "killed", steps=8)
    trainer = start("alone", str(settings.out))
    deadline = time.monotonic() + 120
    while not (settings.out / "checkpoint.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    trainer.kill()
    trainer.communicate()
    done = torch.load(settings.out / "checkpoint.pt")["progress"]["step"]
    assert 0 < done < 8
    killed = train(settings, None, square_data)
    whole = train(small_settings(tmp_path / "whole", steps=8), None, square_data)
    assert killed.read_bytes() == whole.read_bytes()
    assert load_card(killed).metrics == load_card(whole).metrics
    rows = [json.loads(line) for line in (settings.out / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if row["kind"] == "train"] == [1, 2, 3, 4, 5, 6, 7, 8]


def test_a_checkpoint_that_is_none_is_refused(square_data: TrainingData, tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"half of it")
    with pytest.raises(BadTraining, match=r"checkpoint\.pt is no checkpoint.*remove it"):
        train(small_settings(tmp_path), None, square_data)


def test_a_lower_rate_goes_on_from_a_checkpoint(square_data: TrainingData, tmp_path: Path) -> None:
    train(small_settings(tmp_path, steps=2), None, square_data)
    told: list[TrainProgress] = []
    train(small_settings(tmp_path, steps=4, lr=1e-4), told.append, square_data)
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if row["kind"] == "train"] == [1, 2, 3, 4]
    assert rows[-1]["step"] == 4
    assert all(row["lr"] <= 1e-4 for row in rows if row["kind"] == "train" and row["step"] > 2)


def test_tensorboard_shows_what_the_log_holds(square_data: TrainingData, tmp_path: Path) -> None:
    train(small_settings(tmp_path, steps=3, tensorboard=True), None, square_data)
    board = EventAccumulator(str(tmp_path / "tensorboard"))
    board.Reload()
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    logged = [(row["step"], row["obj"]) for row in rows if row["kind"] == "train"]
    shown = [(event.step, event.value) for event in board.Scalars("train/obj")]
    assert shown == [(step, pytest.approx(value)) for step, value in logged]
    assert len(board.Scalars("validation/scores/map50")) == 1


def test_tensorboard_that_is_not_installed_is_explained(
    square_data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(BadTraining, match=r"spikesight\[train\]"):
        train(small_settings(tmp_path, tensorboard=True), None, square_data)


def test_gradients_are_clipped_and_their_norm_is_known(square_data: TrainingData, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = build(named_layout("ems-nano", classes=3)).train()
    clipped = small_settings(tmp_path, clip_norm=1e-3)
    trainer = Trainer(network, torch.optim.SGD(network.parameters()), clipped)
    before = [value.detach().clone() for value in network.parameters()]
    trainer.step(fixed_batch(square_data, 2), 1.0)
    moved = [(new - old).square().sum() for new, old in zip(network.parameters(), before, strict=True)]
    assert trainer.norm > 0.1
    assert torch.stack(moved).sum().sqrt().item() == pytest.approx(1e-3, rel=0.01)


def test_the_firing_weight_lowers_the_rate(square_data: TrainingData, tmp_path: Path) -> None:
    rates = []
    for weight in (0.0, 30.0):
        torch.manual_seed(0)
        network = build(named_layout("ems-nano", classes=3), height=GRID[1], width=GRID[0]).train()
        penalised = small_settings(tmp_path, loss=LossSettings(firing=weight))
        trainer = Trainer(network, make_optimizer(network, penalised), penalised)
        batch = fixed_batch(square_data, 4)
        for _ in range(15):
            trainer.step(batch, 4e-3)
        report = measure(
            network.eval(), square_data.held_out(4), GRID, square_data.classes, encoding="counts"
        )
        rates.append(report.activity.firing_rate)
    assert 0 < rates[1] < 0.7 * rates[0]


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_mixed_precision_trains_on_a_gpu(square_data: TrainingData, tmp_path: Path, precision: str) -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    torch.manual_seed(0)
    network = build(named_layout("ems-nano", classes=3), height=GRID[1], width=GRID[0])
    network = network.to("cuda", memory_format=torch.channels_last).train()
    mixed = small_settings(tmp_path, device="cuda", precision=precision)
    trainer = Trainer(network, make_optimizer(network, mixed), mixed)
    windows = square_data.held_out(4)
    batch = collate([render(w, plain_view(w.shape, GRID), GRID) for w in windows], "cuda")
    losses = [trainer.step(batch, 4e-3).total.item() for _ in range(40)]
    assert losses[-1] < 0.5 * losses[0]
    card = load_card(train(small_settings(tmp_path, device="cuda", precision=precision), None, square_data))
    assert card.training["steps"] == 4


def test_weights_for_a_state_that_lasts_learn_behind_steps_of_all_lengths(
    square_data: TrainingData, tmp_path: Path
) -> None:
    settings = small_settings(tmp_path, window_steps=2, lead_steps=1, warm_share=0.0)
    card = load_card(train(settings, None, square_data))
    assert (card.mode, card.steps) == ("rolling", 2)
    assert card.network_layout().readout_decay == pytest.approx(1 / 3)
    assert "--lead-steps 1" in card.training["command"]
    with pytest.raises(BadTraining, match=r"2 and 2; make their sum equal"):
        train(small_settings(tmp_path / "b", window_steps=2, lead_steps=2), None, square_data)
    with pytest.raises(BadTraining, match="twin keeps no state"):
        small_settings(tmp_path, lead_steps=1, recipe=replace(OURS, activation="relu"))
