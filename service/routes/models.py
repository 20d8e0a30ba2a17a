"""`/models`: what can be asked for."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter

from service.routes.context import Shared
from service.schemas import ModelList, refusals

router = APIRouter(tags=["detection"])


@router.get(
    "/models", summary="Models and their cards", response_model=ModelList, responses=refusals(401, 403, 500)
)
async def list_models(context: Shared) -> dict[str, Any]:
    """Classes, window, thresholds, accuracy and limits of each.

    Where none is named, recordings are looked at by `default`, live streams by `live_default`.
    """
    cards = [json.loads(card.to_json()) for card in context.runtime.models()]
    live = context.runtime.live_model
    return {"default": context.settings.model, "live_default": live, "models": cards}
