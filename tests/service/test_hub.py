"""Viewers: fast ones get everything, slow ones lose pictures, answers, then the connection."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from service.hub import MOST_CONTROL_MESSAGES, NORMAL, TRY_LATER, Hub, Viewer
from service.telemetry import Metrics

HELLO = {"type": "hello"}


def hub_of(limit: int = 4, stall_s: float = 60.0, widths: list[int | None] | None = None) -> Hub:
    return Hub(limit, stall_s, Metrics(), (widths if widths is not None else []).append)


def frame(seq: int) -> dict[str, Any]:
    return {"type": "detections", "seq": seq}


async def everything(viewer: Viewer) -> list[Any]:
    return [message async for message in viewer]


def test_a_viewer_gets_hello_then_all_in_order() -> None:
    async def scenario() -> list[Any]:
        hub = hub_of()
        with hub.viewer(HELLO, None) as viewer:
            hub.publish(frame(0), "frame")
            hub.publish({"type": "reset", "reason": "gap"})
            hub.publish(frame(1), "frame")
            hub.close(NORMAL)
            return await everything(viewer)

    assert asyncio.run(scenario()) == [HELLO, frame(0), {"type": "reset", "reason": "gap"}, frame(1)]


def test_a_slow_viewer_loses_the_oldest_answers_and_is_told() -> None:
    async def scenario() -> list[Any]:
        hub = hub_of(limit=3)
        with hub.viewer(HELLO, None) as viewer:
            for seq in range(10):
                hub.publish(frame(seq), "frame")
            hub.publish({"type": "status"})
            hub.close(NORMAL)
            assert viewer.dropped_frames == 7
            return await everything(viewer)

    messages = asyncio.run(scenario())
    assert [message["seq"] for message in messages[1:4]] == [7, 8, 9]
    assert messages[4] == {"type": "status", "viewer": {"dropped_frames": 7, "dropped_pictures": 0}}


def test_one_slow_viewer_never_stalls_another() -> None:
    async def scenario() -> tuple[int, int]:
        hub = hub_of(limit=5)
        with hub.viewer(HELLO, None) as slow, hub.viewer(HELLO, None) as fast:
            reader = asyncio.create_task(everything(fast))
            for seq in range(500):
                hub.publish(frame(seq), "frame")
                await asyncio.sleep(0)
            hub.close(NORMAL)
            async with asyncio.timeout(5):
                return len(await reader), slow.dropped_frames

    assert asyncio.run(scenario()) == (501, 495)


def test_pictures_go_first() -> None:
    async def scenario() -> list[Any]:
        hub = hub_of()
        with hub.viewer(HELLO, 320) as viewer, hub.viewer(HELLO, None) as blind:
            for number in range(5):
                hub.publish_picture(bytes([number]))
            hub.publish(frame(0), "frame")
            hub.close(NORMAL)
            assert viewer.dropped_pictures == 4
            assert await everything(blind) == [HELLO, frame(0)]
            return await everything(viewer)

    assert asyncio.run(scenario()) == [HELLO, frame(0), b"\x04"]


def test_a_viewer_that_takes_nothing_is_closed() -> None:
    async def scenario() -> tuple[list[Any], int]:
        hub = hub_of(stall_s=0.05)
        with hub.viewer(HELLO, None) as viewer:
            await asyncio.sleep(0.1)
            hub.publish(frame(0), "frame")
            return await everything(viewer), viewer.close_code

    messages, code = asyncio.run(scenario())
    assert code == TRY_LATER
    assert messages[-1]["code"] == "viewer-too-slow"
    assert messages[-1]["fatal"]


def test_an_idle_viewer_is_not_a_slow_one() -> None:
    async def scenario() -> list[Any]:
        hub = hub_of(stall_s=0.05)
        with hub.viewer(HELLO, None) as viewer:
            assert await anext(viewer) == HELLO
            await asyncio.sleep(0.1)  # nothing to take meanwhile
            hub.publish(frame(0), "frame")
            hub.publish(frame(1), "frame")
            hub.close(NORMAL)
            return await everything(viewer)

    assert asyncio.run(scenario()) == [frame(0), frame(1)]


def test_a_send_that_stalls_ends_the_pump() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)
        if len(sent) == 2:
            await asyncio.sleep(3600)

    async def scenario() -> int:
        hub = hub_of(stall_s=0.05)
        with hub.viewer(HELLO, None) as viewer:
            hub.publish(frame(0), "frame")
            async with asyncio.timeout(5):
                return await viewer.pump(send)

    assert asyncio.run(scenario()) == TRY_LATER
    assert sent == [HELLO, frame(0)]


def test_the_widest_wanted_picture_is_made_and_none_without_a_viewer() -> None:
    widths: list[int | None] = []
    hub = hub_of(widths=widths)
    with hub.viewer(HELLO, 320):
        with hub.viewer(HELLO, 640), hub.viewer(HELLO, None):
            assert len(hub) == 3
        assert widths == [320, 640, 320]
    assert widths == [320, 640, 320, None]
    assert len(hub) == 0


@pytest.mark.parametrize("kind", ["control", "frame"])
def test_queues_are_bounded_whatever_comes(kind: Any) -> None:
    hub = hub_of(limit=4)
    with hub.viewer(HELLO, None) as viewer:
        for seq in range(5 * MOST_CONTROL_MESSAGES):
            hub.publish(frame(seq), kind)
        hub.close(NORMAL)
        assert len(asyncio.run(everything(viewer))) <= MOST_CONTROL_MESSAGES + 5
