"""Exported graphs: made in a child process, kept, checked, replaced when damaged."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import onnx
import pytest

from model.card import find, load_card
from model.engines.cache import cache_folder, digest_path, ensure_graph, graph_path, is_intact, keep
from model.engines.onnx import OnnxEngine
from model.errors import ExportFailed
from tests.model.tiny import keep_step_graph, random_counts, tiny_card, tiny_yaml, write_tiny

# Prints the first map's sum; fails where torch came into the process.
USE = """
import sys, numpy as np
from model.detector import Detector
detector = Detector.load(sys.argv[1])
output = detector.step(np.ones((1, 2, 32, 64), np.uint16), detector.initial_state(1))
assert "torch" not in sys.modules, "torch was imported"
print(repr(float(output.maps[0].sum())))
"""


@pytest.fixture(scope="module")
def tiniest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    card = tiny_card(layout=tiny_yaml(width=4), grid=(64, 32))
    return write_tiny(tmp_path_factory.mktemp("models"), card)


def use(model: Path, cache: Path) -> str:
    environment = os.environ | {"SPIKESIGHT_CACHE": str(cache)}
    done = subprocess.run(
        [sys.executable, "-c", USE, str(model)],
        env=environment,
        cwd=cache.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def kept(cache: Path) -> dict[str, tuple[bytes, int]]:
    return {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in cache.iterdir()}


def test_graphs_are_made_by_processes_without_torch_and_kept(
    tiniest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setenv("SPIKESIGHT_CACHE", str(cache))
    keep_step_graph(tiniest)
    path = graph_path(load_card(tiniest), find(tiniest), "step")
    exported_here = path.read_bytes()
    damaged = bytearray(exported_here)
    damaged[len(damaged) // 2] ^= 1  # may well load, and compute wrongly
    path.write_bytes(damaged)

    with ThreadPoolExecutor() as pool:  # two find the damage at once
        first, second = pool.map(lambda _: use(tiniest, cache), range(2))
    assert first == second
    made = kept(cache)
    assert sorted(made) == [path.name, f"{path.name}.sha256"]  # no scratch files are left
    assert path.read_bytes() == exported_here  # the same bytes from any process

    assert use(tiniest, cache) == first
    assert kept(cache) == made  # nothing was made again


def test_the_window_graph_is_made_of_the_steps(
    tiniest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPIKESIGHT_CACHE", str(tmp_path))
    card, files = load_card(keep_step_graph(tiniest)), find(tiniest)
    step, window = (onnx.load(ensure_graph(card, files, kind)) for kind in ("step", "window"))
    onnx.checker.check_model(window, full_check=True)
    assert [value.name for value in window.graph.input] == ["counts"]
    assert [v.name for v in window.graph.output] == [v.name for v in step.graph.output]
    convolutions = [sum(n.op_type == "Conv" for n in m.graph.node) for m in (step, window)]
    assert convolutions[1] == card.steps * (convolutions[0] - 2) + 2  # the head runs once
    output = OnnxEngine(card, files).window(random_counts(0, batch=3, grid=card.grid))
    assert output.maps[0].shape == (3, 3, 2, 4, 8)


def test_the_folder_is_chosen_by_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.delenv("SPIKESIGHT_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_folder() == Path("/home/someone/.cache/spikesight")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert cache_folder() == Path("/xdg/spikesight")
    monkeypatch.setenv("SPIKESIGHT_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path


def test_the_key_follows_weights_and_card(tmp_path: Path) -> None:
    base = tiny_card(layout=tiny_yaml(width=4), grid=(64, 32))
    cards = [
        base,
        *(tiny_card(**{"layout": tiny_yaml(width=4)} | c) for c in ({"grid": (32, 64)}, {"steps": 3})),
    ]
    keys = set()
    for number, card in enumerate(cards):
        path = write_tiny(tmp_path / str(number), card)
        keys |= {graph_path(card, find(path), kind) for kind in ("step", "window")}
    other = write_tiny(tmp_path / "other", base, seed=1)
    keys.add(graph_path(base, find(other), "step"))
    assert len(keys) == 7
    relabelled = tiny_card(layout=tiny_yaml(width=4), grid=(64, 32), threshold=0.9, good_for="more")
    same = write_tiny(tmp_path / "same", relabelled)
    assert graph_path(relabelled, find(same), "step") in keys


@pytest.mark.parametrize("damage", ["missing", "changed", "no digest", "digest of bytes", "empty"])
def test_damage_is_noticed(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "x.onnx"
    keep(b"graph", path)
    assert is_intact(path)
    if damage == "missing":
        path.unlink()
    elif damage == "changed":
        path.write_bytes(b"grAph")
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "no digest":
        digest_path(path).unlink()
    else:
        digest_path(path).write_bytes(b"\xff\xfe")
    assert not is_intact(path)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(ExportFailed, match=r"cannot write .*SPIKESIGHT_CACHE"):
        keep(b"graph", tmp_path / "file" / "x.onnx")


def test_the_reason_of_a_failed_export_comes_through(
    tiniest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPIKESIGHT_CACHE", str(tmp_path / "cache"))
    broken = tmp_path / "tiny.json"
    broken.write_bytes(tiniest.read_bytes())
    broken.with_suffix(".safetensors").write_bytes(b"no weights")
    with pytest.raises(ExportFailed, match=r"BadWeights: .*no readable safetensors"):
        ensure_graph(load_card(broken), find(broken), "step")


def test_a_kept_file_that_is_no_graph_is_named(
    tiniest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPIKESIGHT_CACHE", str(tmp_path))
    card, files = load_card(tiniest), find(tiniest)
    keep(b"no graph", graph_path(card, files, "step"))
    with pytest.raises(ExportFailed, match=r"does not load .*delete the file"):
        OnnxEngine(card, files)
