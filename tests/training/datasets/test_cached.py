"""The cache of recorded windows and the order they are learnt in."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training.datasets.made import events_of, same_windows, timed, unpacked, write
from training.datasets import BoxRule, Cut, Split, TimedBoxes
from training.datasets.cache import PrepareProgress, prepare
from training.datasets.cached import CHUNK, RecordedData
from training.datasets.recorded import RecordedPart
from training.errors import BadDataset

EVERY_BOX = BoxRule(0, 0, 0)
CUT = Cut(steps=2, step_us=5_000, rule=EVERY_BOX)
BOX = (10, 20, 40, 50)


def some_labels(moments: range = range(10_000, 100_000, 10_000)) -> TimedBoxes:
    return timed(list(moments), [(t, (10 + t / 10_000, 20, 40, 50), 0) for t in moments])


@dataclass
class SomeData:
    """Recordings `split/k.npy` of `root`, nine labelled moments each."""

    root: Path
    splits: dict[Split, int] = field(default_factory=lambda: {"train": 3, "val": 2})
    read: Callable[[], TimedBoxes] = some_labels
    classes: tuple[str, ...] = ("person", "car")
    rule: BoxRule = EVERY_BOX

    def parts(self, split: Split) -> Sequence[RecordedPart]:
        return [self._part(split, k) for k in range(self.splits.get(split, 0))]

    def _part(self, split: Split, k: int) -> RecordedPart:
        path = self.root / split / f"{k}.npy"
        if not path.exists():
            write(events_of(100 * len(split) + k), path)
        return RecordedPart(f"{split}/{k}", path, self.read, size=(96, 64))

    def describe(self) -> dict[str, Any]:
        return {"data": "some"}


def pack_files(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.rglob("*.pack")}


def test_windows_are_read_once_and_kept(tmp_path: Path) -> None:
    data, told = SomeData(tmp_path / "raw"), []
    first = prepare(data, "train", CUT, tmp_path / "cache", on_progress=told.append)
    made = pack_files(tmp_path)
    again = prepare(data, "train", CUT, tmp_path / "cache", threads=2)
    assert pack_files(tmp_path) == made
    assert [(p.parts, p.of, p.windows) for p in told] == [(1, 3, 9), (2, 3, 18), (3, 3, 27)]
    assert first.to_json() == again.to_json()
    assert first.to_json() == {"windows": 27, "boxes": {"person": 27, "car": 0}, "regions_to_ignore": 0}
    direct = list(data.parts("train")[1].windows(CUT))
    assert same_windows([again.packs[1][k] for k in range(9)], direct)


def test_another_cut_and_changed_files_are_read_anew(tmp_path: Path) -> None:
    data = SomeData(tmp_path / "raw")
    prepare(data, "train", CUT, tmp_path / "cache")
    before = pack_files(tmp_path)
    write(events_of(77), data.root / "train" / "1.npy")
    prepared = prepare(data, "train", CUT, tmp_path / "cache")
    after = pack_files(tmp_path)
    assert sum(after[name] != before[name] for name in before) == 1
    assert same_windows([prepared.packs[1][0]], list(data.parts("train")[1].windows(CUT))[:1])
    prepare(data, "train", Cut(2, 4_000, EVERY_BOX), tmp_path / "cache")
    assert len(list(tmp_path.rglob("*.pack"))) == 6


def test_a_damaged_pack_is_made_anew(tmp_path: Path) -> None:
    data = SomeData(tmp_path / "raw")
    prepare(data, "val", CUT, tmp_path / "cache")
    bad = min(tmp_path.rglob("*.pack"))
    bad.write_bytes(bad.read_bytes()[:100])
    assert prepare(data, "val", CUT, tmp_path / "cache").windows == 18


def test_a_bad_recording_stops_and_leaves_the_others(tmp_path: Path) -> None:
    data = SomeData(tmp_path / "raw")
    data.parts("train")
    broken = data.root / "train" / "2.npy"
    broken.write_bytes(broken.read_bytes()[:5_000])
    with pytest.raises(BadDataset, match=r"2\.npy: cannot be read"):
        prepare(data, "train", CUT, tmp_path / "cache")
    assert len(pack_files(tmp_path)) == 2
    broken.unlink()
    assert prepare(data, "train", CUT, tmp_path / "cache").windows == 27


SLOW = """
import sys, time
from pathlib import Path
from tests.training.datasets.test_cached import CUT, SomeData, some_labels
from training.datasets.cache import prepare

def slowly():
    time.sleep(0.4)
    return some_labels()

