"""1 Mpx on small files in its layout: DAT and HDF5, seven classes and three."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from streaming.events import Events
from tests.training.datasets.made import counted
from tests.training.datasets.prophesee_files import (
    MEGAPIXEL_BOX,
    Rectangle,
    events_of,
    rows_of,
    write_boxes,
    write_dat,
    write_dat_h5,
)
from training.datasets import Cut
from training.datasets.cached import RecordedData
from training.datasets.megapixel import RULE, Megapixel
from training.errors import BadDataset

SIZE = (1280, 720)
KINDS = [Rectangle(kind, 20 + 150 * kind, 100 + 60 * kind, 70, 60) for kind in range(7)]
EVENTS = events_of(KINDS, 900_000)
MOMENTS = [600_000 + 16_667 * k for k in range(14)]
CUT = Cut(steps=2, step_us=25_000, rule=RULE)
NAME = "moorea_2019-02-18_000_td_671500000_731500000"

Write = Callable[[Path, Events, int, int], Path]


def write_one(folder: Path, suffix: str = "_td.dat", write: Write = write_dat) -> None:
    write(folder / f"{NAME}{suffix}", EVENTS, *SIZE)
    write_boxes(folder / f"{NAME}_bbox.npy", rows_of(KINDS, MOMENTS), MEGAPIXEL_BOX)


@pytest.mark.parametrize(
    ("suffix", "write"),
    [("_td.dat", write_dat), ("_td.dat.h5", write_dat_h5), ("_td.h5", write_dat_h5)],
)
def test_windows_ten_times_a_second(tmp_path: Path, suffix: str, write: Write) -> None:
    write_one(tmp_path / "val", suffix, write)
    (part,) = Megapixel(tmp_path).parts("val")
    found = list(part.windows(CUT))
    assert len(found) == 3
    for window, t_us in zip(found, MOMENTS[::6], strict=True):
        assert np.array_equal(window.dense(), counted(EVENTS, t_us, 2, 25_000, SIZE))
        assert np.allclose(window.xyxy, [kind.xyxy(t_us) for kind in KINDS])
        assert window.label.tolist() == list(range(7))


def test_three_classes_drop_the_others_and_keep_their_moments(tmp_path: Path) -> None:
    truck = [Rectangle(3, 100, 100, 90, 90)]
    write_one(tmp_path / "test")
    write_dat(tmp_path / "test/z_td.dat", EVENTS, *SIZE)
    write_boxes(tmp_path / "test/z_bbox.npy", rows_of(truck, [700_000]), MEGAPIXEL_BOX)
    data = Megapixel(tmp_path, classes=3)
    first, second = data.parts("test")
    assert data.classes == ("person", "two-wheeler", "car")
    assert all(window.label.tolist() == [0, 1, 2] for window in first.windows(CUT))
    (empty,) = second.windows(CUT)
    assert len(empty.label) == len(empty.ignore) == 0


def test_every_label_where_none_is_left_out(tmp_path: Path) -> None:
    write_one(tmp_path / "test")
    (part,) = Megapixel(tmp_path, spacing_us=0).parts("test")
    assert len(list(part.windows(CUT))) == len(MOMENTS)


def test_boxes_too_small_for_this_sensor_are_ignored(tmp_path: Path) -> None:
    write_dat(tmp_path / "test/a_td.dat", EVENTS, *SIZE)
    narrow, short = Rectangle(0, 100, 100, 19, 200), Rectangle(2, 300, 100, 40, 40)
    write_boxes(tmp_path / "test/a_bbox.npy", rows_of([narrow, short], [800_000]), MEGAPIXEL_BOX)
    (window,) = Megapixel(tmp_path).parts("test")[0].windows(CUT)
    assert (len(window.label), len(window.ignore)) == (0, 2)


def test_another_number_of_classes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        BadDataset, match="found 5 classes for 1 Mpx; 7 are all, 3 are person, two-wheeler, car"
    ):
        Megapixel(tmp_path, classes=5)


def test_boxes_of_gen1s_size_in_a_gen1_recording_are_refused(tmp_path: Path) -> None:
    write_boxes(tmp_path / f"train/{NAME}_bbox.npy", rows_of(KINDS[:1], MOMENTS), MEGAPIXEL_BOX)
    write_dat(tmp_path / f"train/{NAME}_td.dat", events_of(KINDS[:1], 900_000), 304, 240)
    (part,) = Megapixel(tmp_path).parts("train")
    with pytest.raises(BadDataset, match=r"sensor has 304 x 240 pixels, but .* is of 1280 x 720"):
        list(part.windows(CUT))


def test_another_spacing_is_not_read_from_the_cache(tmp_path: Path) -> None:
    for split in ("train", "val"):
        write_one(tmp_path / "data" / split)
    counts = []
    for spacing_us in (90_000, 30_000):
        data = RecordedData(Megapixel(tmp_path / "data", spacing_us=spacing_us), CUT, tmp_path / "cache")
        counts.append(len(data.held_out(100)))
    assert counts == [3, 7]


def test_what_it_describes_tells_settings_apart(tmp_path: Path) -> None:
    write_one(tmp_path / "train")
    said = [Megapixel(tmp_path, c, spacing_us=s).describe() for c in (3, 7) for s in (0, 90_000)]
    assert all(said.count(one) == 1 for one in said)
