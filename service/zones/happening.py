"""`ZoneHappening`: a track entered, left, stayed in an area, or went over a line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from service.happenings import Happening

ZoneEvent: TypeAlias = Literal["enter", "leave", "dwell", "cross"]
Direction: TypeAlias = Literal["forward", "backward"]
Reason: TypeAlias = Literal["moved", "appeared", "class", "lost", "ended", "removed"]


@dataclass(frozen=True, slots=True)
class ZoneHappening(Happening):
    """One event of one zone.

    Attributes:
        zone_id, zone_name: which.
        event: what happened.
        reason: why. Of `enter`: "moved" in, "appeared" within, or "class" where it turned out to be one that
            counts. Of `leave`: "moved" out, "lost" where it was not found again, "ended" where its stream
            began anew, was cut off or stopped, "class" as above, "removed" where the zone was. Else "moved".
        direction: of `cross`: "forward" from the left of the line to its right, as seen on the picture.
        track_id, label, score, xyxy: of the track; its box in sensor pixels.
        point: of the box, the one that counts, sensor pixels.
        t_us: end of the answer that showed it.
        dwell_s: how long it is, or was, inside; None for `enter` and `cross`.
        inside: how many are inside now, by class; empty for lines.
    """

    zone_id: str
    zone_name: str
    event: ZoneEvent
    reason: Reason
    direction: Direction | None
    track_id: int
    label: str
    score: float
    xyxy: tuple[float, float, float, float]
    point: tuple[float, float]
    t_us: int
    dwell_s: float | None
    inside: dict[str, int]

    def to_message(self) -> dict[str, Any]:
        """The message `zone`."""
        return {
            "type": "zone",
            "event": self.event,
            "zone": self.zone_id,
            "name": self.zone_name,
            "reason": self.reason,
            "direction": self.direction,
            "track_id": self.track_id,
            "label": self.label,
            "score": round(self.score, 4),
            "xyxy": [round(side, 2) for side in self.xyxy],
            "point": [round(side, 2) for side in self.point],
            "t_us": self.t_us,
            "dwell_s": self.dwell_s,
            "inside": dict(self.inside),
        }
