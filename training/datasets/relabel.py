"""Labels of one list of classes as those of another, matched by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from training.augment import Labelled
from training.datasets import IGNORED


def labels_in(classes: Sequence[str], names: Sequence[str]) -> NDArray[np.int64]:
    """(K,) the place of each of the K names in `classes`, `IGNORED` where it is not there."""
    return np.array([classes.index(name) if name in classes else IGNORED for name in names], np.int64)


def relabelled(window: Labelled, labels: NDArray[np.int64]) -> Labelled:
    """The window with `labels[k]` in place of label k; boxes that become `IGNORED` are regions to ignore."""
    label = labels[window.label]
    known = label != IGNORED
    ignore = np.concatenate([window.ignore, window.xyxy[~known]])
    # Windows of events and pictures are dataclasses of different further fields.
    changed: Labelled = replace(cast(Any, window), xyxy=window.xyxy[known], label=label[known], ignore=ignore)
    return changed
