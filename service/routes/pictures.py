"""Pictures of kept events around a time: what is asked for, and the answer; of recordings and clips alike."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from fastapi.responses import Response

from service.schemas import TimeUs

FOREVER = {"Cache-Control": "private, max-age=3600, immutable"}
WEBP = {"content": {"image/webp": {"schema": {"type": "string", "format": "binary"}}}}

PictureEnd = Annotated[TimeUs | None, Query(description="Time that the picture ends at; default its end.")]
PictureWidth = Annotated[
    int, Query(ge=16, le=1920, description="Least width; 1280 and the sensor's at most.")
]


def picture_answer(webp: bytes, start_us: int, end_us: int) -> Response:
    """The picture; its header says what it shows."""
    headers = {**FOREVER, "X-Picture-T-Us": f"{start_us},{end_us}"}
    return Response(webp, media_type="image/webp", headers=headers)
