"""COCO: one JSON file for many recordings.

`file_name` of an image is the recording; it may have several images. Labels are of the moment `t_us` where
the annotation or its image has one, else of the recording's end. Crowds are ignored.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from training.datasets import IGNORED, TimedBoxes
from training.datasets.labels import label_of, read_text
from training.datasets.recorded import AT_END
from training.errors import BadDataset


@dataclass(frozen=True, slots=True, eq=False)
class CocoFile:
    """The content of one file.

    Attributes:
        path: the file.
        names: of the categories by id.
        images: by `file_name`.
        boxes: annotations by image id.
    """

    path: Path
    names: Mapping[int, str]
    images: Mapping[str, Sequence[Mapping[str, Any]]]
    boxes: Mapping[int, Sequence[Mapping[str, Any]]]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names in the order of their ids."""
        return tuple(self.names[key] for key in sorted(self.names))

    def labels(self, file_name: str, classes: Sequence[str]) -> TimedBoxes:
        """The labels of one recording.

        Raises:
            BadDataset: an annotation of an unknown category, without a box, or images of several sizes.
        """
        moments, rows = [], []
        for image in self.images[file_name]:
            at_us = image.get("t_us", AT_END)
            boxes = self.boxes.get(image["id"], ())
            if not boxes or not all("t_us" in box for box in boxes):
                moments.append(at_us)
            for box in boxes:
                rows.append((box.get("t_us", at_us), self._xyxy(box), self._label(box, classes)))
        rows.sort(key=lambda row: row[0])
        return TimedBoxes(
            moments=np.unique(np.array(moments + [row[0] for row in rows], np.int64)),
            t_us=np.array([row[0] for row in rows], np.int64),
            xyxy=np.array([row[1] for row in rows], np.float32).reshape(-1, 4),
            label=np.array([row[2] for row in rows], np.int64),
            size=self._size(file_name),
        )

    def _label(self, box: Mapping[str, Any], classes: Sequence[str]) -> int:
        category = box["category_id"]
        if category not in self.names:
            known = ", ".join(f"{key} {name}" for key, name in self.names.items())
            raise BadDataset(
                f"{self.path}: annotation {box.get('id')} is of category {category}; known are {known}"
            )
        label = label_of(self.names[category], classes, self.path)
        return IGNORED if box.get("iscrowd") else label

    def _xyxy(self, box: Mapping[str, Any]) -> list[float]:
        sides = box.get("bbox")
        if (
            not isinstance(sides, list)
            or len(sides) != 4
            or not all(isinstance(s, int | float) for s in sides)
        ):
            raise BadDataset(
                f"{self.path}: annotation {box.get('id')} has the bbox {sides!r}; left, top, width and "
                "height in pixels are needed"
            )
        x, y, width, height = sides
        return [x, y, x + width, y + height]

    def _size(self, file_name: str) -> tuple[int, int] | None:
        sizes = {(image.get("width"), image.get("height")) for image in self.images[file_name]}
        if len(sizes) > 1:
            raise BadDataset(f"{self.path}: states several sizes for {file_name}; one sensor has one size")
        ((width, height),) = sizes
        return (int(width), int(height)) if width and height else None


def read_coco(path: Path) -> CocoFile:
    """The content of one file.

    Raises:
        BadDataset: no such file, or no COCO instances.
    """
    try:
        content = json.loads(read_text(path))
        names = {int(each["id"]): str(each["name"]) for each in content["categories"]}
        images: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for image in content["images"]:
            _check_time(image, path)
            images[str(image["file_name"])].append({**image, "id": int(image["id"])})
        boxes: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
        for box in content["annotations"]:
            _check_time(box, path)
            boxes[int(box["image_id"])].append({**box, "category_id": int(box["category_id"])})
    except (ValueError, KeyError, TypeError) as error:
        raise BadDataset(
            f"{path}: is no COCO file of instances ({type(error).__name__}: {error}); it needs images, "
            "annotations and categories with their ids"
        ) from error
    strays = boxes.keys() - {image["id"] for each in images.values() for image in each}
    if strays:
        raise BadDataset(
            f"{path}: has annotations of image {min(strays)}, which is not in the list of images"
        )
    return CocoFile(path, names, images, boxes)


def _check_time(item: Mapping[str, Any], path: Path) -> None:
    t_us = item.get("t_us", 0)
    if not isinstance(t_us, int):
        raise BadDataset(f"{path}: t_us is {t_us!r}; whole microseconds of the recording's clock are needed")
