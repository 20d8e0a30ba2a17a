"""Chunks: a few dozen labelled windows in one plain NPZ file, written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from training.datasets import LabelledWindow

Item = TypeVar("Item", bound=np.generic)


def save_chunk(path: Path, windows: Sequence[LabelledWindow]) -> None:
    """Write `windows` to `path`; a reader sees either no file or all of it."""
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez(
            file,
            shape=np.array([w.shape for w in windows], np.int64),
            cells=np.array([len(w.cell) for w in windows], np.int64),
            boxes=np.array([len(w.label) for w in windows], np.int64),
            ignores=np.array([len(w.ignore) for w in windows], np.int64),
            cell=np.concatenate([w.cell for w in windows]),
            count=np.concatenate([w.count for w in windows]),
            xyxy=np.concatenate([w.xyxy for w in windows]),
            label=np.concatenate([w.label for w in windows]),
            ignore=np.concatenate([w.ignore for w in windows]),
        )
    os.replace(part, path)


def load_chunk(path: Path) -> list[LabelledWindow]:
    """The windows of one file written by `save_chunk`."""
    with np.load(path, allow_pickle=False) as file:
        a = {name: file[name] for name in file.files}
    cell, count = _split(a["cell"], a["cells"]), _split(a["count"], a["cells"])
    xyxy, label = _split(a["xyxy"], a["boxes"]), _split(a["label"], a["boxes"])
    ignore = _split(a["ignore"], a["ignores"])
    return [
        LabelledWindow((s[0], s[1], s[2], s[3]), cell[i], count[i], xyxy[i], label[i], ignore[i])
        for i, s in enumerate(a["shape"].tolist())
    ]


def _split(values: NDArray[Item], lengths: NDArray[np.int64]) -> list[NDArray[Item]]:
    return np.split(values, np.cumsum(lengths)[:-1])
