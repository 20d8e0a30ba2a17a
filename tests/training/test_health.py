"""What goes wrong in a run is noticed, and said once, with what to do."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from model.card import load_card
from model.layout import named_layout
from model.networks import build
from tests.training.conftest import SquareData
from tests.training.trainer import GRID, small_settings
from training import fit
from training.batches import Batch
from training.data import TrainingData
from training.datasets import LabelledWindow
from training.datasets.pool import Chunks
from training.errors import Diverged
from training.fit import train
from training.health import Health, Supply
from training.loss import Loss
from training.measure import measure
from training.optim import Trainer


def test_silent_and_saturated_layers_are_named(square_data: TrainingData) -> None:
    network = build(named_layout("ems-nano", classes=3)).eval()
    with torch.no_grad():
        network.get_parameter("rows.0.0.conv.norm.bias").fill_(-100.0)
        network.get_parameter("rows.2.0.conv1.norm.bias").fill_(100.0)
    windows = square_data.held_out(2)
    report = measure(network, windows, GRID, square_data.classes, encoding="counts")
    health = Health()
    health.layers(report.activity.firing, step=50)
    assert health.news() == []  # too early to tell
    health.layers(report.activity.firing, step=500)
    silent, saturated = health.news()
    assert "rows.1.0.neuron1 (0 a neuron" in silent
    assert "--lr" in silent
    assert "rows.2.0.neuron2 (1 a neuron" in saturated
    health.layers(report.activity.firing, step=600)
    assert health.news() == []
    assert set(health.said) == {"silent", "saturated"}


def test_layers_that_recover_are_forgotten_and_those_that_fall_silent_later_are_said() -> None:
    health = Health()
    health.layers({"a": 0.0, "b": 0.2}, 1000)
    health.layers({"a": 0.2, "b": 0.2}, 1000)
    assert len(health.news()) == 1
    assert health.said == {}
    health.layers({"a": 0.2, "b": 0.0}, 1000)
    assert "b (0 a neuron" in health.news()[0]


def test_exploding_gradients_are_said_once() -> None:
    health = Health()
    for norm in (9.0, 2.0, 4.0, 30.0):
        health.gradients([norm, norm, 100 * norm])
    assert health.news() == []
    health.gradients([50.0, 60.0, float("inf")])
    health.gradients([500.0])
    (message,) = health.news()
    assert "their norm is 55, 28 times" in message
    assert "--lr" in message


def test_gradients_that_are_no_numbers_are_said() -> None:
    health = Health()
    health.gradients([float("inf"), float("nan"), 1.0])
    assert "2 of the last 3 gradients" in health.news()[0]


@pytest.mark.parametrize(
    ("course", "said"),
    [
        ([(0.50, 3.0), (0.48, 2.5), (0.46, 2.0), (0.44, 1.5)], True),
        ([(0.50, 3.0), (0.48, 2.5), (0.49, 2.0), (0.44, 1.5)], False),  # not in a row
        ([(0.50, 3.0), (0.499, 2.5), (0.498, 2.0), (0.497, 1.5)], False),  # by a hair
        ([(0.50, 3.0), (0.48, 3.5), (0.46, 4.0), (0.44, 4.5)], False),  # the loss rises too: no overfitting
    ],
)
def test_overfitting_is_said(course: Sequence[tuple[float, float]], said: bool) -> None:
    health = Health()
    for map50, loss in course:
        health.validation(map50, loss)
    news = health.news()
    assert bool(news) == said
    if said:
        assert "mAP50 fell 3 times in a row, 0.500 to 0.440" in news[0]
        assert "more data" in news[0]


@pytest.mark.parametrize(
    ("supply", "options", "words"),
    [
        (Supply(10.0, 3.0, 1.0, 100), {}, ("waited 30%", "generators are the limit", "--generators")),
        (Supply(10.0, 3.0, 1.0, 100), {"simulated": False}, ("reading is the limit", "--threads")),
        (Supply(10.0, 0.0, 1.0, 100, 40), {}, ("40% of the views", "generators are the limit")),
        (Supply(10.0, 0.5, 6.0, 100), {"device": "cuda"}, ("GPU waited 60%", "torchrun")),
        (Supply(10.0, 0.5, 6.0, 100), {}, ()),  # on the CPU drawing views is part of the work
        (Supply(10.0, 1.0, 1.0, 100, 10), {}, ()),
    ],
)
def test_starvation_says_which_side_is_the_limit(
    supply: Supply, options: dict[str, Any], words: tuple[str, ...]
) -> None:
    health = Health()
    for _ in range(2):
        health.supply(supply, **{"simulated": True, "device": "cpu", **options})
    news = health.news()
    assert len(news) == bool(words)
    for word in words:
        assert word in news[0]


@dataclass(frozen=True)
class SlowChunks:
    def ready(self, number: int) -> bool:
        return False

    def load(self, number: int) -> list[LabelledWindow]:
        time.sleep(1.5)
        with SquareData().chunks(0) as chunks:
            return list(chunks.load(number))

    def release(self, number: int) -> None:
        return None


class SlowData(SquareData):
    def chunks(self, first: int) -> AbstractContextManager[Chunks]:
        return contextlib.nullcontext(SlowChunks())


def test_a_starved_run_says_so_in_log_and_card(tmp_path: Path) -> None:
    told: list[str] = []
    settings = small_settings(tmp_path, steps=4, views=1, pool=8, data="folder:elsewhere")
    weights = train(settings, lambda progress: told.append(progress.message), SlowData())
    (said,) = [message for message in told if "waited" in message]
    assert "reading is the limit" in said
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert said in [row["message"] for row in rows if row["kind"] == "message"]
    assert max(row["waited"] for row in rows if row["kind"] == "train") > 0.2
    assert said in load_card(weights).training["warnings"]


class Poison:
    """`Trainer.step` that meets NaN in the head's weights, from a call on, so many times."""

    def __init__(self, first: int, times: int) -> None:
        self.first, self.times = first, times
        self.step = Trainer.step
        self.rates: list[float] = []

    def __call__(self, trainer: Trainer, batch: Batch, lr: float) -> Loss:
        self.rates.append(lr)
        if len(self.rates) >= self.first and self.times > 0:
            self.times -= 1
            with torch.no_grad():
                next(trainer.network.detect.parameters()).fill_(float("nan"))
        return self.step(trainer, batch, lr)


