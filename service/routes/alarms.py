"""`/alarms`: rules, what they raised, and what could not be delivered."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.requests import HTTPConnection
from starlette.responses import Response

from service.alarms.alarms import Alarms
from service.alarms.schemas import (
    Acknowledged,
    AlarmAsked,
    AlarmChange,
    AlarmList,
    AlarmTold,
    LetterList,
    RaisedAsked,
    RaisedList,
    RaisedTold,
    Retried,
)
from service.schemas import refusals

router = APIRouter(prefix="/alarms", tags=["alarms"], responses=refusals(401, 403, 422, 500))


def alarms_of(connection: HTTPConnection) -> Alarms:
    found: Alarms = connection.app.state.context.alarms
    return found


Kept = Annotated[Alarms, Depends(alarms_of)]


@router.get("", summary="All alarms", response_model=AlarmList)
async def list_alarms(alarms: Kept) -> dict[str, Any]:
    """Secrets are never shown."""
    return {"alarms": alarms.describe()}


@router.post(
    "", status_code=201, summary="Set one up", response_model=AlarmTold, responses=refusals(400, 503)
)
async def add(alarms: Kept, asked: AlarmAsked, response: Response) -> dict[str, Any]:
    alarm_id = await alarms.add(asked)
    response.headers["Location"] = f"/alarms/{alarm_id}"
    return alarms.describe_one(alarm_id)


@router.get("/raised", summary="Alarms that were raised", response_model=RaisedList)
async def list_raised(alarms: Kept, asked: Annotated[RaisedAsked, Query()]) -> dict[str, Any]:
    """The newest first."""
    found = [raised.to_json() for raised in alarms.raised.newest() if asked.wants(raised)]
    return {"raised": found[: asked.limit], "unacknowledged": alarms.raised.unacknowledged()}


@router.post("/raised/acknowledge", summary="Acknowledge all", response_model=Acknowledged)
async def acknowledge_all(alarms: Kept) -> dict[str, Any]:
    return {"acknowledged": alarms.acknowledge_all()}


@router.post(
    "/raised/{raised_id}/acknowledge",
    summary="Acknowledge one",
    response_model=RaisedTold,
    responses=refusals(404),
)
async def acknowledge(raised_id: str, alarms: Kept) -> dict[str, Any]:
    """Viewers of its stream get an `alarm` message with the time; a second time changes nothing."""
    return alarms.acknowledge(raised_id).to_json()


@router.get("/dead-letters", summary="What could not be delivered", response_model=LetterList)
async def list_letters(alarms: Kept) -> dict[str, Any]:
    """The newest first."""
    return {"letters": [letter.told() for letter in alarms.outbox.letters()]}


@router.post("/dead-letters/retry", summary="Try all again", response_model=Retried)
async def retry_all(alarms: Kept) -> dict[str, Any]:
    return {"retried": alarms.outbox.retry()}


@router.post(
    "/dead-letters/{letter_id}/retry",
    summary="Try one again",
    response_model=Retried,
    responses=refusals(404),
)
async def retry(letter_id: str, alarms: Kept) -> dict[str, Any]:
    return {"retried": alarms.outbox.retry(letter_id)}


@router.delete("/dead-letters", status_code=204, summary="Forget all")
async def delete_letters(alarms: Kept) -> None:
    alarms.outbox.delete()


@router.delete("/dead-letters/{letter_id}", status_code=204, summary="Forget one", responses=refusals(404))
async def delete_letter(letter_id: str, alarms: Kept) -> None:
    alarms.outbox.delete(letter_id)


@router.get("/{alarm_id}", summary="One alarm", response_model=AlarmTold, responses=refusals(404))
async def read(alarm_id: str, alarms: Kept) -> dict[str, Any]:
    return alarms.describe_one(alarm_id)


@router.patch(
    "/{alarm_id}",
    summary="Change some of it",
    response_model=AlarmTold,
    responses=refusals(400, 404, 503),
)
async def change(alarm_id: str, alarms: Kept, asked: AlarmChange) -> dict[str, Any]:
    """What waits for delivery goes to its targets as they are now, and is dropped for those left out."""
    await alarms.change(alarm_id, asked)
    return alarms.describe_one(alarm_id)


@router.delete("/{alarm_id}", status_code=204, summary="Delete it", responses=refusals(404, 503))
async def remove(alarm_id: str, alarms: Kept) -> None:
    """With what waits for delivery, and its dead letters."""
    await alarms.remove(alarm_id)


@router.post(
    "/{alarm_id}/test",
    status_code=202,
    summary="Send a message to its targets",
    response_model=RaisedTold,
    responses=refusals(404),
)
async def test(alarm_id: str, alarms: Kept) -> dict[str, Any]:
    """Marked `test`; it is told to no viewer and not remembered."""
    return alarms.test(alarm_id).to_json()
