"""Packs: what goes in comes out, compactly, and damage is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.training.datasets.made import same_windows
from training.augment import plain_view, render
from training.datasets import BoxRule, Cut, LabelledWindow, TimedBoxes
from training.datasets.pack import MAGIC, Pack, write_pack
from training.datasets.recorded import AT_END, RecordedPart
from training.errors import BadDataset


def window_of(cell: list[int], count: list[int], boxes: int = 2, ignores: int = 1) -> LabelledWindow:
    return LabelledWindow(
        shape=(5, 2, 720, 1280),
        cell=np.array(cell, np.uint32),
        count=np.array(count, np.uint8),
        xyxy=np.arange(4 * boxes, dtype=np.float32).reshape(-1, 4) / 3,
        label=np.arange(boxes),
        ignore=np.full((ignores, 4), 7.5, np.float32),
    )


WINDOWS = [
    window_of([0, 1, 254, 255, 510, 1_000_000, 9_215_999], [1, 2, 255, 1, 1, 9, 3]),
    window_of([], [], boxes=0, ignores=0),
    window_of([9_215_999], [1], boxes=1, ignores=0),
]


def write(path: Path, windows: list[LabelledWindow]) -> Path:
    write_pack(path, windows, lambda: {"part": "a", "boxes": [1, 2]})
    return path


def test_windows_come_back_in_any_order(tmp_path: Path) -> None:
    pack = Pack.open(write(tmp_path / "a.pack", WINDOWS))
    assert len(pack) == 3
    assert pack.about == {"part": "a", "boxes": [1, 2]}
    assert same_windows([pack[at] for at in (2, 0, 1)], [WINDOWS[at] for at in (2, 0, 1)])
    assert pack[0].unpacked().dense().sum() == 272


def test_a_packed_window_is_seen_as_it_was(
    square_window: Callable[[int], LabelledWindow], tmp_path: Path
) -> None:
    window = square_window(5)
    (packed,) = [Pack.open(write(tmp_path / "a.pack", [window]))[0]]
    plain = plain_view(window.shape, (64, 32))
    one, other = render(packed, plain, (64, 32)), render(window, plain, (64, 32))
    np.testing.assert_array_equal(one.counts, other.counts)
    np.testing.assert_array_equal(one.xyxy, other.xyxy)
    assert one.counts.sum() > 100


def test_an_empty_pack_is_a_pack(tmp_path: Path) -> None:
    assert len(Pack.open(write(tmp_path / "a.pack", []))) == 0


def test_nothing_is_left_under_the_name_where_writing_fails(tmp_path: Path) -> None:
    def failing() -> Iterator[LabelledWindow]:
        yield WINDOWS[0]
        raise BadDataset("cut off")

    with pytest.raises(BadDataset, match="cut off"):
        write_pack(tmp_path / "a.pack", failing(), dict)
    assert not (tmp_path / "a.pack").exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"PK\x03\x04" + data[4:],
        lambda data: data[:-40],
        lambda data: data[: len(MAGIC) + 60] + bytes(20) + data[len(MAGIC) + 80 :],
        lambda data: data[:-8] + b"\xff" * 8,
    ],
    ids=["empty", "another format", "cut off", "a hole", "forged lengths"],
)
def test_damage_is_named(damage: object, tmp_path: Path) -> None:
    path = write(tmp_path / "a.pack", WINDOWS)
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(BadDataset, match=r"a\.pack: these cached windows cannot be read.*Delete the file"):
        _ = Pack.open(path)[0]


@pytest.mark.shared
def test_windows_of_real_recordings_take_less_than_seven_bits_a_cell(
    recordings: Path, tmp_path: Path
) -> None:
    end = np.array([AT_END])
    none = TimedBoxes(end, end[:0], np.zeros((0, 4), np.float32), end[:0])
    clip = RecordedPart("a", recordings / "walker_frame0013230.npy", lambda: none, size=(346, 260))
    (window,) = clip.windows(Cut(rule=BoxRule(0, 0, 0)))
    path = write(tmp_path / "a.pack", [window])
    assert path.stat().st_size < 6.5 / 8 * len(window.cell)
    assert same_windows([Pack.open(path)[0]], [window])
