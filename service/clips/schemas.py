"""Clips on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.ranges import within

ClipId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Seconds = Annotated[float, *within("number", 0, 86_400)]


class RecordAsked(BaseModel):
    """Body of `POST /streams/{id}/recordings`."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"examples": [{"before_s": 5, "after_s": 5}]}
    )
    before_s: Seconds = Field(0.0, description="Seconds before now, at most `ring_seconds`.")
    after_s: Seconds = Field(10.0, description="Seconds from now on, at most `clips_longest_s`.")
    format: Literal["aedat4", "evt3"] | None = Field(
        None, description="Of the events; default the setting `clips_format`."
    )


class ClipTold(BaseModel):
    """A clip."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())
    id: ClipId
    name: str
    stream: str
    stream_name: str
    created: datetime
    why: Literal["asked", "alarm"]
    reasons: list[dict[str, Any]] = Field(description="Messages of the alarms that it was recorded for.")
    model: str
    classes: list[str]
    format: Literal["aedat4", "evt3"]
    width: int
    height: int
    before_s: float
    after_s: float
    state: Literal["recording", "done", "failed"]
    progress: float = Field(ge=0, le=1)
    events: int
    lost_events: int = Field(description="Of its time but not in it, because they came too fast.")
    answers: int = Field(description="In its file of boxes.")
    first_t_us: int | None
    last_t_us: int | None
    duration_us: int
    size_bytes: int
    boxes_bytes: int
    note: str | None = Field(description="Why it is shorter than asked for, or failed.")


class ClipList(BaseModel):
    """The newest first."""

    clips: list[ClipTold]
