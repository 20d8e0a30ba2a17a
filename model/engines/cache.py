"""Where exported graphs are kept, and how a missing one is made: by a child process, so that torch stays out.

A graph is named by a digest of everything it depends on: weights, grid, encoding, steps, and the code that
builds and exports networks. Beside it lies its own digest; a file that does not agree is made anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Literal

from model.card import Card, ModelFiles
from model.errors import ExportFailed

Kind = Literal["step", "window"]

EXPORT_TIMEOUT_S = 900
PACKAGE = Path(__file__).parents[1]
_CODE = (
    "blocks.py",
    "catalogue.py",
    "encodings.py",
    "firing.py",
    "head.py",
    "layout.py",
    "networks.py",
    "neuron_settings.py",
    "neurons.py",
    "plan.py",
    "sites.py",
    "engines/export.py",
    "engines/unroll.py",
)


def cache_folder() -> Path:
    """SPIKESIGHT_CACHE, else XDG_CACHE_HOME/spikesight, else ~/.cache/spikesight."""
    own = os.environ.get("SPIKESIGHT_CACHE")
    if own:
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spikesight"


def graph_path(card: Card, files: ModelFiles, kind: Kind) -> Path:
    """Where the graph of these weights is kept, whether it is there or not."""
    depends: list[object] = [
        files.digest(),
        card.layout,
        card.in_channels,
        len(card.classes),
        card.grid,
        card.encoding,
    ]
    depends += [card.steps if kind == "window" else 1, metadata.version("spikesight"), _code_digest()]
    if card.conversion:
        depends += [card.conversion, _converted_code_digest()]
    if card.mode == "rolling":
        depends.append(card.network_layout().readout_decay)
    key = hashlib.sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest()[:24]
    return cache_folder() / f"{card.name}-{kind}-{key}.onnx"


def ensure_graph(card: Card, files: ModelFiles, kind: Kind) -> Path:
    """The graph's file, made where none is kept or the kept one is damaged.

    A child process exports the step's graph; the window's is made out of that here.

    Several processes may do this at once: each writes its own file and renames it into place.

    Raises:
        ExportFailed: the child failed or the cache cannot be written; says why.
    """
    path = graph_path(card, files, kind)
    if is_intact(path):
        return path
    if kind == "step":
        _export_in_child(files, path)
    else:
        from model.engines.unroll import unroll  # needs onnx, which a process that only steps does without

        keep(unroll(ensure_graph(card, files, "step").read_bytes(), card.steps), path)
    return path


def is_intact(path: Path) -> bool:
    """Whether the file is there and agrees with the digest beside it."""
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        return digest_path(path).read_text(encoding="ascii") == found
    except (OSError, UnicodeDecodeError):
        return False


def keep(data: bytes, path: Path) -> None:
    """Write a graph and its digest, each by an atomic rename.

    Raises:
        ExportFailed: the folder cannot be written.
    """
    digest = hashlib.sha256(data).hexdigest().encode("ascii")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for target, content in ((path, data), (digest_path(path), digest)):
            new = target.with_name(f"{target.name}.{os.getpid()}.new")
            new.write_bytes(content)
            os.replace(new, target)
    except OSError as error:
        raise ExportFailed(
            f"cannot write {path.parent} ({error.strerror}); set SPIKESIGHT_CACHE to a writable folder"
        ) from error


def digest_path(path: Path) -> Path:
    """Where the digest of a kept graph lies."""
    return path.with_name(path.name + ".sha256")


def _export_in_child(files: ModelFiles, path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "model.engines.export",
        str(files.card.resolve()),
        str(path.resolve()),
    ]
    environment = os.environ | {"PYTHONPATH": _with_package(os.environ.get("PYTHONPATH"))}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=EXPORT_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ExportFailed(f"exporting {files.card.stem} did not run: {error}") from error
    if done.returncode or not is_intact(path):
        reason = (done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1]
        raise ExportFailed(f"exporting {files.card.stem} failed: {reason[:500]}")


def _with_package(python_path: str | None) -> str:
    return os.pathsep.join(filter(None, (str(PACKAGE.parent), python_path)))


@cache
def _code_digest() -> str:
    return _digest(PACKAGE / name for name in _CODE)


@cache
def _converted_code_digest() -> str:
    return _digest(sorted((PACKAGE / "convert").glob("*.py")))


def _digest(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()
