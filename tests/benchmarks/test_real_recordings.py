"""`python -m benchmarks.real_recordings` on recordings and weights made here."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from benchmarks.real_recordings.__main__ import main
from benchmarks.real_recordings.clips import Hits, judge, recall_range, thresholds
from benchmarks.real_recordings.notes import read_notes
from benchmarks.real_recordings.sheets import MOST_BYTES, moments
from benchmarks.real_recordings.shifts import shifted_windows
from benchmarks.real_recordings.watching import answers, read_truth
from model.detections import Detections
from model.detector import Detector
from service.answers import Answer
from service.pipeline import DetectOptions
from tests.model.tiny import CLASSES, keep_step_graph, tiny_card, write_tiny
from training.metrics import Truth

BEGIN_US = 1_676_562_141_437_616
LABELS = """<annotation><size><width>96</width><height>64</height><depth>1</depth></size>
<object><name>person</name><difficult>0</difficult><bndbox>
<xmin>10</xmin><ymin>5</ymin><xmax>30</xmax><ymax>50</ymax></bndbox></object>
<object><name>person</name><difficult>1</difficult><bndbox>
<xmin>60</xmin><ymin>5</ymin><xmax>80</xmax><ymax>50</ymax></bndbox></object></annotation>"""


def write_clip(path: Path, milliseconds: int, events: int = 9_000) -> Path:
    rng = np.random.default_rng(events)
    t_us = np.sort(rng.integers(0, milliseconds * 1_000, events))
    t_us[0] = 0
    columns = t_us + BEGIN_US, rng.integers(0, 96, events), rng.integers(0, 64, events)
    np.save(path, np.stack([*columns, rng.integers(0, 2, events)], 1))
    return path


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    folder = tmp_path / "recordings"
    folder.mkdir()
    write_clip(folder / "clip.npy", 40)
    (folder / "clip.xml").write_text(LABELS)
    write_clip(folder / "long.npy", 230, events=20_000)
    (folder / "closed.bag").write_bytes(b"#ROSBAG V2.0\n" + bytes(64))
    (folder / "README.md").write_text("not a recording")
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights that box something in every window."""
    return keep_step_graph(write_tiny(tmp_path_factory.mktemp("weights"), tiny_card(threshold=0.0)))


def found(*rows: tuple[float, ...], label: int = 0) -> Detections:
    xyxy = np.array([row[:4] for row in rows], np.float32)
    score = np.array([row[4] for row in rows], np.float32)
    return Detections(xyxy, score, np.full(len(rows), label), CLASSES)


