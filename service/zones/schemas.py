"""Zones and lines on the wire: what is asked for and what is told."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, field_validator

from service.ranges import Moment, within

MAX_SIDE = 65_535
MAX_POINTS = 100

Side = Annotated[float, *within("number", 0, MAX_SIDE)]
Point: TypeAlias = tuple[Side, Side]
Name = Annotated[str, Field(min_length=1, max_length=100)]
Anchor: TypeAlias = Literal["bottom", "centre"]
Classes = Annotated[
    tuple[Name, ...],
    Field(max_length=100, description="Labels that count; empty for all."),
]
Margin = Annotated[float, *within("number", 0, 1000)]
Hold = Annotated[float, *within("number", 0, 60_000)]
Dwell = Annotated[float, *within("number", 0.1, 86_400)]
AnchorField = Annotated[
    Anchor, Field(description="The point of a box that counts: the middle of its lower edge, or its centre.")
]
MarginField = Annotated[
    Margin, Field(description="A track this far beyond the border, in pixels, has passed it at once.")
]
HoldField = Annotated[
    Hold,
    Field(description="Nearer than that, it has passed after so long on the other side, in milliseconds."),
]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Traced(_Asked):
    name: Name
    anchor: AnchorField = "bottom"
    classes: Classes = ()
    margin_px: MarginField = 4.0
    hold_ms: HoldField = 80.0


class ZoneSpec(_Traced):
    """An area of the picture."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"kind": "zone", "name": "door", "points": [[40, 60], [120, 60], [120, 200]]}]
        }
    )
    kind: Literal["zone"]
    points: Annotated[tuple[Point, ...], Field(min_length=3, max_length=MAX_POINTS)] = Field(
        description="Its corners in order, sensor pixels; the last is joined to the first."
    )
    dwell_s: Dwell | None = Field(
        None, description="Tell of a track that stays this long, and again after each such time."
    )

    @field_validator("points", mode="after")
    @classmethod
    def _open(cls, points: tuple[Point, ...]) -> tuple[Point, ...]:
        """Without a last corner that repeats the first, which other programs write."""
        return points[:-1] if points[0] == points[-1] and len(points) > 3 else points


class LineSpec(_Traced):
    """A line, straight or bent, that tracks pass over."""

    kind: Literal["line"]
    points: Annotated[tuple[Point, ...], Field(min_length=2, max_length=MAX_POINTS)] = Field(
        description="Its points in order, sensor pixels. Forward is from left of its direction to right."
    )


Spec: TypeAlias = Annotated[ZoneSpec | LineSpec, Field(discriminator="kind")]
SPEC: TypeAdapter[ZoneSpec | LineSpec] = TypeAdapter(Spec)


class _Placed(_Asked):
    id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = Field(
        None, description="Of the zone that this replaces, which keeps its counts; none for a new one."
    )


class PlacedZone(ZoneSpec, _Placed):
    """A zone of `PUT`."""


class PlacedLine(LineSpec, _Placed):
    """A line of `PUT`."""


Placed: TypeAlias = Annotated[PlacedZone | PlacedLine, Field(discriminator="kind")]


class ZonesAsked(_Asked):
    """Body of `PUT /streams/{id}/zones`."""

    zones: Annotated[tuple[Placed, ...], Field(max_length=1000)]


class ZoneChange(_Asked):
    """Body of `PATCH`; what is left out stays."""

    name: Name | None = None
    points: Annotated[tuple[Point, ...], Field(min_length=2, max_length=MAX_POINTS)] | None = None
    anchor: AnchorField | None = None
    classes: Classes | None = None
    margin_px: MarginField | None = None
    hold_ms: HoldField | None = None
    dwell_s: Dwell | None = Field(None, description="Null for no such events.")


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True)


class ZoneCountsTold(_Told):
    """Counts by class since `since`."""

    inside: dict[str, int]
    entered: dict[str, int]
    left: dict[str, int]
    dwell_s: dict[str, float | None] = Field(description="`total` of all stays, `mean` of those that ended.")


class LineCountsTold(_Told):
    """Counts by class since `since`."""

    forward: dict[str, int]
    backward: dict[str, int]


class ZoneTold(_Told):
    """A zone or a line, and what it has counted."""

    id: str
    kind: Literal["zone", "line"]
    name: str
    points: list[tuple[float, float]]
    anchor: Anchor
    classes: list[str]
    margin_px: float
    hold_ms: float
    dwell_s: float | None
    problem: str | None = Field(description="Why it counts nothing or too little; null where it is well.")
    since: Moment = Field(description="When its counts were zero.")
    counts: ZoneCountsTold | LineCountsTold


class ZoneList(_Told):
    """All of one stream."""

    zones: list[ZoneTold]
