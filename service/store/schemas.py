"""History on the wire: what is asked for and what is told."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from service.ranges import within
from service.store.moments import to_us

MOST_ROWS = 1000
MAX_TRACK_ID = (1 << 53) - 1
_BUCKET = re.compile(r"([1-9]\d{0,5})([smhd])", re.ASCII)
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_LATEST_S = 253_402_300_799  # the end of the year 9999


def parse_moment(value: object) -> int:
    """Microseconds since 1970."""
    text = str(value).strip()
    try:
        return round(float(text) * 1e6) if _in_range(text) else to_us(_dated(text))
    except ValueError:
        raise ValueError(
            "must be a time like 2026-01-31T12:00:00Z (a + in a query is written %2B; without a zone it is "
            "UTC), or seconds since 1970"
        ) from None


def _in_range(text: str) -> bool:
    """Whether it is a number; one that is no time is a ValueError."""
    try:
        seconds = float(text)
    except ValueError:
        return False
    if not 0 <= seconds <= _LATEST_S:
        raise ValueError
    return True


def _dated(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    if found.year < 1970:
        raise ValueError
    return found


def _bucket(value: str) -> str:
    if _BUCKET.fullmatch(value) is None:
        raise ValueError("must be a number and s, m, h or d: 10s, 1m, 6h, 1d")
    return value


def bucket_s(text: str) -> int:
    """Seconds of a bucket such as "5m"."""
    match = _BUCKET.fullmatch(text)
    assert match is not None, "was checked"
    return int(match[1]) * _UNIT_S[match[2]]


Moment = Annotated[
    int, BeforeValidator(parse_moment, json_schema_input_type=str), Field(examples=["2026-01-31T12:00:00Z"])
]
# Not a datetime: pydantic would leave out microseconds where there are none, and texts would not sort.
Time = Annotated[
    str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-01-31T12:00:00.000000Z"])
]
Text = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]
Texts = Annotated[list[Text], Field(max_length=64)]
Fraction = Annotated[float, *within("number", 0, 1)]
TrackId = Annotated[int, *within("whole number", 1, MAX_TRACK_ID)]
Limit = Annotated[int, *within("whole number", 1, MOST_ROWS)]


class _Asked(BaseModel):
    # A misspelt condition must not be passed over: the answer would look right and be wrong.
    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_name=True, validate_by_alias=True)


class RangeQuery(_Asked):
    """Which streams, and when."""

    stream: Texts = Field([], description="Id or name of a stream; several are joined.")
    from_: Moment | None = Field(
        None, alias="from", description="Begin, time of day: ISO 8601, or seconds since 1970."
    )
    to: Moment | None = Field(None, description="End, exclusive; as `from`.")


class SeenQuery(RangeQuery):
    """Which boxes."""

    class_: Texts = Field([], alias="class", description="Name of a class; several are joined.")
    zone: Text | None = Field(None, description="Id or name of a zone of the one stream that is asked for.")
    min_score: Fraction | None = Field(None, description="Least score.")
    track_id: TrackId | None = Field(None, description="Of one track.")


class Paged(BaseModel):
    limit: Limit = Field(100, description="Most rows of a page.")
    order: Literal["newest", "oldest"] = Field("newest", description="What comes first.")
    cursor: Text | None = Field(None, description="From the `next` of the page before.")


class DetectionsQuery(SeenQuery, Paged):
    """Query of `GET /detections`."""


class TracksQuery(RangeQuery, Paged):
    """Query of `GET /tracks`."""

    class_: Texts = Field([], alias="class", description="Name of a class; several are joined.")
    min_score: Fraction | None = Field(None, description="Least of the best score.")
    track_id: TrackId | None = None


class HappeningsQuery(RangeQuery, Paged):
    """Query of `GET /happenings`."""

    kind: Texts = Field([], description="Type of message, such as zone or alarm; several are joined.")


class CountsQuery(SeenQuery):
    """Query of `GET /detections/counts`."""

    bucket: Annotated[str, AfterValidator(_bucket)] = Field("1m", description="Length: 10s, 1m, 6h, 1d.")


class ExportQuery(SeenQuery):
    """Query of `GET /detections/export`."""

    format: Literal["csv", "parquet", "coco"] = "csv"


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True)


class _OfStream(_Told):
    time: Time
    stream: str
    name: str


class KeptDetection(_OfStream):
    t_us: int = Field(description="End of its answer, on the clock of the events.")
    label: str
    score: float
    xyxy: tuple[float, float, float, float] = Field(description="Left, top, right, bottom; sensor pixels.")
    track_id: int | None


class KeptTrack(_OfStream):
    """A track that has ended, at `time`."""

    track_id: int
    begun: Time
    t_us: tuple[int, int] = Field(description="Begin and end, on the clock of the events.")
    label: str
    votes: dict[str, float]
    boxes: int = Field(description="Answers that showed it.")
    score: float = Field(description="The best.")
    path: list[tuple[int, float, float]] = Field(description="t_us, x, y of its centre; 64 points at most.")


class KeptHappening(_OfStream):
    kind: str
    body: dict[str, Any] = Field(description="The message that viewers were sent.")


class DetectionPage(_Told):
    detections: list[KeptDetection]
    next: str | None = Field(description="Path of the next page, null at the end.")


class TrackPage(_Told):
    tracks: list[KeptTrack]
    next: str | None = Field(description="Path of the next page, null at the end.")


class HappeningPage(_Told):
    happenings: list[KeptHappening]
    next: str | None = Field(description="Path of the next page, null at the end.")


class CountBucket(_Told):
    time: Time = Field(description="Its begin.")
    boxes: dict[str, int] = Field(description="Boxes kept, by class.")
    tracks: dict[str, int] = Field(description="Tracks by class, each where it was first seen.")


class Counts(_Told):
    """Buckets that hold nothing are left out."""

    bucket_s: int
    begin: Time
    end: Time
    buckets: list[CountBucket]
