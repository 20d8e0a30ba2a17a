"""`/streams/{id}/zones`: areas and lines over a stream, and what they count."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import HTTPConnection
from starlette.responses import Response

from service.observers import StreamPort
from service.schemas import refusals
from service.zones.schemas import Spec, ZoneChange, ZoneList, ZonesAsked, ZoneTold
from service.zones.zones import Zones

router = APIRouter(
    prefix="/streams/{stream_id}/zones", tags=["zones"], responses=refusals(401, 403, 404, 422, 500, 503)
)


def zones_of(connection: HTTPConnection) -> Zones:
    found: Zones = connection.app.state.context.zones
    return found


def stream_of(stream_id: str, connection: HTTPConnection) -> StreamPort:
    found: StreamPort = connection.app.state.context.runtime.stream(stream_id)
    return found


Kept = Annotated[Zones, Depends(zones_of)]
Asked = Annotated[StreamPort, Depends(stream_of)]


@router.get("", summary="All zones and lines of a stream", response_model=ZoneList)
async def list_zones(stream: Asked, zones: Kept) -> dict[str, Any]:
    return {"zones": zones.describe(stream)}


@router.put("", summary="Replace all of them", response_model=ZoneList, responses=refusals(400))
async def put(stream: Asked, zones: Kept, asked: ZonesAsked) -> dict[str, Any]:
    """Those whose `id` is given keep it and their counts; those that are left out are removed."""
    await zones.put(stream, asked.zones)
    return {"zones": zones.describe(stream)}


@router.post("", status_code=201, summary="Add one", response_model=ZoneTold, responses=refusals(400))
async def add(stream: Asked, zones: Kept, asked: Spec, response: Response) -> dict[str, Any]:
    zone_id = await zones.add(stream, asked)
    response.headers["Location"] = f"/streams/{stream.id}/zones/{zone_id}"
    return zones.describe_one(stream, zone_id)


@router.get("/{zone_id}", summary="One zone or line", response_model=ZoneTold)
async def read(zone_id: str, stream: Asked, zones: Kept) -> dict[str, Any]:
    return zones.describe_one(stream, zone_id)


@router.patch("/{zone_id}", summary="Change some of it", response_model=ZoneTold, responses=refusals(400))
async def change(zone_id: str, stream: Asked, zones: Kept, asked: ZoneChange) -> dict[str, Any]:
    """It keeps its counts, and those inside stay inside until they are seen elsewhere."""
    found = zones.get(stream.id, zone_id)
    await zones.change(stream, found.id, asked)
    return zones.describe_one(stream, found.id)


@router.delete("/{zone_id}", status_code=204, summary="Remove it")
async def remove(zone_id: str, stream: Asked, zones: Kept) -> None:
    await zones.remove(stream, zone_id)


@router.delete("/{zone_id}/counts", summary="Count anew", response_model=ZoneTold)
async def clear_counts(zone_id: str, stream: Asked, zones: Kept) -> dict[str, Any]:
    """All counts to zero; those inside stay."""
    zones.clear_counts(stream, zone_id)
    return zones.describe_one(stream, zone_id)
