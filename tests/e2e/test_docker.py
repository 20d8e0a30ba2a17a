"""The image and the compose files, for real: build, start, detect, watch, restart, tear down.

Run by `make docker-test`. Where the engine's builds have no network of their own (the stand-in engine of
`.ci/run`), an override gives them the host's.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from service.client import Client

ROOT = Path(__file__).parents[2]
PORT = 18000

pytestmark = [pytest.mark.docker, pytest.mark.timeout(2400)]


def engine_answers() -> bool:
    return (
        bool(shutil.which("docker"))
        and subprocess.run(["docker", "info"], capture_output=True).returncode == 0
    )


class Compose:
    """`docker compose` on the project's own file, in a project of its own name."""

    def __init__(self, override: Path) -> None:
        override.write_text(json.dumps({"services": {"spikesight": {"build": {"network": "host"}}}}))
        self._command = [
            "docker",
            "compose",
            "-p",
            "spikesight-test",
            "-f",
            "docker-compose.yml",
            "-f",
            str(override),
        ]
        self._environment = {**os.environ, "SPIKESIGHT_PORT": str(PORT), "SPIKESIGHT_TAG": "test"}

    def __call__(self, *arguments: str) -> str:
        run = subprocess.run(
            [*self._command, *arguments], cwd=ROOT, env=self._environment, capture_output=True, text=True
        )
        assert run.returncode == 0, f"compose {arguments}:\n{run.stdout[-3000:]}\n{run.stderr[-5000:]}"
        return run.stdout


@pytest.fixture(scope="module")
def compose(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    if not engine_answers():
        pytest.skip("needs a Docker engine; none answers `docker info`")
    compose = Compose(tmp_path_factory.mktemp("compose") / "override.json")
    compose("up", "--build", "--wait", "--wait-timeout", "120")
    yield compose
    compose("--profile", "*", "down", "--volumes", "--timeout", "10")


@pytest.fixture(scope="module")
def client(compose: Compose) -> Iterator[Client]:
    with Client(f"http://127.0.0.1:{PORT}") as client:
        yield client


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of noise, N x 4: t us, x, y, polarity."""
    rng = np.random.default_rng(7)
    n = 50_000
    columns = (
        np.sort(rng.integers(0, 200_000, n)),
        rng.integers(0, 346, n),
        rng.integers(0, 260, n),
        rng.integers(0, 2, n),
    )
    path = tmp_path_factory.mktemp("recording") / "noise.npy"
    np.save(path, np.stack(columns, 1))
    return path


def test_ready_says_device_and_model(client: Client) -> None:
    health = client.health()
    assert health["ready"] is True
    assert "cpu" in json.dumps(health)


def test_a_posted_recording_is_answered(client: Client, recording: Path) -> None:
    result = client.detect(recording, width=346, height=260)
    assert len(result["answers"]) == 5
    assert result["answers"][0]["t_us"][1] - result["answers"][0]["t_us"][0] == 40_000


def test_a_stream_is_watched(client: Client) -> None:
    stream = client.start_stream("sim://street?seed=3")["id"]
    seen = []
    for message in client.watch(stream):
        if message["type"] == "detections":
            seen.append(message)
        if len(seen) == 5:
            break
    client.stop_stream(stream)
    assert seen[-1]["t_us"][1] > seen[0]["t_us"][1]


def test_the_page_is_served(client: Client) -> None:
    page = httpx.get(f"http://127.0.0.1:{PORT}/")
    assert page.status_code == 200
    assert '<script type="module"' in page.text


def test_runs_without_root_and_without_a_compiler(compose: Compose) -> None:
    assert compose("exec", "-T", "spikesight", "id", "-u").strip() == "10001"
    found = compose("exec", "-T", "spikesight", "sh", "-c", "command -v gcc cc g++ || true")
    assert found.strip() == ""


def test_data_and_service_survive_a_restart(compose: Compose, client: Client, recording: Path) -> None:
    compose("exec", "-T", "spikesight", "sh", "-c", "echo kept > /data/marker")
    compose("restart", "--timeout", "10")
    compose("up", "--wait", "--wait-timeout", "120")
    assert compose("exec", "-T", "spikesight", "cat", "/data/marker").strip() == "kept"
    assert client.detect(recording, width=346, height=260)["answers"]


def test_the_gpu_file_is_valid_beside_the_first(compose: Compose) -> None:
    files = ["-f", "docker-compose.yml", "-f", "docker/compose.gpu.yml"]
    run = subprocess.run(["docker", "compose", *files, "config"], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "nvidia" in run.stdout


def test_a_camera_container_feeds_the_service_and_may_go_and_come_back(
    compose: Compose, client: Client
) -> None:
    camera = ("--profile", "cameras")
    compose(*camera, "up", "--detach")
    wait_for(client, ("live",), more_than=10)
    compose(*camera, "kill", "camera")
    before = wait_for(client, ("lost", "connecting"), more_than=10)
    compose(*camera, "up", "--detach", "camera")
    after = wait_for(client, ("live",), more_than=before["answers"] + 10)
    assert after["id"] == before["id"]
    client.stop_stream("camera")
    compose(*camera, "rm", "--stop", "--force", "camera", "plug")


def wait_for(client: Client, states: tuple[str, ...], more_than: int) -> dict[str, Any]:
    """The stream "camera" when its link is as wanted and it has so many answers."""
    seen: list[Any] = []
    for _ in range(120):
        seen = [stream for stream in client.streams() if stream["name"] == "camera"]
        if seen and seen[0]["link"]["state"] in states and seen[0]["answers"] > more_than:
            found: dict[str, Any] = seen[0]
            return found
        time.sleep(0.5)
    raise AssertionError(f"the camera's stream never was {' or '.join(states)}: {seen}")


def test_the_profile_that_observes_is_valid(compose: Compose) -> None:
    run = subprocess.run(
        ["docker", "compose", "--profile", "observe", "config"], cwd=ROOT, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert "9090" in run.stdout
    assert "grafana" in run.stdout
