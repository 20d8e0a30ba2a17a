"""`/cameras`: what is plugged into the service's machine."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import HTTPConnection

from service.cameras import Cameras
from service.schemas import refusals
from streaming.live.listing import State

router = APIRouter(tags=["streams"])


def cameras_of(connection: HTTPConnection) -> Cameras:
    found: Cameras = connection.app.state.context.cameras
    return found


class CameraTold(BaseModel):
    """An event camera that is plugged in."""

    model_config = ConfigDict(frozen=True)
    name: str
    serial: str | None = Field(description="Serial number; null where it could not be read.")
    uri: str | None = Field(description="Source to start a stream with; null where it cannot be opened.")
    speed_mbps: float | None = Field(description="Of its connection, Mbit/s; null where nobody says.")
    state: State
    detail: str | None = Field(description="What the driver says against it.")
    advice: str = Field(description="What to do; empty where nothing is to be done.")


class CamerasTold(BaseModel):
    """Answer of `GET /cameras`."""

    model_config = ConfigDict(frozen=True)
    cameras: list[CameraTold]
    drivers: dict[str, str | None] = Field(description="Installed version of each; null where it is missing.")
    advice: str = Field(description="What to do where there is no camera; empty otherwise.")


@router.get(
    "/cameras",
    summary="Event cameras at this machine's USB",
    response_model=CamerasTold,
    responses=refusals(401, 403, 500),
)
async def list_cameras(cameras: Annotated[Cameras, Depends(cameras_of)]) -> dict[str, Any]:
    """What is plugged in, the URI of each, and what to do where one cannot be used. Takes seconds."""
    return await cameras.listed()
