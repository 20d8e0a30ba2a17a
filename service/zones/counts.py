"""What zones and lines have counted, by class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class ZoneCounts:
    """Those of an area. Always `entered` = `left` + those inside, class by class.

    Attributes:
        entered, left: tracks by class.
        stays: how many stays have ended.
        stayed_us: how long those were together, microseconds.
        since: when all this was zero.
    """

    entered: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    stays: int = 0
    stayed_us: int = 0
    since: datetime = field(default_factory=_now)

    def inside(self) -> dict[str, int]:
        """Tracks that are in, by class."""
        return {label: count for label in self.entered if (count := self.entered[label] - self.left[label])}

    def leave(self, label: str, stayed_us: int) -> None:
        """One of those inside has gone."""
        self.left[label] += 1
        self.stays += 1
        self.stayed_us += stayed_us

    def relabel(self, old: str, new: str) -> None:
        """One of those inside turned out to be of another class: it has always been."""
        self.entered[old] -= 1
        self.entered[new] += 1

    def clear(self) -> None:
        """All to zero, but that those inside have entered."""
        self.entered, self.left = Counter(self.inside()), Counter()
        self.stays = self.stayed_us = 0
        self.since = _now()

    def summary(self, staying_us: int = 0) -> dict[str, Any]:
        """As messages have it; `staying_us` is how long those inside are in, together."""
        mean_s = round(self.stayed_us / 1e6 / self.stays, 3) if self.stays else None
        return {
            "inside": self.inside(),
            "entered": positive(self.entered),
            "left": positive(self.left),
            "dwell_s": {"total": round((self.stayed_us + staying_us) / 1e6, 3), "mean": mean_s},
        }

    def to_json(self) -> dict[str, Any]:
        return {
            "entered": positive(self.entered),
            "left": positive(self.left),
            "stays": self.stays,
            "stayed_us": self.stayed_us,
            "since": self.since.isoformat(),
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> ZoneCounts:
        """What `to_json` wrote; whoever was in then is gone now."""
        entered = Counter(_numbers(body["entered"]))
        since = datetime.fromisoformat(body["since"])
        return cls(entered, Counter(entered), int(body["stays"]), int(body["stayed_us"]), since)


@dataclass(slots=True)
class LineCounts:
    """Those of a line: tracks by class that went over it from its left to its right, and back."""

    forward: Counter[str] = field(default_factory=Counter)
    backward: Counter[str] = field(default_factory=Counter)
    since: datetime = field(default_factory=_now)

    def clear(self) -> None:
        self.forward, self.backward, self.since = Counter(), Counter(), _now()

    def summary(self) -> dict[str, Any]:
        return {"forward": positive(self.forward), "backward": positive(self.backward)}

    def to_json(self) -> dict[str, Any]:
        return {**self.summary(), "since": self.since.isoformat()}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> LineCounts:
        forward, backward = (Counter(_numbers(body[name])) for name in ("forward", "backward"))
        return cls(forward, backward, datetime.fromisoformat(body["since"]))


def positive(counts: Counter[str]) -> dict[str, int]:
    """Without the classes of which there are none."""
    return {label: count for label, count in counts.items() if count > 0}


def _numbers(body: Mapping[str, Any]) -> dict[str, int]:
    return {str(label): int(count) for label, count in body.items()}
