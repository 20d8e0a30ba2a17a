"""Fixtures shared by all tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import RunningServer, running_server

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference outputs and real recordings beside the checkout."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs ../shared (golden outputs, real recordings), which is not part of the repository")
    return folder


@pytest.fixture(scope="session")
def recordings(shared: Path) -> Path:
    """Real recordings that are not ours to publish."""
    folder = shared / "recordings"
    if not folder.is_dir():
        pytest.skip("needs ../shared/recordings, which is not part of the repository")
    return folder


@pytest.fixture(scope="session")
def real_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """`spikesight serve` in processes of its own, with short limits for what is hostile."""
    limits = {"max_upload_bytes": 64 << 20, "parse_wall_s": 20, "parse_memory_mb": 512}
    with running_server(tmp_path_factory.mktemp("real") / "data", **limits) as running:
        yield running
