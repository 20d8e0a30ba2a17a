"""`read_bbox_npy`: boxes as Prophesee's data sets and their kin keep them, one NPY file a recording.

A structured array, one row a box: time in microseconds, left, top, width and height in sensor pixels, class,
track, confidence. Two spellings are published, `ts` with `confidence` and `t` with `class_confidence`, in
several orders, types and paddings; fields are found by name. Further fields are passed over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.datasets import TimedBoxes
from training.errors import BadDataset

BOX_DTYPE = np.dtype(
    [
        ("t", np.int64),
        ("x", np.float32),
        ("y", np.float32),
        ("w", np.float32),
        ("h", np.float32),
        ("class_id", np.int64),
        ("track_id", np.int64),
        ("class_confidence", np.float32),
    ]
)
"""Of the rows of `read_bbox_npy`."""
FIELDS = ("t", "x", "y", "w", "h", "class_id", "track_id", "class_confidence")
OTHER_SPELLING: Mapping[str, str] = {"t": "ts", "class_confidence": "confidence"}
WHERE_MISSING: Mapping[str, int] = {"track_id": 0, "class_confidence": 1}
"""Value of a field that a file may lack."""
FARTHEST_US = 1 << 60
FARTHEST_PX = 1 << 20


def read_bbox_npy(path: Path) -> NDArray[np.void]:
    """(K,) of `BOX_DTYPE`, every value a number, sides not negative, in the order of time.

    Rows out of order are sorted; those of one time keep their order. Nothing is unpickled.

    Raises:
        BadDataset: no such file, no structured NPY array, a field missing, or values that mean nothing.
    """
    raw = _load(path)
    rows = np.empty(len(raw), BOX_DTYPE)
    for name in FIELDS:
        rows[name] = _values(raw, name, path)
    _check_sides(rows, path)
    return rows[np.argsort(rows["t"], kind="stable")]


def to_timed_boxes(rows: NDArray[np.void], label_of: Sequence[int | None], where: str) -> TimedBoxes:
    """The labels of a recording; every time that has a row is a moment.

    Rows of a class that is left out, and those without area, count as moments only: somebody looked there.

    Args:
        rows: as `read_bbox_npy` gives them.
        label_of: label of each class id; None leaves the class out.
        where: name of the labels, for messages.

    Raises:
        BadDataset: a class id beyond `label_of`.
    """
    _check_classes(rows["class_id"], len(label_of), where)
    labels = np.array([-1 if label is None else label for label in label_of], np.int64)
    x, y, label = rows["x"], rows["y"], labels[rows["class_id"]]
    xyxy = np.stack([x, y, x + rows["w"], y + rows["h"]], axis=1)
    keep = (label >= 0) & (xyxy[:, 2:] > xyxy[:, :2]).all(1)
    return TimedBoxes(np.unique(rows["t"]), rows["t"][keep], xyxy[keep], label[keep])


def _load(path: Path) -> NDArray[Any]:
    try:
        raw = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise BadDataset(
            f"{path}: found no such file; the boxes of a recording are expected there"
        ) from error
    except (OSError, ValueError, EOFError) as error:
        raise BadDataset(
            f"{path}: is no NPY file of plain numbers ({str(error)[:160]}); it is cut off, damaged or of "
            "another kind. Unpack or download it again."
        ) from error
    if not isinstance(raw, np.ndarray) or raw.ndim != 1 or raw.dtype.names is None:
        kind = f"an array {raw.shape} of {raw.dtype}" if isinstance(raw, np.ndarray) else "several arrays"
        raise BadDataset(
            f"{path}: found {kind}; one row a box is needed, with the fields {', '.join(FIELDS)}"
        )
    return raw


def _values(raw: NDArray[Any], name: str, path: Path) -> NDArray[Any]:
    """The values of a field, which fit its type in `BOX_DTYPE`."""
    names = raw.dtype.names or ()
    found = [spelling for spelling in (name, OTHER_SPELLING.get(name)) if spelling in names]
    if not found and name in WHERE_MISSING:
        return np.full(len(raw), WHERE_MISSING[name])
    if len(found) != 1:
        wanted = " or ".join(filter(None, (name, OTHER_SPELLING.get(name))))
        raise BadDataset(f"{path}: has the fields {', '.join(names)[:160]}; exactly one {wanted} is needed")
    values: NDArray[Any] = raw[found[0]]
    whole = BOX_DTYPE[name].kind == "i"
    if values.ndim != 1 or values.dtype.kind not in ("iu" if whole else "iuf"):
        kind = "whole number" if whole else "number"
        raise BadDataset(f"{path}: its field {found[0]} is of {values.dtype}; one {kind} a box is needed")
    if name != "track_id":  # which may use all 64 bits: it only tells tracks apart
        _check_range(values, found[0], path)
    return values.astype(BOX_DTYPE[name])


def _check_range(values: NDArray[Any], name: str, path: Path) -> None:
    least, most = (-FARTHEST_PX, FARTHEST_PX) if values.dtype.kind == "f" else (0, FARTHEST_US)
    good = (values >= least) & (values <= most)
    if not good.all():
        at = int(np.flatnonzero(~good)[0])
        raise BadDataset(
            f"{path}: its field {name} is {values[at]} in row {at}; {least} to {most} is allowed. Mend or "
            "remove the row, or the file is damaged."
        )


def _check_sides(rows: NDArray[np.void], path: Path) -> None:
    negative = np.flatnonzero((rows["w"] < 0) | (rows["h"] < 0))
    if len(negative):
        row = rows[negative[0]]
        raise BadDataset(
            f"{path}: {len(negative)} boxes have a negative side, the first, at {row['t']} us, is "
            f"{row['w']:g} x {row['h']:g} px. Boxes are left, top, width, height; mend or remove them."
        )


def _check_classes(class_id: NDArray[np.int64], known: int, where: str) -> None:
    strange = np.unique(class_id[class_id >= known])
    if len(strange):
        found = ", ".join(map(str, strange[:8].tolist()))
        raise BadDataset(
            f"{where}: has boxes of class {found}; known are 0 to {known - 1}. Is it a file of another "
            "data set, or of another list of classes?"
        )
