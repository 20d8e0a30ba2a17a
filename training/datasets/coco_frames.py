"""`CocoFrames`: COCO 2017, each picture repeated for T steps as EMS-YOLO does (arXiv 2307.11411)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.card import Encoding
from training.datasets import Split
from training.datasets.coco_instances import Instances, read_instances
from training.datasets.pictures import LabelledPicture
from training.datasets.pool import Chunks
from training.errors import BadDataset

CHUNK = 64


class CocoFrames:
    """`training.data.TrainingData` of pictures; train2017 to learn from, val2017 to measure on.

    Pictures are read from their JPEGs when they are looked at. Crowds are regions to ignore. With a choice of
    classes only pictures that show one of them are learnt from; it is measured on all of val2017.

    Args:
        root: folder into which COCO 2017 was unpacked: train2017/, val2017/ and annotations/.
        steps: T, how often each picture is repeated.
        seed: of the order.
        classes: names to learn, in this order; None takes all 80.

    Raises:
        BadDataset: see `read_instances`; train2017 is read when `chunks` or `describe` needs it.
    """

    encoding: Encoding | None = "frame"
    split: Split | None = "val"

    def __init__(
        self, root: Path, *, steps: int = 4, seed: int = 0, classes: Sequence[str] | None = None
    ) -> None:
        self.root = root
        self.steps = steps
        self.seed = seed
        self._all_classes = classes is None
        self._val = read_instances(root, "val", classes)

    @property
    def classes(self) -> tuple[str, ...]:
        return self._val.classes

    @contextlib.contextmanager
    def chunks(self, first: int) -> Iterator[Chunks]:
        """As `TrainingData.chunks`."""
        yield _PictureChunks(self._train, self._shown, self.steps, self.seed)

    def held_out(self, count: int) -> Sequence[LabelledPicture]:
        """The first `count` pictures of val2017, or all where there are fewer."""
        return [self._val.picture(at, self.steps) for at in range(min(count, len(self._val)))]

    def describe(self) -> dict[str, Any]:
        """As `TrainingData.describe`."""
        return {
            "data": f"COCO train2017, each picture repeated for {self.steps} steps",
            "classes": list(self.classes),
            "pictures": len(self._shown),
            "held_out": f"COCO val2017, {len(self._val)} pictures",
        }

    @cached_property
    def _train(self) -> Instances:
        train = read_instances(self.root, "train", self.classes)
        boxes = np.bincount(train.label[train.label >= 0], minlength=len(train.classes))
        empty = [name for name, number in zip(train.classes, boxes, strict=True) if not number]
        if empty:
            found = ",".join(name for name in train.classes if name not in empty)
            raise BadDataset(
                f"{train.folder}: no picture has a box of {', '.join(empty)}; every class needs some. "
                f"Name those to learn: ?classes={found or 'NAME,NAME'}"
            )
        return train

    @cached_property
    def _shown(self) -> NDArray[np.int64]:
        """Places of the pictures that are learnt from."""
        train = self._train
        everything = np.arange(len(train))
        return everything if self._all_classes else everything[np.diff(train.first) > 0]


class _PictureChunks:
    """Numbered chunks: one epoch after the other, each in an order of its own."""

    def __init__(self, pictures: Instances, shown: NDArray[np.int64], steps: int, seed: int) -> None:
        self._pictures = pictures
        self._shown = shown
        self._steps = steps
        self._seed = seed

    def ready(self, number: int) -> bool:
        # Nothing is read before a picture is looked at.
        return True

    def load(self, number: int) -> list[LabelledPicture]:
        chunks = -(-len(self._shown) // CHUNK)
        epoch, at = divmod(number, chunks)
        order = np.random.default_rng([self._seed, epoch]).permutation(self._shown)
        return [self._pictures.picture(int(k), self._steps) for k in order[at * CHUNK : (at + 1) * CHUNK]]

    def release(self, number: int) -> None:
        return None