def test_a_run_that_diverges_goes_back_and_on_at_half_the_rate(
    square_data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison = Poison(first=4, times=1)
    monkeypatch.setattr(fit.Trainer, "step", lambda *words: poison(*words))
    told: list[str] = []
    settings = small_settings(tmp_path, steps=4, save_minutes=0.0, warm_share=0.0)
    weights = train(settings, lambda progress: told.append(progress.message), square_data)
    (said,) = [message for message in told if "the loss is nan" in message]
    assert f"Gone back from step 3 to {tmp_path / 'checkpoint.pt'}, of step 3" in said
    assert "on at 0.5 times" in said
    assert poison.rates[4] == pytest.approx(poison.rates[3] / 2)
    assert load_card(weights).training["steps"] == 4


def test_a_run_that_diverges_again_ends_and_names_the_checkpoint(
    square_data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison = Poison(first=2, times=5)
    monkeypatch.setattr(fit.Trainer, "step", lambda *words: poison(*words))
    settings = small_settings(tmp_path, steps=4, save_minutes=0.0)
    with pytest.raises(Diverged, match=r"the loss is nan.*checkpoint\.pt, of step 1.*lower --lr"):
        train(settings, None, square_data)
    with pytest.raises(Diverged, match=r"no checkpoint yet"):
        train(replace(settings, out=tmp_path / "new"), None, square_data)
