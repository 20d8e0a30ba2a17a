"""Alarms on the wire: what is asked for and what is told."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, model_validator

from service.alarms.raised import Raised
from service.ranges import Moment, within

SET = "set"
"""In place of a secret that is there."""
LEAST_SECRET, MOST_SECRET = 16, 200
MAX_TARGETS = 8

Name = Annotated[str, Field(min_length=1, max_length=100)]
Id = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Count = Annotated[int, *within("whole number", 0, 100_000)]
AtLeast = Annotated[int, *within("whole number", 1, 100_000)]
Seconds = Annotated[float, *within("number", 0, 86_400)]
Millis = Annotated[int, *within("whole number", 0, 600_000)]
Fraction = Annotated[float, *within("number", 0, 1)]
Limit = Annotated[float, *within("number", 0, 1e12)]
RecordSeconds = Annotated[float, *within("number", 0, 600)]
Url = Annotated[str, Field(min_length=1, max_length=2000)]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ZoneWhen(_Asked):
    """Something happens in a zone."""

    on: Literal["zone"]
    zone: Name = Field(description="Name or id.")
    event: Literal["enter", "leave", "dwell"]


class InsideWhen(_Asked):
    """More tracks than so many are inside a zone."""

    on: Literal["inside"]
    zone: Name = Field(description="Name or id.")
    more_than: Count
    for_s: Seconds = 0.0


class LineWhen(_Asked):
    """A line is crossed."""

    on: Literal["line"]
    line: Name = Field(description="Name or id.")
    direction: Literal["any", "forward", "backward"] = "any"


class ClassWhen(_Asked):
    """A box of one of the alarm's classes is there."""

    on: Literal["class"]
    score: Fraction = 0.0
    for_ms: Millis = Field(0, description="For this long without a pause, in the events' time.")
    gap_ms: Millis = Field(200, description="A pause shorter than this is none.")


class CountWhen(_Asked):
    """So many boxes, or tracks, are there at once."""

    on: Literal["count"]
    of: Literal["boxes", "tracks"]
    at_least: AtLeast
    for_ms: Millis = Field(0, description="For this long, in the events' time.")


class HealthWhen(_Asked):
    """A figure of the sensor's health leaves its range."""

    on: Literal["health"]
    measure: Literal["rate", "silence", "hot_pixels", "hot_share", "flicker", "on_share"] = Field(
        description="Events a second; seconds without any; hot pixels; share of events of hot pixels, of the "
        "strongest flicker, of ON."
    )
    below: Limit | None = None
    above: Limit | None = None
    for_s: Seconds = 0.0

    @model_validator(mode="after")
    def _ranged(self) -> Self:
        if self.below is None and self.above is None:
            raise ValueError("needs below, above or both")
        if self.below is not None and self.above is not None and self.below > self.above:
            raise ValueError("below must not be larger than above: between them nothing is raised")
        return self


class LinkWhen(_Asked):
    """The source is not there."""

    on: Literal["link"]
    for_s: Seconds = 10.0
    stalled: bool = Field(False, description="Also where it is there and gives no events.")


When: TypeAlias = Annotated[
    ZoneWhen | InsideWhen | LineWhen | ClassWhen | CountWhen | HealthWhen | LinkWhen,
    Field(discriminator="on"),
]
WHEN: TypeAdapter[ZoneWhen | InsideWhen | LineWhen | ClassWhen | CountWhen | HealthWhen | LinkWhen] = (
    TypeAdapter(When)
)


class WebhookAsked(_Asked):
    """A POST of JSON, signed."""

    kind: Literal["webhook"]
    id: Id | None = Field(None, description="Of the target that this replaces; none for a new one.")
    url: Url = Field(description="https:// or http://, without user and password.")
    secret: SecretStr | None = Field(
        None,
        description=f"{LEAST_SECRET} to {MOST_SECRET} characters that sign every message; left out or "
        f"{SET!r} to keep that of `id`. Never shown.",
    )


class MqttAsked(_Asked):
    """A message to a broker."""

    kind: Literal["mqtt"]
    id: Id | None = Field(None, description="Of the target that this replaces; none for a new one.")
    url: Url = Field(description="mqtt://host:1883 or mqtts://host:8883, without user and password.")
    topic: Annotated[str, Field(min_length=1, max_length=1000)]
    qos: Literal[0, 1, 2] = 1
    username: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    password: SecretStr | None = Field(
        None, description=f"Left out or {SET!r} to keep that of `id`. Never shown."
    )


TargetAsked: TypeAlias = Annotated[WebhookAsked | MqttAsked, Field(discriminator="kind")]


