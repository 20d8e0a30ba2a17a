"""`spikesight train --data`: one command from files to weights, and one line where they are bad."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from model.card import load_card
from model.card_page import card_to_markdown
from model.detector import Detector
from service.cli import main
from tests.training.datasets import test_coco_frames, test_dsec, test_gen1, test_megapixel
from tests.training.datasets.made import HEIGHT, WIDTH, events_of, write
from tests.training.datasets.test_pedro import make_clip, voc
from training.augment import plain_view, render
from training.datasets.coco_frames import CocoFrames

Options = tuple[str, ...]
SMALL: Options = (
    "--grid", "96x64", "--window-steps", "2", "--step-us", "20000", "--batch", "2", "--views", "1000",
    "--held-out", "2", "--set", "validation=1", "--set", "pool=4",
)  # fmt: skip


def make_pedro(root: Path) -> None:
    for number, split in enumerate(("train", "train", "val", "test")):
        make_clip(root, split, number, voc((10, 20, 40, 90)))


def make_gen1(root: Path) -> None:
    for split in ("train", "val"):
        test_gen1.write_one(root / split)


def make_megapixel(root: Path) -> None:
    for split in ("train", "val"):
        test_megapixel.write_one(root / split)


def make_dsec(root: Path) -> None:
    for sequence in ("train/zurich_city_00_a", "train/zurich_city_16_a"):
        test_dsec.write_one(root / sequence)


def make_folder(root: Path) -> None:
    for seed, name in enumerate(("a.raw", "b.npy", "c.aedat4")):
        path = write(events_of(seed), root / name)
        path.with_suffix(".xml").write_text(voc((10, 20, 40, 50), name="dog", size=(WIDTH, HEIGHT)))


SEVEN = ("person", "two-wheeler", "car", "truck", "bus", "traffic sign", "traffic light")
EIGHT = ("person", "rider", "car", "bus", "truck", "bicycle", "motorcycle", "train")
MADE: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "gen1": (make_gen1, ("car", "person")),
    "1mpx": (make_megapixel, SEVEN),
    "dsec": (make_dsec, EIGHT),
    "pedro": (make_pedro, ("person",)),
    "folder": (make_folder, ("dog",)),
    "coco": (test_coco_frames.make_coco, ("person", "car", "toothbrush")),
}


TOLD = {
    "gen1": "Prophesee Gen1", "1mpx": "Prophesee 1 Mpx", "dsec": "DSEC-Detection", "pedro": "PEDRo",
    "folder": "a folder of recordings with VOC boxes", "coco": "COCO train2017",
}  # fmt: skip
"""What the card says that it was trained on."""


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    """The command line's exit code."""
    monkeypatch.setattr(sys, "argv", ["spikesight", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def train(monkeypatch: pytest.MonkeyPatch, data: str, out: Path, *options: object) -> int:
    return run(monkeypatch, "train", "--data", data, "--out", out, "--steps", 2, *SMALL, *options)


@pytest.mark.parametrize("name", list(MADE))
def test_every_source_trains_and_the_card_says_on_what(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, classes = MADE[name]
    make(tmp_path / "mine")
    assert train(monkeypatch, f"{name}:{tmp_path / 'mine'}", tmp_path / "runs" / "a") == 0
    weights = tmp_path / "runs" / "a" / "weights" / "ems-nano.safetensors"
    card = load_card(weights)
    assert card.classes == classes
    assert card.encoding == ("frame" if name == "coco" else "counts")
    assert card.training["steps"] == 2
    assert card.training["data"].startswith(TOLD[name])
    assert str(tmp_path) not in card.to_json()
    block = card.metrics["data_sets"][f"{name}:mine val"]
    assert block["boxes"] > 0
    assert "scores" not in card.metrics, "nothing simulated was measured"
    page = card_to_markdown(card)
    assert f"spikesight evaluate ems-nano --data '{name}:mine' --split val --windows" in page
    assert "simulated" not in page


def test_weights_of_pictures_run_on_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = test_coco_frames.make_coco(tmp_path / "coco")
    assert train(monkeypatch, f"coco:{root}?classes=person", tmp_path / "runs" / "a") == 0
    detector = Detector.load(tmp_path / "runs" / "a" / "weights" / "ems-nano.json", engine="torch")
    (shown,) = CocoFrames(root, steps=2).held_out(1)
    counts = render(shown, plain_view(shown.shape, (96, 64)), (96, 64)).counts
    output = detector.window(counts[None].astype(np.uint16))
    (found,) = detector.detections(output.maps, threshold=0.0)
    assert found.classes == ("person",)
    assert len(found) > 0


def test_the_twin_of_pictures_sees_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = test_coco_frames.make_coco(tmp_path / "coco")
    assert train(monkeypatch, f"coco:{root}", tmp_path / "runs" / "a", "--twin") == 0
    card = load_card(tmp_path / "runs" / "a" / "weights" / "ems-nano.json")
    assert (card.encoding, card.steps, card.step_us) == ("frame", 1, 40_000)


@pytest.mark.parametrize(
    ("data", "options", "complaint"),
    [
        ("coco", ("--encoding", "counts"), "the data holds pictures, which the encoding 'counts' does not"),
        ("pedro", ("--encoding", "frame"), "the data holds events, which the encoding 'frame' does not read"),
    ],
)
def test_an_encoding_that_does_not_read_the_data_is_refused_before_anything_is_read(
    data: str,
    options: Options,
    complaint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    MADE[data][0](tmp_path / "mine")
    assert train(monkeypatch, f"{data}:{tmp_path / 'mine'}", tmp_path / "runs" / "a", *options) == 2
    said = capsys.readouterr().err
    assert complaint in said
    assert "give --encoding" in said
    assert not (tmp_path / "runs" / "cache").exists()


def test_pictures_and_events_are_not_mixed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = test_coco_frames.make_coco(tmp_path / "coco")
    make_pedro(tmp_path / "pedro")
    both = f"coco:{root}+pedro:{tmp_path / 'pedro'}"
    assert train(monkeypatch, both, tmp_path / "runs" / "a") == 2
    assert (
        "found coco in a mixture; it holds pictures, which do not go with events" in capsys.readouterr().err
    )


def test_a_killed_run_on_recordings_goes_on_to_the_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGKILL between two checkpoints: the same command makes what an uninterrupted run makes."""
    make_pedro(tmp_path / "pedro")
    killed, whole = tmp_path / "runs" / "killed", tmp_path / "runs" / "whole"
    words = ["train", "--data", f"pedro:{tmp_path / 'pedro'}", *SMALL, "--steps", "10"]
    often = [*words, "--save-minutes", "0"]
    code = "from service.cli import main; main()"
    process = subprocess.Popen([sys.executable, "-c", code, *often, "--out", str(killed)])
    deadline_s = time.monotonic() + 240
    while not (killed / "checkpoint.pt").exists() and time.monotonic() < deadline_s:
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert 0 < torch.load(killed / "checkpoint.pt")["progress"]["step"] < 10
    assert run(monkeypatch, *often, "--out", killed) == 0
    assert run(monkeypatch, *words, "--out", whole) == 0
    made = [out / "weights" / "ems-nano.safetensors" for out in (killed, whole)]
    assert made[0].read_bytes() == made[1].read_bytes()
    assert load_card(made[0]).metrics == load_card(made[1]).metrics


def test_a_bad_data_set_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_pedro(tmp_path / "pedro")
    make_clip(tmp_path / "pedro", "val", 2, voc((10, 20, 40, 90), name="dog"))
    assert train(monkeypatch, f"pedro:{tmp_path / 'pedro'}", tmp_path / "runs" / "a") == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("error:")
    assert "frame0000002.xml: has a box of class 'dog'; known are person" in said
    assert "Traceback" not in said
