"""Where a folder's labels lie: in a file beside each recording, or in COCO files for all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, Self

from streaming.errors import StreamingError
from streaming.sources import open_recording
from training.datasets import TimedBoxes
from training.datasets.labels.coco import CocoFile
from training.datasets.labels.voc import read_voc, voc_names
from training.datasets.labels.yolo import read_yolo
from training.datasets.prophesee import read_bbox_npy, to_timed_boxes
from training.datasets.recorded import RecordedPart
from training.errors import BadDataset

Read = Callable[[Path, Path, tuple[str, ...]], TimedBoxes]
"""Labels of (file of boxes, recording, classes)."""


class LabelFormat(Protocol):
    """How to find the labels of a recording."""

    @property
    def name(self) -> str: ...

    @property
    def classes(self) -> tuple[str, ...]: ...

    def part(self, name: str, recording: Path) -> RecordedPart:
        """The recording with its labels.

        Raises:
            BadDataset: it has none.
        """
        ...


@dataclass(frozen=True, slots=True)
class Beside:
    """A format with a file for each recording.

    Attributes:
        name: for messages.
        suffix: of the file, in place of the recording's.
        read: reads it.
        names: its boxes have names for classes, not numbers.
    """

    name: str
    suffix: str
    read: Read
    names: bool = False

    def path(self, recording: Path) -> Path:
        """Where the boxes of a recording are."""
        return recording.with_name(recording.stem.removesuffix("_td") + self.suffix)


def _read_voc(path: Path, _: Path, classes: tuple[str, ...]) -> TimedBoxes:
    return read_voc(path, classes)


def _read_yolo(path: Path, recording: Path, classes: tuple[str, ...]) -> TimedBoxes:
    try:
        with open_recording(recording) as opened:
            size = (opened.info.width, opened.info.height)
    except StreamingError as error:
        raise BadDataset(f"{recording}: its size cannot be read: {error}") from error
    return read_yolo(path, classes, size)


def _read_prophesee(path: Path, _: Path, classes: tuple[str, ...]) -> TimedBoxes:
    return to_timed_boxes(read_bbox_npy(path), range(len(classes)), str(path))


BESIDE = (
    Beside("VOC", ".xml", _read_voc, names=True),
    Beside("YOLO", ".txt", _read_yolo),
    Beside("Prophesee", "_bbox.npy", _read_prophesee),
)


def format_beside(recording: Path) -> Beside:
    """The format of the boxes beside a recording.

    Raises:
        BadDataset: there are none, or of several formats.
    """
    found = [each for each in BESIDE if each.path(recording).exists()]
    wanted = ", ".join(f"{each.path(recording).name} ({each.name})" for each in BESIDE)
    if not found:
        raise BadDataset(
            f"{recording}: has no labels; one of {wanted} is expected beside it, or a COCO file that lists it"
        )
    if len(found) > 1:
        raise BadDataset(f"{recording}: has labels of several formats; keep one of {wanted}")
    return found[0]


@dataclass(frozen=True, slots=True)
class BesideFormat:
    """Boxes in a file beside each recording, all of one format.

    Attributes:
        beside: the format.
        classes: names by label.
    """

    beside: Beside
    classes: tuple[str, ...]

    @classmethod
    def of(
        cls, beside: Beside, recordings: Sequence[Path], known: tuple[str, ...] | None, classes_file: Path
    ) -> Self:
        """With the `known` classes, or for VOC those that occur.

        Raises:
            BadDataset: the format has numbers for classes, and nobody says what they mean.
        """
        if known is not None:
            return cls(beside, known)
        if not beside.names:
            raise BadDataset(
                f"{classes_file}: found no such file; {beside.name} boxes have numbers for classes, so it "
                "must hold their names, one a line"
            )
        paths = [beside.path(recording) for recording in recordings]
        return cls(
            beside, tuple(sorted({name for path in paths if path.exists() for name in voc_names(path)}))
        )

    @property
    def name(self) -> str:
        return self.beside.name

    def part(self, name: str, recording: Path) -> RecordedPart:
        """As `LabelFormat.part`."""
        path = self.beside.path(recording)
        if not path.exists():
            raise BadDataset(
                f"{recording}: has no labels; {path.name} is expected beside it, as the others have. Where "
                "nothing is to be seen, give one without a box."
            )
        read = partial(self.beside.read, path, recording, self.classes)
        return RecordedPart(name, recording, read, labels=path)


@dataclass(frozen=True, slots=True)
class InCoco:
    """Boxes in COCO files.

    Attributes:
        classes: names by label.
        entries: file and its name there of each recording.
    """

    classes: tuple[str, ...]
    entries: Mapping[Path, tuple[CocoFile, str]]

    @classmethod
    def of(cls, files: Sequence[CocoFile], folders: Sequence[Path], known: tuple[str, ...] | None) -> Self:
        """What the files say.

        Args:
            files: all of them.
            folders: where recordings are looked for, beside the folder of the file itself.
            known: classes; those of the files where it is None.

        Raises:
            BadDataset: a recording is missing, or in two files.
        """
        entries: dict[Path, tuple[CocoFile, str]] = {}
        for file in files:
            for name in file.images:
                path = _recording(file.path, name, folders)
                if path in entries:
                    raise BadDataset(f"{file.path}: lists {name}, as {entries[path][0].path} does; keep one")
                entries[path] = (file, name)
        return cls(known or tuple(dict.fromkeys(name for file in files for name in file.classes)), entries)

    @property
    def name(self) -> str:
        return "COCO"

    def part(self, name: str, recording: Path) -> RecordedPart:
        """As `LabelFormat.part`."""
        if recording.resolve() not in self.entries:
            raise BadDataset(
                f"{recording}: has no labels; none of the COCO files lists it. Where nothing is to be seen, "
                "list it without annotations."
            )
        file, file_name = self.entries[recording.resolve()]
        return RecordedPart(name, recording, partial(file.labels, file_name, self.classes), labels=file.path)


def _recording(file: Path, name: str, folders: Sequence[Path]) -> Path:
    places = dict.fromkeys((file.parent, *folders))
    for folder in places:
        if (folder / name).is_file():
            return (folder / name).resolve()
    raise BadDataset(
        f"{file}: lists the recording {name}, which is not in {', '.join(map(str, places))}; restore it, or "
        "remove it from the list"
    )
