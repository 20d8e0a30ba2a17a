"""`watch`: a recording as `spikesight detect` sees it, with its labels where it has some."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from model.detector import Detector
from service.answers import Answer
from service.pipeline import DetectOptions, detect_recording
from streaming.sources import open_recording
from streaming.summary import RecordingSummary, summarise
from training.datasets import IGNORED
from training.datasets.labels.voc import read_voc
from training.metrics import Truth

LABELS = ".xml"
NOT_RECORDINGS = (LABELS, ".md")


@dataclass(frozen=True, slots=True, eq=False)
class Watched:
    """A recording and what was found in it.

    Attributes:
        path: the file.
        summary: what it holds.
        answers: one a window, at the threshold that was asked for.
    """

    path: Path
    summary: RecordingSummary
    answers: tuple[Answer, ...]

    @property
    def start_us(self) -> int:
        """When the first window begins."""
        return self.answers[0].t_us[0]

    @property
    def fullest(self) -> Answer:
        """The answer that saw most events: of a labelled clip the one that is judged."""
        return max(self.answers, key=lambda answer: answer.events)


def recordings_in(folder: Path) -> list[Path]:
    """All recordings of a folder, by name."""
    files = (path for path in sorted(folder.iterdir()) if path.is_file())
    return [path for path in files if path.suffix not in NOT_RECORDINGS]


def watch(path: Path, detector: Detector) -> Watched:
    """What a user gets who says `spikesight detect PATH`.

    Raises:
        StreamingError: the recording cannot be read, and why.
    """
    with open_recording(path) as source:
        summary = summarise(source)
    return Watched(path, summary, tuple(answers(path, detector, DetectOptions())))


def answers(path: Path, detector: Detector, options: DetectOptions) -> Iterator[Answer]:
    """Answers of a recording; raises as `watch`."""
    with open_recording(path) as source:
        yield from detect_recording(source, detector, options)


def read_truth(path: Path, classes: tuple[str, ...]) -> Truth | None:
    """Boxes at the end of a recording, sensor pixels, from the VOC file beside it; None where there is none.

    Raises:
        BadDataset: the labels mean nothing, or are of a class that is not in `classes`.
    """
    labels = path.with_suffix(LABELS)
    if not labels.exists():
        return None
    boxes = read_voc(labels, classes)
    ignored = boxes.label == IGNORED
    return Truth(boxes.xyxy[~ignored], boxes.label[~ignored], boxes.xyxy[ignored])
