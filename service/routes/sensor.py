"""`/streams/{id}/sensor`: how a stream's sensor does."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from service.routes.context import Shared
from service.schemas import refusals
from service.sensor_schemas import SensorState

router = APIRouter(prefix="/streams", tags=["streams"], responses=refusals(401, 403, 422, 500))


@router.get(
    "/{stream_id}/sensor",
    summary="How its sensor does",
    response_model=SensorState,
    response_model_exclude_unset=True,
    responses=refusals(404),
)
async def sensor(stream_id: str, context: Shared) -> dict[str, Any]:
    """Hot pixels, flicker, balance, rates, silence and clock of the last seconds, and verdicts in words."""
    return context.sensors.report(context.runtime.stream(stream_id).id)
