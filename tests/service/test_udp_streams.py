"""A `udp://` stream of a real service: datagrams in, boxes and complaints out, silence in between."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Any

from service.options import StreamSpec
from streaming.errors import BadSource
from streaming.events import Events
from streaming.live.sending import open_sender
from tests.servers import free_port
from tests.service.loops import RunningRuntime, messages_until, of_type
from tests.service.recordings import HEIGHT, WIDTH, events_array

EVERY_S = 0.02


def noise(start_us: int) -> Events:
    """20 ms of 500 events."""
    rows = events_array(seed=start_us, duration_us=round(EVERY_S * 1e6), count=500)
    return Events.of(rows["t"] + start_us, rows["x"], rows["y"], rows["p"])


async def send_for_ever(port: int, rubbish: bytes) -> None:
    """Sends 20 ms of events every 20 ms, and `rubbish` with them."""
    with open_sender(f"udp://127.0.0.1:{port}") as sender:
        for index in count():
            sender._socket.send(rubbish)
            sender.send(noise(round(index * EVERY_S * 1e6)))
            await asyncio.sleep(EVERY_S)


def test_boxes_of_datagrams_and_a_word_about_rubbish(running: RunningRuntime) -> None:
    port = free_port()
    spec = StreamSpec(f"udp://127.0.0.1:{port}?width={WIDTH}&height={HEIGHT}", name="lan", threshold=0.0)

    def enough(seen: list[Any]) -> bool:
        return len(of_type(seen, "detections")) >= 2 and bool(of_type(seen, "error"))

    async def scenario() -> list[Any]:
        stream = await running.runtime.start_stream(spec)
        sender = asyncio.create_task(send_for_ever(port, b"rubbish"))
        watcher = asyncio.create_task(messages_until(stream, enough))
        await asyncio.wait((sender, watcher), return_when=asyncio.FIRST_COMPLETED)
        sender.cancel()
        await stream.stop()
        return await watcher

    seen = running.call(scenario())
    assert seen[0]["resolution"] == [WIDTH, HEIGHT]
    assert any(answer["events"] > 0 for answer in of_type(seen, "detections"))
    (error, *_) = of_type(seen, "error")
    assert (error["code"], error["fatal"]) == ("broken-recording", False)
    assert "datagrams, the last one because: found a frame of 7 bytes" in error["message"]


def test_a_port_in_use_is_refused_with_a_reason(running: RunningRuntime) -> None:
    port = free_port()
    spec = StreamSpec(f"udp://127.0.0.1:{port}?width={WIDTH}&height={HEIGHT}", keep=False)

    async def scenario() -> str:
        first = await running.runtime.start_stream(spec)
        try:
            second = await running.runtime.start_stream(spec)
        except BadSource as error:
            return str(error)
        finally:
            await first.stop()
        await second.stop()
        return "started"

    assert "cannot listen there: Address already in use" in running.call(scenario())
