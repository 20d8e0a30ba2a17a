"""`/metrics`: counters and gauges for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from service.routes.context import Shared
from service.schemas import refusals

router = APIRouter(tags=["service"])


@router.get(
    "/metrics",
    summary="Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **refusals(401, 403, 500)},
)
async def metrics(context: Shared) -> Response:
    return Response(context.runtime.metrics(), headers={"Content-Type": CONTENT_TYPE_LATEST})
