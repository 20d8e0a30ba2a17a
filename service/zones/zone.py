"""`Zone`: an area or a line over the picture of one stream."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from service.zones.schemas import SPEC, Anchor, LineSpec, ZoneSpec


@dataclass(frozen=True, slots=True)
class Zone:
    """What is watched. Points are sensor pixels.

    Attributes:
        id: unique, 32 hexadecimal digits.
        kind: "zone" for an area, "line" for a line.
        name: unique in its stream.
        points: corners of the area in order, or points of the line.
        anchor: which point of a box counts: middle of the lower edge, or centre.
        classes: labels that count, empty for all.
        margin_px: a track this far beyond the border has passed it at once.
        hold_ms: nearer than that, it has passed after so long on the other side.
        dwell_s: a stay this long is told, and again after each such time; None for never. Areas only.
    """

    id: str
    kind: Literal["zone", "line"]
    name: str
    points: tuple[tuple[float, float], ...]
    anchor: Anchor = "bottom"
    classes: tuple[str, ...] = ()
    margin_px: float = 4.0
    hold_ms: float = 80.0
    dwell_s: float | None = None

    @classmethod
    def of(cls, zone_id: str, spec: ZoneSpec | LineSpec) -> Zone:
        return cls(zone_id, **spec.model_dump(exclude={"id"}))

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Zone:
        """What `to_json` wrote; raises ValueError, TypeError or KeyError where it is something else."""
        rest = dict(body)
        zone_id = str(rest.pop("id"))
        if rest.get("kind") == "line":
            rest.pop("dwell_s", None)
        return cls.of(zone_id, SPEC.validate_python(rest))

    def to_json(self) -> dict[str, Any]:
        body = asdict(self)
        return {**body, "points": [list(point) for point in self.points], "classes": list(self.classes)}

    def wants(self, label: str) -> bool:
        """Whether this class counts."""
        return not self.classes or label in self.classes
