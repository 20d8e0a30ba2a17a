"""Readers of box files, one file a format; each gives `TimedBoxes`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from training.datasets import TimedBoxes
from training.datasets.recorded import AT_END
from training.errors import BadDataset


def boxes_at_end(
    xyxy: Sequence[Sequence[float]], label: Sequence[int], size: tuple[int, int] | None
) -> TimedBoxes:
    """Labels of one moment, the recording's end."""
    return TimedBoxes(
        moments=np.array([AT_END]),
        t_us=np.full(len(label), AT_END),
        xyxy=np.array(xyxy, np.float32).reshape(-1, 4),
        label=np.array(label, np.int64),
        size=size,
    )


def label_of(name: str, classes: Sequence[str], path: Path) -> int:
    """Index of a class.

    Raises:
        BadDataset: there is no such class.
    """
    if name not in classes:
        raise BadDataset(
            f"{path}: has a box of class {name!r}; known are {', '.join(classes)}. Mend the label, or "
            "the list of classes."
        )
    return classes.index(name)


def read_text(path: Path) -> str:
    """A file's UTF-8 text.

    Raises:
        BadDataset: no such file, or no text.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadDataset(f"{path}: cannot be read as text: {error}") from error


def read_classes(path: Path) -> tuple[str, ...]:
    """Names of classes, one a line.

    Raises:
        BadDataset: no such file, no name in it, or one twice.
    """
    names = tuple(line.strip() for line in read_text(path).splitlines() if line.strip())
    if not names or len(set(names)) < len(names):
        raise BadDataset(f"{path}: holds {len(names)} names of classes; one a line is needed, each once")
    return names
