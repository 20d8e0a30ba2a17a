"""`SIMULATOR`: which simulator made a window, so that no figure is of an older one."""

from __future__ import annotations

import hashlib
from pathlib import Path

import streaming.simulate


def code_fingerprint(folder: Path) -> str:
    """Eight hex digits that differ for other Python sources in `folder`."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:8]


# Taken when the code is loaded, so that a long run names what it runs, whatever lies on disk by then.
SIMULATOR = code_fingerprint(Path(streaming.simulate.__file__).parent)
