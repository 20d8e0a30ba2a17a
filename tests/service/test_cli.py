"""The command line as people type it: real processes, real files, plain errors."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

SPIKESIGHT = Path(sys.executable).with_name("spikesight")
EVENTS = 12_000


def spikesight(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    run = subprocess.run([SPIKESIGHT, *map(str, arguments)], capture_output=True, text=True, timeout=120)
    assert run.returncode == code, run.stderr
    assert "Traceback" not in run.stderr
    return run


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """100 ms of noise at 346 x 260, as N x 4."""
    rng = np.random.default_rng(11)
    t_us = np.sort(rng.integers(0, 100_000, EVENTS))
    t_us[[0, -1]] = 0, 99_999
    x, y, p = rng.integers(0, 346, EVENTS), rng.integers(0, 260, EVENTS), rng.integers(0, 2, EVENTS)
    path = tmp_path_factory.mktemp("cli") / "noise.npy"
    np.save(path, np.stack([t_us, x, y, p], 1))
    return path


def test_info_prints_what_scripts_rely_on(recording: Path) -> None:
    summary = json.loads(spikesight("info", recording, "--json").stdout)
    expected = {
        "format": "npy", "sensor": None, "width": 346, "height": 260, "events": EVENTS,
        "first_t_us": 0, "last_t_us": 99_999, "duration_us": 99_999,
    }  # fmt: skip
    assert {name: summary[name] for name in expected} == expected
    assert summary["health"]["events"] == EVENTS
    assert {verdict["topic"] for verdict in summary["health"]["verdicts"]} >= {"hot_pixels", "flicker"}
    shown = spikesight("info", recording).stdout
    assert "12000" in shown.replace(",", "")
    assert "no hot pixels" in shown or "too short to tell" in shown


@pytest.mark.parametrize("suffix", ["npy", "csv", "aedat4", "raw"])
def test_convert_keeps_every_event(recording: Path, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"out.{suffix}"
    spikesight("convert", recording, out)
    summary = json.loads(spikesight("info", out, "--json").stdout)
    assert (summary["events"], summary["duration_us"]) == (EVENTS, 99_999)


def test_convert_writes_a_simulated_scene_with_its_true_boxes(tmp_path: Path) -> None:
    uri = "sim://street?seed=3&width=172&height=130&duration_s=0.2&speed=max"
    spikesight("convert", uri, tmp_path / "street.aedat4")
    summary = json.loads(spikesight("info", tmp_path / "street.aedat4", "--json").stdout)
    assert (summary["width"], summary["height"]) == (172, 130)
    assert summary["events"] > 0
    assert len(np.load(tmp_path / "street_bbox.npy")) > 0


def test_filters_apply_in_their_order(recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "left.npy"
    spikesight("convert", recording, out, "--filter", "region:0,0,100,260", "--filter", "polarity:on")
    events = np.load(out)
    assert 0 < len(events) < EVENTS / 4
    assert set(events["p"]) == {1}
    assert events["x"].max() < 100


def test_view_draws_a_sheet_and_a_film(recording: Path, tmp_path: Path) -> None:
    spikesight("view", recording, "-o", tmp_path / "sheet.png", "--boxes", "--threshold", "0.01")
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet.shape[1] >= 640
    assert sheet.max() > 200
    spikesight("view", recording, "-o", tmp_path / "film.mp4")
    film = cv2.VideoCapture(str(tmp_path / "film.mp4"))
    assert film.get(cv2.CAP_PROP_FRAME_COUNT) == 3


def test_detect_answers_every_window(recording: Path, tmp_path: Path) -> None:
    film = tmp_path / "boxes.mp4"
    run = spikesight("detect", recording, "--json", "--video", film)
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    assert [answer["steps"] for answer in answers] == [5, 5, 3]
    assert sum(answer["events"] for answer in answers) == EVENTS
    assert all(answer["spikes"]["energy_mj"] > 0 for answer in answers)
    assert film.stat().st_size > 0
    assert "4.6 pJ a multiply-accumulate" in " ".join(spikesight("detect", recording).stdout.split())


def test_models_and_their_cards() -> None:
    assert "ems-nano" in spikesight("models").stdout
    assert "## Not good for" in spikesight("models", "ems-nano").stdout


def test_a_graph_is_exported(tmp_path: Path) -> None:
    spikesight("weights", "export", "ems-nano", "-o", tmp_path / "nano.onnx")
    assert (tmp_path / "nano.onnx").read_bytes()[:1] == b"\x08"


class _Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.system, ("echo gotcha",)


def test_a_hostile_checkpoint_is_refused_by_name(tmp_path: Path) -> None:
    import torch

    torch.save({"model": _Evil()}, tmp_path / "evil.pt")
    run = spikesight("weights", "import", tmp_path / "evil.pt", "-o", tmp_path, code=2)
    assert "system" in run.stderr
    assert "gotcha" not in run.stdout + run.stderr
    assert list(tmp_path.iterdir()) == [tmp_path / "evil.pt"]
    (tmp_path / "plain.pt").write_bytes(pickle.dumps({}))
    assert "no checkpoint" in spikesight("weights", "import", tmp_path / "plain.pt", code=2).stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["info", "nowhere.raw"], "nowhere.raw"),
        (["info", __file__], "no format we read"),
        (["detect", "{recording}", "--threshold", "7"], "from 0 to 1"),
        (["detect", "{recording}", "--threshold", "nan"], "from 0 to 1"),
        (["detect", "{recording}", "--model", "yolo"], "ems-nano"),
        (["convert", "{recording}", "out.xyz"], ".xyz"),
        (["convert", "sim://street", "out.npy"], "duration_s"),
        (["convert", "{recording}", "out.npy", "--filter", "blur"], "hot_pixels"),
        (["view", "{recording}", "-o", "out.gif"], ".mp4"),
        (["train", "--out", "runs"], "budget"),
        (["evaluate", "nobody"], "ems-nano"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_what_is_wrong_is_said_in_a_line(
    arguments: list[str], says: str, recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = spikesight(*(argument.format(recording=recording) for argument in arguments), code=2)
    assert says in run.stderr
    assert not list(tmp_path.glob("out*"))


def test_a_taken_port_is_named() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        run = spikesight("serve", "--port", taken.getsockname()[1], code=2)
    assert "--port" in run.stderr


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPIKESIGHT_THREADS", "many")
    run = spikesight("serve", code=2)
    assert "SPIKESIGHT_THREADS" in run.stderr
    assert "docs/settings.md" in run.stderr


def test_health_of_nobody_is_an_error() -> None:
    assert "does not answer" in spikesight("health", "--url", "http://127.0.0.1:9", code=1).stderr
