"""Every hostile file ends in its error, within its time and memory, in a child process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from streaming.errors import LimitExceeded, ReaderDied, StreamingError
from streaming.isolation import Child, warm
from streaming.limits import Limits
from tests.streaming.attacks import ATTACKS, Attack
from tests.streaming.readers.probe import read_all

LIMITS = Limits(memory_bytes=768 << 20, cpu_s=10, wall_s=30)
PEAK_MB = 600
"""Resident, with some 200 MB of libraries that the child shares with its forkserver."""


@pytest.fixture(scope="module", autouse=True)
def _forkserver() -> None:
    warm()


def probe(path: Path) -> tuple[dict[str, Any], StreamingError | None]:
    """What the child saw of the file, and the error it ended in."""
    report: dict[str, Any] = {}
    with Child(read_all, (path,), limits=LIMITS) as child:
        try:
            for message in child:
                report = message
        except StreamingError as error:
            return report, error
    return report, None


def test_names_are_unique() -> None:
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS)


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_hostile_file(attack: Attack, tmp_path: Path) -> None:
    report, error = probe(attack.make(tmp_path))
    assert not isinstance(error, ReaderDied)
    assert report["valid"], "a packet broke the contract"
    assert report["peak_mb"] < PEAK_MB
    if error is None:
        assert attack.may_pass
        return
    assert isinstance(error, attack.expect), f"{type(error).__name__}: {error}"
    assert "stopped" not in str(error) if isinstance(error, LimitExceeded) else True
    assert 20 < len(str(error)) < 1000
