"""The command in a card makes the same run again; settings that mean nothing are refused in one line."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from model.neuron_settings import NeuronSettings
from service.cli import app, training
from tests.training.conftest import make_window
from training.augment import NO_AUGMENT, AugmentSettings
from training.command import command
from training.dotted import dotted, with_text
from training.errors import BadTraining
from training.loss import LossSettings
from training.recipe import OURS, PAPER, RECIPES
from training.settings import TrainSettings

PLAIN = TrainSettings(out=Path("runs/a"), steps=9)


def parsed(line: str, monkeypatch: pytest.MonkeyPatch) -> TrainSettings:
    """The settings that the command line makes of `line`."""
    asked: list[TrainSettings] = []
    monkeypatch.setattr(training, "_run", asked.append)
    done = CliRunner().invoke(app, shlex.split(line)[1:])
    assert done.exit_code == 0, done.output
    return asked[0]


@pytest.mark.parametrize(
    "settings",
    [
        PLAIN,
        replace(PLAIN, steps=None, minutes=90.5, seed=7, batch=8, lr=1e-4, views=2, warm_share=0.3),
        replace(PLAIN, layout="ems-res10", name="mine", grid=(640, 480), window_steps=4, step_us=10_000),
        replace(PLAIN, device="cuda", precision="bfloat16", threads=4, generators=6, save_minutes=1.5),
        replace(PLAIN, final_validation=1000, validation=50, anchors="fitted", init="ems-nano"),
        replace(PLAIN, recipe=PAPER, augment=NO_AUGMENT, loss=LossSettings(firing=0.01)),
        replace(PLAIN, **RECIPES["paper"]),
        replace(PLAIN, **{**RECIPES["paper"], "augment": AugmentSettings(), "grid": (256, 192)}),
        replace(PLAIN, recipe=replace(OURS, boxes="free")),
        replace(PLAIN, recipe=replace(OURS, encoding="frame"), data="coco:x?classes=person,car"),
        replace(PLAIN, recipe=replace(OURS, activation="relu", encoding="log1p")),
        replace(PLAIN, recipe=replace(OURS, neuron=NeuronSettings(leak=0.5, reset="soft", learned="both"))),
        replace(PLAIN, recipe=replace(PAPER, readout_decay=0.5, anchors=(((1.0, 2.5),), ((3.0, 4.0),)))),
        replace(PLAIN, augment=AugmentSettings(mosaic=0.0, zoom=(0.9, 1.1)), loss=LossSettings(obj=2.0)),
        replace(PLAIN, data="sim:street*0.5+pedro:my clips?min_side=5*0.5", ema=0.99, clip_norm=1.0),
    ],
)
def test_the_command_makes_the_same_settings(
    settings: TrainSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert dotted(parsed(command(settings), monkeypatch)) == dotted(settings)


def test_the_command_is_short_and_keeps_folders_to_itself() -> None:
    settings = replace(
        PLAIN, out=Path("/home/me/x"), data="gen1:/data/gen1?min_side=5*2+sim:street", init="/home/me/w.json",
        resume=False, tensorboard=True,
    )  # fmt: skip
    line = command(settings)
    assert line == (
        "spikesight train --layout ems-nano --out runs/x --data 'gen1:gen1?min_side=5*2+sim:street' "
        "--steps 9 --seed 1 --init w.json"
    )


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("loss.obj=2", "loss.obj", 2.0),
        ("recipe.neuron.leak=0.5", "recipe.neuron.leak", 0.5),
        ("recipe.shortcuts=published", "recipe.shortcuts", "published"),
        ("augment.zoom=[0.9, 1.1]", "augment.zoom", [0.9, 1.1]),
        ("name=x=y", "name", "x=y"),
    ],
)
def test_any_setting_can_be_set(text: str, name: str, value: Any) -> None:
    assert dotted(with_text(PLAIN, text))[name] == value


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--set", "loss.ojb=2"], "no setting 'loss.ojb'; is 'obj' meant?"),
        (["--set", "loss.obj"], "write NAME=VALUE"),
        (["--set", "loss.obj=many"], "loss.obj is 'many'; it is 4.0 by default"),
        (["--set", "loss=2"], "a group of settings"),
        (["--set", "batch=2.5"], "batch is 2.5; it is 16 by default"),
        (["--set", "loss.obj=NaN"], "loss.obj is 'NaN'"),
        (["--set", "recipe.neuron.reset=warm"], "it may be 'hard', 'soft'"),
        (["--grid", "100x64"], "multiples of 32"),
        (["--lr", "0"], "lr is 0.0; give a number above 0"),
        (["--init", "nobody"], "known are ems-nano"),
        (["--layout", "ems-nona"], "no layout is named 'ems-nona'"),
        (["--data", "sim:forest"], "simulated are sim:street"),
        (["--anchors", "fitted", "--boxes", "free"], "recipe.boxes is 'free', which has none"),
        (
            ["--encoding", "frame"],
            "holds events, which the encoding 'frame' does not read; give --encoding log1p or",
        ),
    ],
)
def test_bad_settings_are_one_message(
    options: list[str], complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.datasets.simulated.SimulatedData.held_out", held_out)
    line = ["train", "--out", str(tmp_path / "a"), "--steps", "1", "--generators", "0", *options]
    done = CliRunner().invoke(app, line)
    assert done.exit_code != 0
    assert complaint in str(done.exception)
    assert not list(tmp_path.glob("**/*.pt"))


def held_out(_: object, count: int) -> list[Any]:
    """Windows that need no simulator."""
    return [make_window(k, steps=5) for k in range(count)]


def test_the_papers_recipe_is_the_published_one(monkeypatch: pytest.MonkeyPatch) -> None:
    paper = parsed("spikesight train --out runs/a --steps 9 --recipe paper", monkeypatch)
    assert paper.recipe == PAPER
    assert paper.augment == NO_AUGMENT
    assert (paper.window_steps, paper.step_us, paper.grid, paper.short_share) == (5, 50_000, (320, 320), 0.0)
    gains = (paper.loss.box, paper.loss.obj, paper.loss.cls)
    # Published gains of 0.05, 1 and 0.5 at 3 levels, 640 x 640 and 80 classes.
    assert gains == pytest.approx((0.075, 0.375, 0.01875))
    assert (paper.loss.balance, paper.loss.iou_target) == ((4.0, 1.0), 1.0)
    line = "spikesight train --out runs/a --steps 9 --recipe paper --grid 64x96 --augment --encoding binary"
    changed = parsed(line, monkeypatch)
    assert (changed.grid, changed.augment, changed.step_us) == ((64, 96), AugmentSettings(), 50_000)
    assert changed.recipe == replace(PAPER, encoding="binary")
    assert (
        command(paper) == "spikesight train --layout ems-nano --out runs/a --recipe paper --steps 9 --seed 1"
    )


@pytest.mark.parametrize(
    ("data", "encoding"),
    [("coco:x", "frame"), ("coco:x*2+coco:y", "frame"), ("pedro:x", "counts"), ("sim:street", "counts")],
)
def test_pictures_choose_their_encoding(data: str, encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    line = f"spikesight train --out runs/a --steps 9 --data {data}"
    assert parsed(line, monkeypatch).recipe.encoding == encoding
    assert parsed(f"{line} --encoding binary", monkeypatch).recipe.encoding == "binary"


def test_a_grid_that_is_none_is_explained(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["train", "--out", str(tmp_path), "--steps", "1", "--grid", "wide"])
    assert done.exit_code == 2
    assert "WIDTHxHEIGHT" in done.output


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": None}, {"minutes": 3.0}, {"grid": (100, 64)}, {"batch": 0}, {"pool": 3}, {"seed": 1000},
        {"lr": float("nan")}, {"ema": 1.5}, {"short_share": -0.1}, {"device": "tpu"}, {"precision": "int8"},
        {"retries": -1}, {"warm_steps": 0},
        {"anchors": "fitted", "recipe": replace(OURS, anchors=(((1, 1),),))},
    ],
)  # fmt: skip
def test_settings_that_mean_nothing_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(BadTraining, match=r"(give|must|may be|leave)"):
        replace(PLAIN, **changes)


def test_dotted_names_reach_every_setting() -> None:
    names = dotted(PLAIN)
    assert {"out", "loss.obj", "recipe.neuron.leak", "augment.flip"} <= names.keys()
    json.dumps(names)
