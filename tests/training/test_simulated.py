"""Simulated data: no training scene is ever a held-out one, and processes write what their seeds say."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from training.datasets import LabelledWindow
from training.datasets.fingerprint import SIMULATOR, code_fingerprint
from training.datasets.scenes import CALL, CALLS, CHUNK, SceneSettings, Sensor, simulate
from training.datasets.simulated import HELD_OUT_SEEDS, SimulatedData, make_chunk, training_seeds
from training.errors import GeneratorDied

SMALL = SceneSettings(step_us=8_000, steps=2, sensors=(Sensor(64, 48, 0.5, 1.0),))


def same(a: list[LabelledWindow], b: list[LabelledWindow]) -> bool:
    return len(a) == len(b) and all(
        np.array_equal(getattr(x, name), getattr(y, name))
        for x, y in zip(a, b, strict=True)
        for name in ("cell", "count", "xyxy", "label", "ignore")
    )


def test_seeds_of_runs_and_of_the_held_out_set_are_disjoint() -> None:
    last_chunk = 2_000_000  # 128 million windows
    spans = [HELD_OUT_SEEDS]
    for run in (0, 1, 2, 998, 999):
        spans.append(range(training_seeds(run, 0).start, training_seeds(run, last_chunk).stop))
    for before, after in itertools.pairwise(spans):
        assert before.stop <= after.start
    assert training_seeds(3, 7).stop == training_seeds(3, 8).start


def test_a_call_is_its_seed() -> None:
    assert same(simulate(SMALL, 5), simulate(SMALL, 5))
    assert not same(simulate(SMALL, 5), simulate(SMALL, 6))


def test_windows_hold_boxes_of_known_classes_inside_the_sensor() -> None:
    windows = [window for seed in range(3) for window in simulate(SMALL, seed)]
    assert len(windows) == 3 * CALL
    assert sum(len(window.label) for window in windows) > 5
    for window in windows:
        assert window.shape == (2, 2, 48, 64)
        assert len(window.label) == 0 or 0 <= window.label.min() <= window.label.max() < len(SMALL.classes)
        assert (window.xyxy[:, :2] < window.xyxy[:, 2:]).all()
        assert (window.xyxy >= 0).all()
        assert (window.xyxy <= np.array([64, 48, 64, 48])).all()


def test_sensors_are_mixed_by_share() -> None:
    mixed = SceneSettings(steps=1, sensors=(Sensor(64, 48, 0.5, 1.0), Sensor(48, 64, 0.5, 3.0)))
    shapes = [simulate(mixed, seed)[0].shape[2:] for seed in range(12)]
    assert set(shapes) == {(48, 64), (64, 48)}
    assert shapes.count((64, 48)) > shapes.count((48, 64))


def test_the_held_out_set_is_kept_and_begins_the_same(tmp_path: Path) -> None:
    data = SimulatedData(folder=tmp_path / "pool", cache=tmp_path / "cache", run=1, scenes=SMALL)
    few, more = data.held_out(10), data.held_out(CALL + 2)
    assert same(list(few), list(more[:10]))
    files = sorted(path.name for path in (tmp_path / "cache").iterdir())
    assert files == [f"held-out-{SMALL.fingerprint()}-{SIMULATOR}-{k:03d}.npz" for k in range(2)]
    other = SceneSettings(step_us=4_000, steps=2, sensors=SMALL.sensors)
    assert other.fingerprint() != SMALL.fingerprint()


def test_other_sources_have_another_fingerprint(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1")
    first = code_fingerprint(tmp_path)
    assert code_fingerprint(tmp_path) == first
    (tmp_path / "notes.txt").write_text("no code")
    assert code_fingerprint(tmp_path) == first
    (tmp_path / "a.py").write_text("x = 2")
    changed = code_fingerprint(tmp_path)
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    assert len({first, changed, code_fingerprint(tmp_path)}) == 3


def test_a_process_writes_the_chunks_of_the_seeds(tmp_path: Path) -> None:
    data = SimulatedData(folder=tmp_path / "pool", cache=tmp_path, run=4, ahead=2, scenes=SMALL)
    with data.chunks(first=3) as chunks:
        made = chunks.load(3)
        assert same(made, make_chunk(SMALL, 4, 3))
        assert len(made) == CHUNK == CALLS * CALL
        chunks.load(4)
        # One that an earlier part of the run used up comes again from its seeds.
        assert same(chunks.load(1), make_chunk(SMALL, 4, 1))
        chunks.release(3)
        assert not chunks.ready(3)
        worker = multiprocessing.active_children()[0]
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGKILL)
        worker.join()
        with pytest.raises(GeneratorDied, match="exit code -9 before it wrote chunk 90"):
            chunks.load(90)
    assert not multiprocessing.active_children()
