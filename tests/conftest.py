"""Fixtures shared by all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

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
