"""Vendors' libraries that are not there, or cannot be loaded."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from streaming.errors import BadSource
from streaming.live.library import camera_library


def test_a_library_that_is_not_installed_is_to_be_installed() -> None:
    with pytest.raises(BadSource, match=r"need no-such-driver.*pip install 'spikesight\[cameras\]'"):
        camera_library("no_such_driver", "no-such-driver")


def test_a_system_library_that_lacks_is_named_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cause = "libatomic.so.1: cannot open shared object file: No such file or directory"
    (tmp_path / "broken_driver.py").write_text(f"raise ImportError({cause!r})")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(BadSource, match=r"libatomic\.so\.1.*apt-get install libatomic1$"):
        camera_library("broken_driver", "dv-processing")