def test_it_writes_page_pictures_and_card(
    recordings: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "docs"
    main([str(model), "--recordings", str(recordings), "--out", str(out), "--write"])
    page = (out / "recordings.md").read_text()
    assert "| closed.bag | - | - | - | - | - | refused | - |" in page
    assert "Refused: `closed.bag: found a ROS 1 bag; extract its events first." in page
    assert "| long.npy | npy, 96 x 64 | 20,000 | 230.0 ms | - | 6 |" in page
    assert "not looked at yet with these weights" in page
    assert "80% range of the recall over resampled clips: 0.00 to 0.00. Clips: 1;" in page
    assert page.count("\n| -6.4 ms |") == page.count("\n| +0 ms |") == page.count("\n| +6.4 ms |") == 1
    for name in ("clip", "long"):
        picture = out / "images" / "recordings" / f"{name}.png"
        assert f"(images/recordings/{name}.png)" in page
        assert picture.stat().st_size <= MOST_BYTES
        assert cv2.imread(str(picture)).std() > 0
    assert not (out / "images" / "recordings" / "closed.png").exists()
    (row,) = json.loads(model.read_text())["metrics"]["real_clips"]
    assert row["name"] == "clip"
    assert row["people"] == 1  # the difficult one is ignored
    assert row["false"] > 0
    assert f"clip: {row['found']} of 1 people, {row['false']} false boxes" in capsys.readouterr().out


def test_it_says_where_recordings_are_missing(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([str(model), "--recordings", str(tmp_path / "none"), "--out", str(tmp_path)])
    assert "found no recordings in" in capsys.readouterr().err
    assert not (tmp_path / "recordings.md").exists()


def test_the_window_without_a_shift_is_the_users(recordings: Path, model: Path) -> None:
    detector, path = Detector.load(model), recordings / "clip.npy"
    windows = {window.shift_us: window for window in shifted_windows(path, detector)}
    assert list(windows) == [-6_400, -4_800, -3_200, -1_600, 0, 1_600, 3_200, 4_800, 6_400]
    (answer,) = answers(path, detector, DetectOptions())
    np.testing.assert_array_equal(windows[0].boxes.xyxy, answer.detections.xyxy)
    assert windows[0].seen == 1.0
    t_us = np.load(path)[:, 0] - BEGIN_US
    assert windows[-1_600].seen == (t_us < 38_400).mean()
    assert windows[3_200].seen == (t_us >= 3_200).mean()


def test_judging_counts_people_false_boxes_and_regions_to_ignore(recordings: Path) -> None:
    truth = read_truth(recordings / "clip.npy", CLASSES)
    assert truth is not None
    person = (11, 5, 30, 50, 0.9)
    assert judge(found(person), truth) == Hits(people=1, found=1, false=0)
    assert judge(found(person, label=1), truth) == Hits(1, 0, 1)
    assert judge(found(person, (60, 5, 80, 50, 0.8), (10, 6, 30, 50, 0.7)), truth) == Hits(1, 1, 1)
    assert read_truth(recordings / "long.npy", CLASSES) is None


def test_the_range_of_the_recall_is_as_wide_as_clips_differ() -> None:
    assert recall_range([Hits(2, 2, 0), Hits(4, 1, 0)]) == (0.25, 1.0)
    assert recall_range([Hits(4, 3, 0)] * 3) == (0.75, 0.75)
    assert all(np.isnan(recall_range([Hits(0, 0, 2)])))


def test_thresholds_begin_with_the_cards() -> None:
    card = tiny_card(threshold=0.37)
    assert thresholds(card)[0][1] == 0.37
    operating = {"best_f1_threshold": 0.31, "quiet_threshold": 0.37}
    known = thresholds(replace(card, metrics={"operating": operating}))
    assert [value for _, value in known[:3]] == [0.37, 0.31, 0.37]


def answer(seq: int, events: int) -> Answer:
    span = (seq * 40_000, (seq + 1) * 40_000)
    return Answer(seq, span, 5, Detections.empty(CLASSES), events, "cpu")


@pytest.mark.parametrize(
    ("events", "shown"),
    [
        ([10] * 7, [0, 2, 4, 6]),
        ([10, 10, 10, 90, 10, 10, 10], [0, 3, 4, 6]),
        ([900, 1], [0]),
        ([5], [0]),
    ],
)
def test_moments_are_spread_and_hold_the_fullest(events: list[int], shown: list[int]) -> None:
    assert [each.seq for each in moments([answer(*pair) for pair in enumerate(events)])] == shown


def test_notes_by_eye_are_of_certain_weights(tmp_path: Path) -> None:
    path = tmp_path / "notes.toml"
    path.write_text('[shows]\n"a.npy" = "a car"\n[by_eye.0123456789ab]\n"a.npy" = "right"\n')
    assert read_notes("0123456789abcdef", path).by_eye == {"a.npy": "right"}
    other: Any = read_notes("f" * 64, path)
    assert (other.shows, other.by_eye) == ({"a.npy": "a car"}, {})


def test_truth_is_of_the_class_of_the_card(recordings: Path) -> None:
    truth = read_truth(recordings / "clip.npy", ("car", "person"))
    assert isinstance(truth, Truth)
    assert truth.label.tolist() == [1]
