"""`Clip`: what is known of one clip; `ClipFiles`: where its parts lie."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, TypeAlias

ClipFormat: TypeAlias = Literal["aedat4", "evt3"]
ClipState: TypeAlias = Literal["recording", "done", "failed"]

SUFFIXES: dict[ClipFormat, str] = {"aedat4": ".aedat4", "evt3": ".raw"}
MOST_REASONS = 32


@dataclass(frozen=True, slots=True)
class Clip:
    """One clip.

    Attributes:
        id: unique.
        stream, stream_name: id and name of the stream that it is of.
        created: when it was asked for, ISO 8601.
        why: somebody asked for it, or an alarm was raised.
        reasons: the alarms' messages, the first one first.
        model, classes: of the stream, when it was recorded.
        format, width, height: of its events.
        before_s, after_s: seconds before and after `created` that were asked for; alarms that follow make
            `after_s` longer.
        state: "recording", "done" or "failed".
        progress: share of its time that is over, 0..1.
        events, lost_events: in its file, and of its time but not in it because they came too fast.
        answers: in its file of boxes.
        first_t_us, last_t_us: times of its first and last event, None without one.
        size_bytes, boxes_bytes: of its two files.
        note: why it is shorter than asked for, or failed; None where neither.
    """

    id: str
    stream: str
    stream_name: str
    created: str
    why: Literal["asked", "alarm"]
    reasons: tuple[dict[str, Any], ...]
    model: str
    classes: tuple[str, ...]
    format: ClipFormat
    width: int
    height: int
    before_s: float
    after_s: float
    state: ClipState = "recording"
    progress: float = 0.0
    events: int = 0
    lost_events: int = 0
    answers: int = 0
    first_t_us: int | None = None
    last_t_us: int | None = None
    size_bytes: int = 0
    boxes_bytes: int = 0
    note: str | None = None

    @property
    def name(self) -> str:
        """For people: the stream and when."""
        return f"{self.stream_name} {self.created[:19].replace('T', ' ')}"

    @property
    def duration_us(self) -> int:
        """From the first to the last event."""
        if self.first_t_us is None or self.last_t_us is None:
            return 0
        return self.last_t_us - self.first_t_us

    @property
    def total_bytes(self) -> int:
        return self.size_bytes + self.boxes_bytes

    def describe(self) -> dict[str, Any]:
        """JSON of `GET /clips/{id}`."""
        about = asdict(self)
        about |= {"reasons": list(self.reasons), "classes": list(self.classes)}
        return {**about, "name": self.name, "duration_us": self.duration_us}

    @classmethod
    def from_json(cls, about: dict[str, Any]) -> Clip:
        """What `describe` gave. Raises KeyError and TypeError where it is not that."""
        values = {field.name: about[field.name] for field in fields(cls)}
        values |= {"reasons": tuple(about["reasons"]), "classes": tuple(about["classes"])}
        return cls(**values)


@dataclass(frozen=True, slots=True)
class ClipFiles:
    """Where the parts of a clip lie.

    A clip is whole when its `card` is there: it is written last. Until then its `order` tells what it is to
    become, so that after a crash it can be mended or forgotten.
    """

    folder: Path
    id: str
    format: ClipFormat

    @classmethod
    def of(cls, folder: Path, clip: Clip) -> ClipFiles:
        return cls(folder, clip.id, clip.format)

    @property
    def events(self) -> Path:
        return self.folder / f"{self.id}{SUFFIXES[self.format]}"

    @property
    def events_part(self) -> Path:
        return self.folder / f"{self.id}{SUFFIXES[self.format]}.part"

    @property
    def boxes(self) -> Path:
        return self.folder / f"{self.id}.boxes.jsonl"

    @property
    def boxes_part(self) -> Path:
        return self.folder / f"{self.id}.boxes.jsonl.part"

    @property
    def card(self) -> Path:
        return self.folder / f"{self.id}.json"

    @property
    def order(self) -> Path:
        return self.folder / f"{self.id}.order"

    def all(self) -> tuple[Path, ...]:
        return (self.card, self.order, self.events, self.boxes, self.events_part, self.boxes_part)
