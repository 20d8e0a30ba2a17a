"""`/health`: alive, and ready to answer."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from service.errors import WorkerNotReady
from service.routes.context import Shared
from service.schemas import Alive, Health, refusals

router = APIRouter(prefix="/health", tags=["service"])


@router.get("/live", summary="Does the process answer?", response_model=Alive)
async def live() -> dict[str, Any]:
    return {"status": "alive"}


@router.get("/ready", summary="Can it detect?", response_model=Health, responses=refusals(500, 503))
async def ready(context: Shared) -> dict[str, Any]:
    """200 with worker, device, streams and queues once the network has run; 503 before and in restarts."""
    health = context.runtime.health()
    if not health.ready:
        raise WorkerNotReady(
            f"the inference worker is {health.worker.state} on {health.worker.device}; "
            "it answers once it has warmed up. Ask again."
        )
    return health.to_json()
