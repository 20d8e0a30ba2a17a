"""Every hostile file through a child under tight limits: a documented error or whole events, never a hang."""

from __future__ import annotations

from pathlib import Path

import pytest

from streaming.errors import LimitExceeded, StreamingError
from streaming.isolation import Child, warm
from streaming.limits import Limits
from tests.streaming import children
from tests.streaming.attacks import ATTACKS, Attack
from tests.streaming.made import HEIGHT, WIDTH

TIGHT_EVENTS = 5_000_000
TIGHT = Limits(
    max_bytes=64 << 20,
    max_events=TIGHT_EVENTS,
    max_duration_us=600_000_000,
    memory_bytes=768 << 20,
    cpu_s=10,
    wall_s=60,  # ten times the CPU's: other work on the machine is no fault of the file
)


@pytest.fixture(scope="module", autouse=True)
def _forkserver() -> None:
    warm()


def ending(path: Path) -> StreamingError | int:
    """The error that reading the file in a child ends in, or how many events were stepped."""
    try:
        with Child(children.step_recording, (str(path), WIDTH, HEIGHT), limits=TIGHT) as child:
            (events,) = child
    except StreamingError as error:
        return error
    assert isinstance(events, int)
    return events


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_a_hostile_file_ends_in_its_error(attack: Attack, tmp_path: Path) -> None:
    end = ending(attack.make(tmp_path))
    if isinstance(end, StreamingError):
        allowed = attack.expect if isinstance(attack.expect, tuple) else (attack.expect,)
        assert isinstance(end, (*allowed, LimitExceeded)), repr(end)  # and never a reader that died
        assert len(str(end)) > 20
    else:
        assert 0 <= end <= TIGHT_EVENTS