class Record(_Asked):
    """What to record around an alarm."""

    before_s: RecordSeconds
    after_s: RecordSeconds


Classes = Annotated[tuple[Name, ...], Field(max_length=100, description="Labels that count; empty for all.")]
Deliver = Annotated[tuple[TargetAsked, ...], Field(max_length=MAX_TARGETS)]
_NO_CLASSES = ("health", "link")


class AlarmAsked(_Asked):
    """Body of `POST /alarms`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "somebody at the door",
                    "stream": "front",
                    "when": {"on": "zone", "zone": "door", "event": "enter"},
                    "classes": ["person"],
                    "cooldown_s": 30,
                    "deliver": [
                        {"kind": "webhook", "url": "https://example.org/alarms", "secret": "0123456789abcdef"}
                    ],
                }
            ]
        }
    )
    name: Name
    enabled: bool = True
    stream: Name | None = Field(None, description="Name or id; none for all streams.")
    when: When
    classes: Classes = ()
    cooldown_s: Seconds = Field(10.0, description="Least time between two of this alarm on one stream.")
    deliver: Deliver = ()
    record: Record | None = None

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.classes and self.when.on in _NO_CLASSES:
            raise ValueError(f"classes mean nothing for {self.when.on}; leave them out")
        return self


class AlarmChange(_Asked):
    """Body of `PATCH /alarms/{id}`; what is left out stays, what is given is replaced whole."""

    name: Name | None = None
    enabled: bool | None = None
    stream: Name | None = Field(None, description="Null for all streams.")
    when: When | None = None
    classes: Classes | None = None
    cooldown_s: Seconds | None = None
    deliver: Deliver | None = None
    record: Record | None = Field(None, description="Null for none.")


class RaisedAsked(_Asked):
    """Query of `GET /alarms/raised`."""

    stream: Name | None = Field(None, description="Name or id of a stream.")
    alarm: Name | None = Field(None, description="Name or id of an alarm.")
    acknowledged: bool | None = Field(None, description="Only those that are, or are not.")
    limit: Annotated[int, *within("whole number", 1, 1000)] = 100

    def wants(self, raised: Raised) -> bool:
        """Whether it is asked for."""
        return (
            self.stream in (None, raised.stream, raised.stream_name)
            and self.alarm in (None, raised.alarm, raised.name)
            and self.acknowledged in (None, raised.acknowledged is not None)
        )


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True)


class TargetTold(_Told):
    """A target without its secrets, and how it does."""

    model_config = ConfigDict(frozen=True, extra="allow")
    kind: Literal["webhook", "mqtt"]
    id: str
    url: str
    pending: int = Field(description="Deliveries that wait, or are tried again.")
    dead: int = Field(description="Dead letters.")
    error: str | None = Field(description="Why the last attempt failed; null after one that did not.")


class AlarmTold(_Told):
    """An alarm, and how it does."""

    id: str
    name: str
    enabled: bool
    stream: str | None
    when: dict[str, Any]
    classes: list[str]
    cooldown_s: float
    deliver: list[TargetTold]
    record: dict[str, float] | None
    problem: str | None = Field(description="Why it cannot be raised as things are; null where it can.")
    raised: int = Field(description="Times, on the streams that are there now.")
    suppressed: int = Field(description="Times it was not, because of its cooldown; likewise.")


class AlarmList(_Told):
    """All alarms."""

    alarms: list[AlarmTold]


class RaisedTold(_Told):
    """An alarm that was raised."""

    id: str
    alarm: str
    name: str
    stream: str
    stream_name: str
    on: str
    what: str = Field(description="In words.")
    details: dict[str, Any]
    t_us: int | None
    raised: Moment
    suppressed: int = Field(
        description="Times it would have been raised since the last, but for its cooldown."
    )
    record: tuple[float, float] | None = Field(description="Seconds before and after that are recorded.")
    test: bool
    acknowledged: Moment | None


class RaisedList(_Told):
    """The newest first."""

    raised: list[RaisedTold]
    unacknowledged: int = Field(description="Of all, not only of those that were asked for.")


class LetterTold(_Told):
    """A delivery that was given up."""

    id: str
    alarm: str
    target: str
    kind: Literal["webhook", "mqtt"]
    url: str
    raised: RaisedTold
    attempts: int
    error: str
    since: Moment = Field(description="When it was given up.")


class LetterList(_Told):
    """The newest first."""

    letters: list[LetterTold]


class Retried(_Told):
    """How many are tried again."""

    retried: int


class Acknowledged(_Told):
    """How many were acknowledged."""

    acknowledged: int