prepare(SomeData(Path(sys.argv[1]), {"train": 50}, slowly), "train", CUT, Path(sys.argv[2]))
"""


def test_a_killed_run_is_taken_up_where_it_was(tmp_path: Path) -> None:
    raw, cache = tmp_path / "raw", tmp_path / "cache"
    child = subprocess.Popen([sys.executable, "-c", SLOW, str(raw), str(cache)])
    deadline = time.monotonic() + 60
    while len(pack_files(cache)) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    done = pack_files(cache)
    assert 2 <= len(done) < 50
    (next(cache.rglob("*.pack")).parent / "left.part").write_bytes(b"of a killed run")
    told: list[PrepareProgress] = []
    prepare(SomeData(raw, {"train": 50}), "train", CUT, cache, on_progress=told.append)
    assert told[-1].parts == 50
    assert {name: at for name, at in pack_files(cache).items() if name in done} == done
    assert not list(cache.rglob("*.part"))


def recorded(tmp_path: Path, **options: Any) -> RecordedData:
    data = SomeData(tmp_path / "raw", **{k: v for k, v in options.items() if k in ("splits", "read")})
    rest = {k: v for k, v in options.items() if k not in ("splits", "read")}
    return RecordedData(data, CUT, tmp_path / "cache", **rest)


def test_each_epoch_holds_every_window_once(tmp_path: Path) -> None:
    data = recorded(tmp_path, splits={"train": 9, "val": 1}, seed=3)  # 81 windows
    with data.chunks(0) as chunks:
        row = unpacked([window for k in range(3) for window in chunks.load(k)])
    keys = [(tuple(w.cell[:20]), float(w.xyxy[0, 0])) for w in row]
    assert len(row) == 3 * CHUNK
    assert len(set(keys[:81])) == len(set(keys[81:162])) == 81
    assert keys[:81] != keys[81:162]
    assert len({key[1] for key in keys[:12]}) > 3  # moments, and so recordings, mix within a chunk


def test_a_chunk_is_always_the_same_windows(tmp_path: Path) -> None:
    with recorded(tmp_path, seed=1).chunks(0) as chunks:
        first = [chunks.load(k) for k in range(3)]
    with recorded(tmp_path, seed=1, threads=2).chunks(2) as chunks:
        assert same_windows(chunks.load(2), first[2])
        assert same_windows(chunks.load(0), first[0])
    with recorded(tmp_path, seed=2).chunks(0) as chunks:
        assert not same_windows(chunks.load(0), first[0])
        while not chunks.ready(1):
            time.sleep(0.01)


def test_held_out_windows_are_those_of_val_or_test(tmp_path: Path) -> None:
    data = recorded(tmp_path)
    held_out = data.held_out(500)
    assert len(held_out) == 18
    assert same_windows(data.held_out(5), held_out[:5])
    cells = {w.cell.tobytes() for w in unpacked(held_out)}
    expected = {w.cell.tobytes() for part in data.data.parts("val") for w in part.windows(CUT)}
    assert cells == expected
    test = recorded(tmp_path, splits={"train": 1, "test": 1})
    assert test.describe()["held_out"] == {
        "split": "test", "windows": 9, "boxes": {"person": 9, "car": 0}, "regions_to_ignore": 0,
    }  # fmt: skip


def test_an_empty_class_is_said(tmp_path: Path) -> None:
    told: list[PrepareProgress] = []
    data = recorded(tmp_path, on_progress=told.append)
    with data.chunks(0):
        pass
    assert [p.message for p in told if p.message] == [
        "no box of car in the split train: these classes are not learnt",
        "no box of car in the split val: these classes are not measured",
    ]
    assert data.describe()["train"]["boxes"] == {"person": 27, "car": 0}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"read": lambda: timed([50_000])}, "no box of person, car in the 3 windows of the split train"),
        ({"splits": {"train": 2}}, "no recording in val or test"),
        ({"splits": {"val": 2}}, "no recording in train"),
    ],
)
def test_data_that_teach_nothing_are_refused(options: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(BadDataset, match=says), recorded(tmp_path, **options).chunks(0):
        pass


def test_the_cache_stays_small(tmp_path: Path) -> None:
    prepared = prepare(SomeData(tmp_path / "raw"), "train", CUT, tmp_path / "cache")
    sparse = sum(5.0 * pack[k].cells for pack in prepared.packs for k in range(len(pack)))
    assert sum(pack.path.stat().st_size for pack in prepared.packs) < sparse / 2
    assert np.isclose(sparse / prepared.windows, 5 * 400, rtol=0.1)
