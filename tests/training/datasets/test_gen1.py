"""Gen1 on small files in its layout, and what is said of bad ones."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.training.datasets.made import counted, same_windows
from tests.training.datasets.prophesee_files import (
    GEN1_BOX,
    MEGAPIXEL_BOX,
    Rectangle,
    Row,
    events_of,
    rows_of,
    write_boxes,
    write_dat,
)
from training.datasets import Cut, LabelledWindow, Split
from training.datasets.gen1 import RULE, Gen1
from training.errors import BadDataset

SIZE = (304, 240)
CAR, PEDESTRIAN = Rectangle(0, 20, 100, 80, 40), Rectangle(1, 200, 60, 20, 50, px_per_s=-10)
EVENTS = events_of([CAR, PEDESTRIAN], 1_000_000)
MOMENTS = (250_000, 750_000, 999_000)
ROWS = rows_of([CAR, PEDESTRIAN], MOMENTS)
CUT = Cut(steps=3, step_us=20_000, rule=RULE)
NAME = "17-03-30_12-53-58_1037500000_1097500000"
NESTED = "detection_dataset_duration_60s_ratio_1.0"


def write_one(
    folder: Path, rows: list[Row] = ROWS, name: str = NAME, dtype: np.dtype[np.void] = GEN1_BOX
) -> Path:
    write_dat(folder / f"{name}_td.dat", EVENTS, *SIZE)
    return write_boxes(folder / f"{name}_bbox.npy", rows, dtype)


def windows(root: Path, split: Split = "train") -> list[LabelledWindow]:
    return [window for part in Gen1(root).parts(split) for window in part.windows(CUT)]


@pytest.mark.parametrize("folder", ["train", f"{NESTED}/train", "train_a", "train/deeper"])
@pytest.mark.parametrize("dtype", [GEN1_BOX, MEGAPIXEL_BOX], ids=["ts", "t"])
def test_windows_hold_the_events_before_each_label(
    tmp_path: Path, folder: str, dtype: np.dtype[np.void]
) -> None:
    write_one(tmp_path / folder, dtype=dtype)
    found = windows(tmp_path)
    assert len(found) == 2, "the moment in the first half second is left out"
    for window, t_us in zip(found, MOMENTS[1:], strict=True):
        assert np.array_equal(window.dense(), counted(EVENTS, t_us, 3, 20_000, SIZE))
        assert np.allclose(window.xyxy, [CAR.xyxy(t_us), PEDESTRIAN.xyxy(t_us)])
        assert window.label.tolist() == [0, 1]
        assert window.ignore.shape == (0, 4)
    assert Gen1(tmp_path).classes == ("car", "person")


def test_the_newest_bin_lies_under_the_box(tmp_path: Path) -> None:
    fast = Rectangle(0, 10, 100, 80, 40, px_per_s=150)
    write_dat(tmp_path / "test/a_td.dat", events_of([fast], 1_000_000), *SIZE)
    write_boxes(tmp_path / "test/a_bbox.npy", rows_of([fast], [900_000]), GEN1_BOX)
    (window,) = windows(tmp_path, "test")
    right = window.xyxy[0, 2]
    edges = [np.flatnonzero(bin_[1].any(0)).max() for bin_ in window.dense()]
    assert edges == sorted(edges), "bins run from old to new"
    assert abs(edges[-1] - right) < 3 < right - edges[0]


def test_parts_are_named_sorted_and_cross_processes(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        for name in ("b", "a"):
            write_one(tmp_path / split, name=name)
    parts = Gen1(tmp_path).parts("val")
    assert [part.name for part in parts] == ["val/a", "val/b"]
    there = pickle.loads(pickle.dumps(parts[0]))
    assert same_windows(list(there.windows(CUT)), list(parts[0].windows(CUT)))


def test_small_boxes_are_ignored_and_equal_ones_kept_once(tmp_path: Path) -> None:
    small: Row = (750_000, 10, 10, 40, 9, 0, 7)
    write_one(tmp_path / "train", rows=[*ROWS[2:4], ROWS[2], small])
    (window,) = windows(tmp_path)
    assert window.label.tolist() == [0, 1]
    assert window.ignore.tolist() == [[10, 10, 50, 19]]


def test_boxes_reaching_out_are_cut_and_those_outside_dropped(tmp_path: Path) -> None:
    over, outside = (750_000, -30.0, 200.0, 60.0, 60.0, 0, 8), (750_000, 310.0, 10.0, 40.0, 40.0, 0, 9)
    write_one(tmp_path / "train", rows=[*ROWS[2:4], over, outside])
    (window,) = windows(tmp_path)
    assert window.xyxy[2].tolist() == [0, 200, 30, 240]
    assert len(window.xyxy) == 3


def test_boxes_as_wide_as_the_frame_are_not_trained_on(tmp_path: Path) -> None:
    wide: Row = (750_000, 0, 100, 290, 40, 0, 9)
    for split in ("train", "test"):
        write_one(tmp_path / split, rows=[*ROWS[2:4], wide])
    assert len(windows(tmp_path, "train")[0].label) == 2
    assert len(windows(tmp_path, "test")[0].label) == 3


def test_rows_out_of_order_are_sorted_and_rows_without_area_are_moments(tmp_path: Path) -> None:
    empty: Row = (900_000, 10, 10, 0, 40, 0, 3)
    write_one(tmp_path / "train", rows=[ROWS[4], empty, ROWS[2]])
    assert [window.label.tolist() for window in windows(tmp_path)] == [[0], [], [0]]


def test_a_recording_without_boxes_has_no_windows(tmp_path: Path) -> None:
    write_one(tmp_path / "train", rows=[])
    assert windows(tmp_path) == []


def test_describes_itself_without_paths(tmp_path: Path) -> None:
    write_one(tmp_path / "train")
    said = json.dumps(Gen1(tmp_path).describe())
    assert json.loads(said)["recordings"] == {"train": 1, "val": 0, "test": 0}
    assert str(tmp_path) not in said
    assert Gen1(tmp_path).parts("val") == []


def cut_dat(folder: Path) -> None:
    path = folder / f"{NAME}_td.dat"
    path.write_bytes(path.read_bytes()[:-20_001])


def cut_boxes(folder: Path) -> None:
    path = folder / f"{NAME}_bbox.npy"
    path.write_bytes(path.read_bytes()[:-5])


def without_a_field(folder: Path) -> None:
    boxes = np.zeros(2, [(name, "<f4") for name in ("x", "y", "w", "h", "class_id")])
    np.save(folder / f"{NAME}_bbox.npy", boxes)


def with_both_spellings(folder: Path) -> None:
    np.save(folder / f"{NAME}_bbox.npy", np.zeros(2, [*GEN1_BOX.descr, ("t", "<i8")]))


def replaced(**values: float) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        boxes = np.load(folder / f"{NAME}_bbox.npy")
        for name, value in values.items():
            boxes[name][1] = value
        np.save(folder / f"{NAME}_bbox.npy", boxes)

    return change


def moved(us: int) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        boxes = np.load(folder / f"{NAME}_bbox.npy")
        boxes["ts"] += np.uint64(us)
        np.save(folder / f"{NAME}_bbox.npy", boxes)

    return change


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "no labels": (lambda f: (f / f"{NAME}_bbox.npy").unlink(), r"_td\.dat: has no labels; .*Unpack"),
    "no recording": (lambda f: (f / f"{NAME}_td.dat").unlink(), r"_bbox\.npy: has no recording; .*Unpack"),
    "cut recording": (cut_dat, r"_td\.dat: cannot be read: .*cut off"),
    "empty recording": (lambda f: write_dat(f / f"{NAME}_td.dat", EVENTS[:0], *SIZE), r"holds no event"),
    "cut labels": (cut_boxes, r"_bbox\.npy: is no NPY file.*cut off"),
    "pickled labels": (
        lambda f: np.save(f / f"{NAME}_bbox.npy", np.array([{}, None]), allow_pickle=True),
        r"_bbox\.npy: is no NPY file of plain numbers",
    ),
    "text as labels": (lambda f: (f / f"{NAME}_bbox.npy").write_text("0 1 2"), r"is no NPY file"),
    "plain columns": (lambda f: np.save(f / f"{NAME}_bbox.npy", np.zeros((3, 8))), r"array \(3, 8\) of"),
    "a field missing": (without_a_field, r"fields x, y, w, h, class_id; exactly one t or ts is needed"),
    "both spellings": (with_both_spellings, r"exactly one t or ts is needed"),
    "unknown class": (replaced(class_id=2), r"boxes of class 2; known are 0 to 1"),
    "no number": (replaced(x=np.nan), r"field x is nan in row 1"),
    "negative side": (replaced(w=-4), r"1 boxes have a negative side, the first, at 250000 us, is -4 x 50"),
    "endless time": (replaced(ts=2**63), r"field ts is 9223372036854775808 in row 1"),
    "labels of later": (moved(60_000_000), r"these do not meet"),
    "wrong sensor": (
        lambda f: write_dat(f / f"{NAME}_td.dat", EVENTS, 640, 480),
        r"_td\.dat: its sensor has 640 x 480 pixels, but .* is of 304 x 240",
    ),
    "labels of a larger sensor": (
        lambda f: write_boxes(f / f"{NAME}_bbox.npy", [(750_000, 700, 300, 90, 90, 0, 1)], GEN1_BOX),
        r"outside the 304 x 240 sensor, as do 1 of 1 boxes",
    ),
}


@pytest.mark.parametrize(("spoil", "says"), BAD.values(), ids=BAD)
def test_bad_data_says_what_is_wrong(tmp_path: Path, spoil: Callable[[Path], object], says: str) -> None:
    write_one(tmp_path / "train")
    spoil(tmp_path / "train")
    with pytest.raises(BadDataset, match=says) as caught:
        windows(tmp_path)
    assert NAME in str(caught.value)


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (None, "found no such folder; give the one Gen1"),
        ("other", "holds the folders other; Gen1 has train, val and test"),
        ("train", "train: holds no recording of Gen1"),
    ],
)
def test_a_folder_of_something_else_says_what_is_expected(
    tmp_path: Path, made: str | None, says: str
) -> None:
    root = tmp_path / "gen1"
    if made:
        (root / made).mkdir(parents=True)
    with pytest.raises(BadDataset, match=says):
        Gen1(root).parts("train")
