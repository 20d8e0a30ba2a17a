"""Hostile files of the readers' tests, posted to the real service: each gets its problem."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import pytest

from service.errors import PROBLEMS
from streaming.errors import LimitExceeded, ReaderDied
from tests.servers import RunningServer
from tests.service.test_detect import eventually
from tests.streaming.attacks import ATTACKS, Attack
from tests.streaming.made import HEIGHT, WIDTH, make, some_events

ANSWER_S = 40
"""Twice the wall limit that the server of these tests gives a reader, `parse_wall_s`."""
API_MB = 150


@dataclass(slots=True)
class Pulse:
    """Another client, that asks all the while."""

    url: str
    answered: int = 0
    failed: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def beat(self) -> None:
        with httpx.Client(base_url=self.url, timeout=10) as client:
            while not self.stop.wait(0.05):
                try:
                    answer = client.get("/health/ready")
                except httpx.HTTPError as error:
                    self.failed.append(repr(error))
                    continue
                self.answered += answer.is_success
                if not answer.is_success:
                    self.failed.append(answer.text)


@pytest.fixture(scope="module")
def pulse(real_server: RunningServer) -> Iterator[Pulse]:
    pulse = Pulse(real_server.url)
    thread = threading.Thread(target=pulse.beat)
    thread.start()
    yield pulse
    pulse.stop.set()
    thread.join()


def post(server: RunningServer, path: Path) -> httpx.Response:
    size = {"width": WIDTH, "height": HEIGHT}
    with path.open("rb") as body:
        return httpx.post(f"{server.url}/detect", params=size, content=body.read(), timeout=ANSWER_S)


def allowed(attack: Attack) -> set[tuple[int, str]]:
    """Status and problem type of each error that a file may end in; never that its reader died."""
    expected = attack.expect if isinstance(attack.expect, tuple) else (attack.expect,)
    kinds = [
        kind for kind in PROBLEMS if issubclass(kind, (*expected, LimitExceeded)) and kind is not ReaderDied
    ]
    return {(PROBLEMS[kind].status, PROBLEMS[kind].type) for kind in kinds}


def sample() -> list[Attack]:
    """All attacks, but of the many bit-flips of a format only some: each takes its time here."""
    return [attack for attack in ATTACKS if not re.search(r"-flip-(?![048]$)", attack.name)]


@pytest.mark.parametrize("attack", sample(), ids=str)
def test_a_hostile_upload_gets_its_documented_problem(
    attack: Attack, real_server: RunningServer, pulse: Pulse, tmp_path: Path
) -> None:
    before = pulse.answered
    answer = post(real_server, attack.make(tmp_path))
    eventually(lambda: pulse.answered > before)
    assert pulse.failed == []
    if answer.is_success:
        assert attack.may_pass
        return
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (problem["status"], problem["type"]) in allowed(attack), problem
    assert problem["detail"]


def test_afterwards_the_service_is_as_before(real_server: RunningServer, tmp_path: Path) -> None:
    answer = post(real_server, make(tmp_path, "evt3", some_events(20_000, seed=1)))
    assert answer.is_success
    assert answer.json()["summary"]["answers"] > 0
    health = httpx.get(f"{real_server.url}/health/ready").json()
    assert health["worker"]["restarts"] == 0
    assert health["uploads_running"] == health["uploads_waiting"] == 0
    assert psutil.Process(real_server.pid).memory_info().rss < API_MB << 20
    eventually(lambda: not list((real_server.data_dir / "uploads").iterdir()))
