"""DSEC-Detection on small files in its layout."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from streaming.events import Events
from tests.training.datasets.made import counted
from tests.training.datasets.prophesee_files import (
    DSEC_BOX,
    Rectangle,
    events_of,
    rows_of,
    write_boxes,
    write_dsec_events,
)
from training.datasets import Cut
from training.datasets.dsec import RULE, VALIDATION, Dsec
from training.errors import BadDataset

SIZE = (640, 480)
KINDS = [Rectangle(kind, 10 + 70 * kind, 50 + 30 * kind, 40, 50) for kind in range(8)]
EVENTS = events_of(KINDS, 300_000)
OFFSET_US = 49_599_000_000
MOMENTS = [100_000, 150_000, 200_000]
CUT = Cut(steps=4, step_us=10_000, rule=RULE)


def write_one(sequence: Path) -> Path:
    write_dsec_events(sequence / "events/left/events.h5", EVENTS, OFFSET_US)
    rows = [(t_us + OFFSET_US, *rest) for t_us, *rest in rows_of(KINDS, MOMENTS)]
    write_boxes(sequence / "object_detections/left/tracks.npy", rows, DSEC_BOX)
    return sequence


def test_windows_meet_labels_of_absolute_time(tmp_path: Path) -> None:
    write_one(tmp_path / "train/zurich_city_00_a")
    (part,) = Dsec(tmp_path).parts("train")
    found = list(part.windows(CUT))
    assert len(found) == len(MOMENTS)
    for window, t_us in zip(found, MOMENTS, strict=True):
        assert np.array_equal(window.dense(), counted(EVENTS, t_us, 4, 10_000, SIZE))
        assert np.allclose(window.xyxy, [kind.xyxy(t_us) for kind in KINDS], atol=1e-3)
        assert window.label.tolist() == list(range(8))


def test_two_classes_merge_vehicles_and_drop_riders(tmp_path: Path) -> None:
    write_one(tmp_path / "test/thun_02_a")
    data = Dsec(tmp_path, classes=2)
    window = next(iter(data.parts("test")[0].windows(CUT)))
    assert data.classes == ("car", "person")
    assert window.label.tolist() == [1, 0, 0, 0]
    assert np.allclose(window.xyxy, [KINDS[k].xyxy(MOMENTS[0]) for k in (0, 2, 3, 4)], atol=1e-3)


def test_published_sequences_of_train_are_the_validation_split(tmp_path: Path) -> None:
    for name in ("train/interlaken_00_c", *(f"train/{name}" for name in VALIDATION), "test/thun_02_a"):
        write_one(tmp_path / name)
    data = Dsec(tmp_path)
    assert [part.name for part in data.parts("train")] == ["train/interlaken_00_c"]
    assert [part.name for part in data.parts("val")] == [f"train/zurich_city_{n}_a" for n in range(16, 22)]
    assert [part.name for part in data.parts("test")] == ["test/thun_02_a"]
    said = json.dumps(data.describe())
    assert json.loads(said)["recordings"] == {"train": 1, "val": 6, "test": 1}
    assert str(tmp_path) not in said


def cut_events(sequence: Path) -> None:
    path = sequence / "events/left/events.h5"
    path.write_bytes(path.read_bytes()[:-3_000])


def of_a_larger_sensor(sequence: Path) -> None:
    events = Events.of(EVENTS.t_us, EVENTS.x + 640, EVENTS.y, EVENTS.p)
    write_dsec_events(sequence / "events/left/events.h5", events, OFFSET_US)


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "no labels": (
        lambda s: (s / "object_detections/left/tracks.npy").unlink(),
        "has no labels at object_det",
    ),
    "no events": (lambda s: (s / "events/left/events.h5").unlink(), "has no events at events/left/events.h5"),
    "cut events": (cut_events, r"events\.h5: cannot be read: .*damaged"),
    "other sensor": (of_a_larger_sensor, r"events\.h5: cannot be read: .*outside the 640 x 480 sensor"),
    "relative times": (
        lambda s: write_boxes(s / "object_detections/left/tracks.npy", rows_of(KINDS, MOMENTS), DSEC_BOX),
        "these do not meet",
    ),
    "unknown class": (
        lambda s: write_boxes(
            s / "object_detections/left/tracks.npy", [(OFFSET_US, 1, 1, 9, 9, 8, 0)], DSEC_BOX
        ),
        r"tracks\.npy: has boxes of class 8; known are 0 to 7",
    ),
}


@pytest.mark.parametrize(("spoil", "says"), BAD.values(), ids=BAD)
def test_bad_data_says_what_is_wrong(tmp_path: Path, spoil: Callable[[Path], object], says: str) -> None:
    spoil(write_one(tmp_path / "train/zurich_city_00_a"))
    with pytest.raises(BadDataset, match=says) as caught:
        [list(part.windows(CUT)) for part in Dsec(tmp_path).parts("train")]
    assert "zurich_city_00_a" in str(caught.value)


def test_a_folder_of_something_else_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(BadDataset, match="holds no folder train or test; DSEC"):
        Dsec(tmp_path).parts("val")


def test_another_number_of_classes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadDataset, match="found 3 classes for DSEC-Detection; 8 are all, 2 are car"):
        Dsec(tmp_path, classes=3)
