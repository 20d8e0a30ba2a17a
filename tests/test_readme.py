"""The README's own commands, run as they stand (blocks marked `run`) against a real server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from streaming.sources import open_recording
from streaming.writers import write_recording
from tests.servers import RunningServer, running_server

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"^```(sh|python) run\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> RunningServer:
    with running_server(tmp_path_factory.mktemp("readme") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `recording.raw` in it, as the commands expect."""
    folder = tmp_path_factory.mktemp("commands")
    rng = np.random.default_rng(1)
    t_us = np.sort(rng.integers(0, 100_000, 20_000))
    x, y = rng.integers(0, 640, 20_000), rng.integers(0, 480, 20_000)
    np.save(folder / "events.npy", np.stack([t_us, x, y, rng.integers(0, 2, 20_000)], 1))
    with open_recording(folder / "events.npy", width=640, height=480) as source:
        write_recording(source, folder / "recording.raw")
    return folder


def test_there_are_commands_to_run() -> None:
    assert len(BLOCKS) >= 5


@pytest.mark.parametrize(("language", "block"), BLOCKS, ids=lambda text: text.split("\n")[0][:40])
def test_block(language: str, block: str, server: RunningServer, folder: Path) -> None:
    address = server.url.removeprefix("http://")
    text = block.replace("127.0.0.1:8000", address)
    shell = [sys.executable] if language == "python" else ["bash", "-euo", "pipefail"]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path}
    run = subprocess.run([*shell, "-c", text], cwd=folder, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip()
    assert "urn:spikesight:problem" not in run.stdout
