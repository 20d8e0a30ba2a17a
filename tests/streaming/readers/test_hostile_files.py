"""Every hostile file ends in its own error, or gives whole and valid events where its damage cannot be seen.

That the same files neither hang nor fill the memory of a limited child is tested in
`tests/streaming/test_isolation_attacks.py`. Here the readers made of our own code are tried in this process;
those on the code of others (AEDAT4, HDF5) in a child.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streaming.errors import StreamingError
from streaming.isolation import Child, warm
from streaming.limits import Limits
from streaming.outlet import Outlet
from streaming.sources import open_recording
from tests.streaming.attacks import ATTACKS, Attack

LIMITS = Limits(memory_bytes=768 << 20, cpu_s=10, wall_s=60)
FOREIGN = ("aedat4", "hdf5")


@pytest.fixture(scope="module", autouse=True)
def _forkserver() -> None:
    warm()


def read_valid(path: Path) -> None:
    """Reads a file to its end.

    Raises:
        AssertionError: a packet breaks the contract of a stream.
        StreamingError: as the reader says, after packets that keep it.
    """
    newest_us = -(1 << 62)
    with open_recording(path) as source:
        width, height = source.info.width, source.info.height
        for packet in source.packets():
            assert packet.x.max() < width
            assert packet.y.max() < height
            assert packet.p.max() <= 1
            assert packet.t_us[0] >= newest_us
            assert np.all(np.diff(packet.t_us) >= 0)
            newest_us = int(packet.t_us[-1])


def read_in_child(outlet: Outlet, path: Path) -> None:
    read_valid(path)


def ending(attack: Attack, path: Path) -> StreamingError | None:
    """The error that reading the file ends in, None where it has none."""
    try:
        if attack.format not in FOREIGN:
            read_valid(path)
            return None
        with Child(read_in_child, (path,), limits=LIMITS) as child:
            assert list(child) == []
    except StreamingError as error:
        return error
    return None


def test_names_are_unique() -> None:
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_a_hostile_file_ends_in_its_own_error(attack: Attack, tmp_path: Path) -> None:
    error = ending(attack, attack.make(tmp_path))
    if error is None:
        assert attack.may_pass
        return
    assert type(error) in attack.expect, f"{type(error).__name__}: {error}"
    assert 20 < len(str(error)) < 1000
