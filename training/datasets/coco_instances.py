"""The labels of COCO 2017: one JSON file a split, beside folders of JPEGs.

Layout and fields: https://cocodataset.org/#format-data. Categories have ids with gaps; labels are their
places in the order of the ids, as 80-class networks have them.
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from model.boxes import xyxy_area
from training.datasets import IGNORED
from training.datasets.pictures import COLOURS, LabelledPicture
from training.errors import BadDataset

PictureSplit = Literal["train", "val"]


@dataclass(frozen=True, slots=True, eq=False)
class Instances:
    """The pictures of one split in the order of their ids.

    Attributes:
        folder: where the pictures lie.
        classes: names of the labels.
        names: file name of each picture.
        sizes: (P, 2) int64, width and height, pixels.
        first: (P + 1,) int64; the boxes of picture k are `first[k]` to `first[k + 1]`.
        xyxy: (K, 4) float32, pixels, inside their pictures.
        label: (K,) int64, index into `classes`, or `IGNORED` for a crowd.
    """

    folder: Path
    classes: tuple[str, ...]
    names: Sequence[str]
    sizes: NDArray[np.int64]
    first: NDArray[np.int64]
    xyxy: NDArray[np.float32]
    label: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.names)

    def picture(self, at: int, steps: int) -> LabelledPicture:
        """Picture number `at`, to be repeated for `steps` steps."""
        boxes = slice(self.first[at], self.first[at + 1])
        xyxy, label = self.xyxy[boxes], self.label[boxes]
        width, height = self.sizes[at].tolist()
        real = label != IGNORED
        return LabelledPicture(
            self.folder / self.names[at],
            (steps, COLOURS, height, width),
            xyxy[real],
            label[real],
            xyxy[~real],
        )


def read_instances(root: Path, split: PictureSplit, classes: Sequence[str] | None = None) -> Instances:
    """The pictures of a split and their boxes.

    Args:
        root: folder with `SPLIT2017/` and `instances_SPLIT2017.json`, the latter also in `annotations/`.
        split: which.
        classes: names of the classes that are labels, in this order; None takes all.

    Raises:
        BadDataset: a file or picture is missing, the JSON is none of COCO's, a class is unknown, or a box
            lies outside its picture.
    """
    path = _labels_file(root, split)
    content = _read_json(path)
    try:
        categories = sorted((int(each["id"]), str(each["name"])) for each in content["categories"])
        images = sorted(
            (int(each["id"]), str(each["file_name"]), int(each["width"]), int(each["height"]))
            for each in content["images"]
        )
        rows = [
            (int(a["image_id"]), int(a["category_id"]), bool(a.get("iscrowd", 0)), *map(float, a["bbox"]))
            for a in content["annotations"]
        ]
        table = np.array(rows, np.float64).reshape(len(rows), 7)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise BadDataset(
            f"{path}: is no COCO file of instances ({type(error).__name__}: {error}); it needs categories "
            "(id, name), images (id, file_name, width, height) and annotations (image_id, category_id, bbox)"
        ) from error
    if not images or not categories:
        raise BadDataset(
            f"{path}: lists {len(images)} pictures of {len(categories)} classes; some of both are needed"
        )
    chosen = _chosen(classes, [name for _, name in categories], path)
    _check_pictures(root / f"{split}2017", [image[1] for image in images], path)
    return _sorted_by_picture(root / f"{split}2017", path, categories, images, table, chosen)


def _labels_file(root: Path, split: PictureSplit) -> Path:
    name = f"instances_{split}2017.json"
    places = (root / "annotations" / name, root / name)
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise BadDataset(
            f"{root}: found neither annotations/{name} nor {name}; give the folder into which COCO 2017 was "
            f"unpacked, with annotations/ and {split}2017/ in it"
        )
    return found


def _read_json(path: Path) -> dict[str, Any]:
    """The file without its outlines, which are nearly all of it and would fill gigabytes of memory."""
    try:
        with path.open(encoding="utf-8") as file:
            # Nearly all numbers are of outlines: leaving them text halves the time.
            content = json.load(file, object_hook=_without_outline, parse_float=str)
    except ValueError as error:
        raise BadDataset(f"{path}: is no whole JSON file ({error}); unpack it again") from error
    if not isinstance(content, dict):
        raise BadDataset(f"{path}: holds a {type(content).__name__}; a COCO file holds one object")
    return content


def _without_outline(item: dict[str, Any]) -> dict[str, Any]:
    item.pop("segmentation", None)
    return item


def _chosen(classes: Sequence[str] | None, known: list[str], path: Path) -> tuple[str, ...]:
    chosen = tuple(known if classes is None else dict.fromkeys(classes))
    for name in chosen:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            meant = f"; is {near[0]!r} meant?" if near else ""
            raise BadDataset(f"{path}: has no class {name!r}{meant} Known are {', '.join(known)}")
    return chosen


def _check_pictures(folder: Path, names: list[str], path: Path) -> None:
    there = set(os.listdir(folder)) if folder.is_dir() else set()
    missing = [name for name in names if name not in there]
    if missing:
        raise BadDataset(
            f"{folder / missing[0]}: is missing, as are {len(missing)} of the {len(names)} pictures that "
            f"{path.name} lists; unpack all of {folder.name} there, or take them out of the labels"
        )


def _sorted_by_picture(
    folder: Path,
    path: Path,
    categories: list[tuple[int, str]],
    images: list[tuple[int, str, int, int]],
    table: NDArray[np.float64],
    chosen: tuple[str, ...],
) -> Instances:
    """`table` rows: image id, category id, crowd, left, top, width, height."""
    sizes = np.array([image[2:] for image in images], np.int64)
    picture = _places(table[:, 0], [image[0] for image in images], "image", path)
    category = _places(table[:, 1], [number for number, _ in categories], "category", path)
    xyxy = np.concatenate([table[:, 3:5], table[:, 3:5] + table[:, 5:7]], 1)
    _check_boxes(xyxy, sizes[picture], [images[k][1] for k in picture], path)
    xyxy = np.clip(xyxy, 0, np.tile(sizes[picture], 2))
    of_chosen = np.array([chosen.index(n) if n in chosen else -1 for _, n in categories], np.int64)[category]
    # A few published boxes have no width or no height.
    keep = np.flatnonzero((of_chosen >= 0) & (xyxy_area(xyxy) > 0))
    keep = keep[np.argsort(picture[keep], kind="stable")]
    label = np.where(table[keep, 2] > 0, IGNORED, of_chosen[keep])
    first = np.searchsorted(picture[keep], np.arange(len(images) + 1))
    names = [image[1] for image in images]
    return Instances(folder, chosen, names, sizes, first, xyxy[keep].astype(np.float32), label)


def _places(ids: NDArray[np.float64], known: list[int], what: str, path: Path) -> NDArray[np.int64]:
    """Where each id stands in the sorted `known`."""
    order = np.array(known, np.int64)
    at = np.minimum(np.searchsorted(order, ids), len(order) - 1)
    strange = order[at] != ids if len(order) else np.ones(len(ids), np.bool_)
    if strange.any():
        raise BadDataset(
            f"{path}: {int(strange.sum())} annotations are of an unknown {what}, the first of {what} "
            f"{ids[strange][0]:.0f}; labels and lists must be of one file"
        )
    return at


def _check_boxes(
    xyxy: NDArray[np.float64], size: NDArray[np.int64], names: Sequence[str], path: Path
) -> None:
    sound = np.isfinite(xyxy).all(1) & (xyxy[:, 2:] >= xyxy[:, :2]).all(1)
    outside = (xyxy[:, 2:] < 0).any(1) | (xyxy[:, :2] > size).any(1)
    for bad, what in ((~sound, "has no size"), (outside, "lies outside")):
        if bad.any():
            at = int(np.flatnonzero(bad)[0])
            box = ", ".join(f"{value:g}" for value in xyxy[at])
            raise BadDataset(
                f"{path}: annotation {at} of the list, xyxy ({box}), of {names[at]}, {what}; the "
                f"picture is {size[at, 0]} x {size[at, 1]} pixels. A bbox is "
                "left, top, width, height in pixels; mend or remove it"
            )
