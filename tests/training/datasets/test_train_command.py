"""`spikesight train --data`: one command from recordings to weights, and one line where they are bad."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from service.cli import main
from tests.training.datasets.test_pedro import make_clip, voc


@pytest.fixture
def pedro(tmp_path: Path) -> Path:
    for number, split in enumerate(("train", "train", "val")):
        make_clip(tmp_path / "pedro", split, number, voc((10, 20, 40, 90)))
    return tmp_path / "pedro"


def train(monkeypatch: pytest.MonkeyPatch, data: str, out: Path) -> None:
    options = ["--data", data, "--out", str(out), "--steps", "1", "--batch", "2", "--views", "1000"]
    monkeypatch.setattr(sys, "argv", ["spikesight", "train", *options])
    main()


def test_one_command_trains_and_the_card_says_on_what(
    pedro: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit) as ended:
        train(monkeypatch, f"pedro:{pedro}", tmp_path / "runs" / "a")
    assert ended.value.code == 0
    card = json.loads((tmp_path / "runs" / "a" / "weights" / "ems-nano.json").read_text())
    assert card["classes"] == ["person"]
    text = json.dumps(card)
    assert '"data": "PEDRo"' in text
    assert str(tmp_path) not in text


def test_a_bad_data_set_is_one_line(
    pedro: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_clip(pedro, "val", 2, voc((10, 20, 40, 90), name="dog"))
    with pytest.raises(SystemExit) as ended:
        train(monkeypatch, f"pedro:{pedro}", tmp_path / "runs" / "a")
    assert ended.value.code == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("error:")
    assert "frame0000002.xml: has a box of class 'dog'; known are person" in said
    assert "Traceback" not in said
