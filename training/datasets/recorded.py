"""`RecordedPart`: a recording and its labels, cut into windows in one streaming pass."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from streaming.errors import StreamingError
from streaming.events import Events
from streaming.source import SourceInfo
from streaming.sources import open_recording
from training.datasets import Cut, LabelledWindow, Part, TimedBoxes
from training.datasets.boxes import Frame, boxes_at, check_boxes
from training.datasets.counting import WindowCounter
from training.errors import BadDataset

AT_END = int(np.iinfo(np.int64).max)
"""The moment just after a recording's last event, for labels that state no time."""


@dataclass(frozen=True, slots=True)
class RecordedPart:
    """A recording that `streaming.sources.open_recording` reads, and how to read its labels.

    Attributes:
        name: unique within the data set and the same at every start.
        recording: the file.
        read_labels: reads them; called when the windows are asked for, raises BadDataset.
        shift_us: added to the labels' times to get the recording's; a moment `AT_END` stays the end.
        labels: the file of the labels, which messages name and the cache watches.
        size: (width, height) of the sensor that the labels are of, where they do not say it themselves
            (`TimedBoxes.size`). It is taken where the recording states none; one that states another is
            refused. Without either the recording alone says.
        drop_outside: boxes wholly outside the sensor are left out instead of refused.
    """

    name: str
    recording: Path
    read_labels: Callable[[], TimedBoxes]
    shift_us: int = 0
    labels: Path | None = None
    size: tuple[int, int] | None = None
    drop_outside: bool = False

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that the windows come from."""
        return (self.recording,) if self.labels is None else (self.recording, self.labels)

    def windows(self, cut: Cut) -> Iterator[LabelledWindow]:
        """As `Part.windows`.

        ::

            events    | ||  |  ||| |   || |  |  ||
            moment                       m
            window         [---)[---)[---)          T steps of step_us; the last ends at m, which is not in it

        Windows overlap where moments are close. Memory holds the events of one window and a packet. A moment
        whose window does not reach the recording is left out; all of them so is an error.
        """
        boxes = self._shifted(self.read_labels())
        where = str(self.labels or f"the labels of {self.recording}")
        width, height = self.size or boxes.size or (None, None)
        try:
            with open_recording(self.recording, width=width, height=height) as recording:
                for size in (self.size, boxes.size):
                    self._check_size(recording.info, size, where)
                frame = Frame(recording.info.width, recording.info.height, self.drop_outside)
                check_boxes(boxes, frame, where)
                yield from self._cut(recording.packets(), boxes, frame, cut)
        except (StreamingError, OSError) as error:
            raise BadDataset(f"{self.recording}: cannot be read: {error}") from error

    def _cut(
        self, packets: Iterable[Events], boxes: TimedBoxes, frame: Frame, cut: Cut
    ) -> Iterator[LabelledWindow]:
        counter = WindowCounter(cut.steps, cut.step_us, frame.width, frame.height)
        moments = np.unique(boxes.moments).tolist()
        clock = _Clock(cut)
        met = False
        for moment, end_us, held in _slices(packets, moments, clock):
            if not clock.reaches(end_us):
                continue
            met = True
            if clock.start_us + cut.rule.skip_us < end_us:
                cell, count = counter.count(held, end_us)
                at = boxes_at(boxes, moment, frame, cut.rule)
                yield LabelledWindow(counter.shape, cell, count, at.xyxy, at.label, at.ignore)
        if moments and not met:
            raise self._never_met(moments, clock)

    def _never_met(self, moments: list[int], clock: _Clock) -> BadDataset:
        if clock.empty:
            return BadDataset(f"{self.recording}: holds no event; remove it and its labels")
        return BadDataset(
            f"{self.recording}: its labels are at {moments[0]} to {moments[-1]} us, its events at "
            f"{clock.start_us} to {clock.newest_us} us; these do not meet. Labels and recording must have "
            "one clock: are they of the same recording?"
        )

    def _shifted(self, boxes: TimedBoxes) -> TimedBoxes:
        moments = np.where(boxes.moments == AT_END, AT_END, boxes.moments + self.shift_us)
        t_us = np.where(boxes.t_us == AT_END, AT_END, boxes.t_us + self.shift_us)
        return replace(boxes, moments=moments, t_us=t_us)

    def _check_size(self, info: SourceInfo, size: tuple[int, int] | None, where: str) -> None:
        if size is not None and size != (info.width, info.height):
            raise BadDataset(
                f"{self.recording}: its sensor has {info.width} x {info.height} pixels, but {where} is of "
                f"{size[0]} x {size[1]}. Give the recording that was labelled, or mend the size in the "
                "labels."
            )


@dataclass(frozen=True, slots=True)
class Bundle:
    """Many short recordings as one `Part`, so that each is not a file of the cache.

    Attributes:
        name: as `Part.name`.
        parts: in order.
    """

    name: str
    parts: Sequence[Part]

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of all of them."""
        return tuple(path for part in self.parts for path in part.files)

    def windows(self, cut: Cut) -> Iterator[LabelledWindow]:
        """As `Part.windows`."""
        for part in self.parts:
            yield from part.windows(cut)


class _Clock:
    """The reach of the recording so far.

    Attributes:
        start_us, newest_us: times of its first and its newest event; the first lies after the newest while
            there is none.
    """

    def __init__(self, cut: Cut) -> None:
        self.span_us = cut.steps * cut.step_us
        self.start_us, self.newest_us = 0, -1

    @property
    def empty(self) -> bool:
        return self.newest_us < self.start_us

    def see(self, events: Events) -> None:
        if self.empty:
            self.start_us = int(events.t_us[0])
        self.newest_us = int(events.t_us[-1])

    def reaches(self, end_us: int) -> bool:
        """Whether the window that ends at `end_us` meets the recording."""
        return not self.empty and self.start_us < end_us and end_us - self.span_us <= self.newest_us


def _slices(
    packets: Iterable[Events], moments: list[int], clock: _Clock
) -> Iterator[tuple[int, int, Iterable[Events]]]:
    """Each moment, its time, and the packets that hold its window, as soon as these are read."""
    held: deque[Events] = deque()
    waiting = deque(moments)
    for events in packets:
        if len(events) == 0:
            continue
        clock.see(events)
        held.append(events.contiguous())
        while waiting and waiting[0] <= clock.newest_us:
            moment = waiting.popleft()
            yield moment, moment, held
        if not waiting:
            return
        begin_us = min(waiting[0], clock.newest_us + 1) - clock.span_us
        while held and held[0].t_us[-1] < begin_us:
            held.popleft()
    for moment in waiting:
        yield moment, clock.newest_us + 1 if moment == AT_END else moment, held
