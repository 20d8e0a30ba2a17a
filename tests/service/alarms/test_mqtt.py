"""MQTT to a real Mosquitto: delivered, refused, killed and back, encrypted, silent."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.servers import free_port
from tests.service.alarms.broker import PASSWORD, PATIENCE_S, USER, Broker, listening
from tests.service.alarms.certificates import certificate
from tests.service.alarms.house import House, house, until


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    running = Broker(tmp_path, free_port())
    running.start()
    yield running
    running.stop()


def target(broker: Broker, **changed: Any) -> dict[str, Any]:
    return {"kind": "mqtt", "url": f"mqtt://localhost:{broker.port}", "topic": "alarms/front", **changed}


async def dead(at: House) -> str:
    """Why the first dead letter died."""
    await until(lambda: bool(at.alarms.outbox.letters()))
    return str(at.alarms.outbox.letters()[0].error)


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_an_alarm_arrives(broker: Broker, qos: int) -> None:
    async def run() -> None:
        async with house() as at:
            await at.alarm(deliver=[target(broker, qos=qos)])
            at.see()
            message = await asyncio.to_thread(messages.get, timeout=PATIENCE_S)
            assert json.loads(message.payload) == at.stream.told_of("alarm")[0]
            assert message.topic == "alarms/front"
            await until(lambda: not at.alarms.outbox.queue()["depth"])

    with listening(broker.port, "alarms/#") as messages:
        asyncio.run(run())


def test_a_broker_that_was_killed_gets_the_message_when_it_is_back(broker: Broker) -> None:
    async def run() -> None:
        async with house(alarm_attempts=1000) as at:
            made = await at.alarm(deliver=[target(broker)])
            at.see()
            await asyncio.to_thread(messages.get, timeout=PATIENCE_S)
            await until(lambda: not at.alarms.outbox.queue()["depth"])
            broker.kill()
            at.see_again()
            at.see_again()
            figures = made["deliver"][0]["id"]
            await until(lambda: at.alarms.outbox.figures(figures)["error"] is not None)
            assert "no connection to" in at.alarms.outbox.figures(figures)["error"]
            assert at.alarms.outbox.figures(figures)["pending"] == 2
            await asyncio.to_thread(broker.start)
            got = [await asyncio.to_thread(messages.get, timeout=PATIENCE_S) for _ in range(2)]
            ids = {json.loads(message.payload)["id"] for message in got}
            assert ids == {message["id"] for message in at.stream.told_of("alarm")[1:]}
            await until(lambda: not at.alarms.outbox.queue()["depth"])

    with listening(broker.port, "alarms/#") as messages:
        asyncio.run(run())


def test_user_and_password(tmp_path: Path) -> None:
    async def run() -> None:
        async with house(alarm_attempts=1) as at:
            await at.alarm(deliver=[target(broker, username=USER, password="wrong")], name="wrong")
            at.see()
            assert "the broker refused: Not authorized" in await dead(at)
            await at.alarm(deliver=[target(broker, username=USER, password=PASSWORD)], name="right")
            at.see_again()
            message = await asyncio.to_thread(messages.get, timeout=PATIENCE_S)
            assert json.loads(message.payload)["name"] == "right"

    broker = Broker(tmp_path, free_port(), users=True)
    broker.start()
    try:
        with listening(broker.port, "alarms/#", users=True) as messages:
            asyncio.run(run())
    finally:
        broker.stop()


def test_tls(tmp_path: Path) -> None:
    async def run() -> None:
        async with house(alarm_ca_file=pem) as at:
            await at.alarm(deliver=[target(broker, url=f"mqtts://localhost:{broker.port}")])
            at.see()
            message = await asyncio.to_thread(messages.get, timeout=PATIENCE_S)
            assert json.loads(message.payload)["name"] == "alarm"
        async with house(alarm_attempts=1) as at:  # a certificate that nobody vouches for
            await at.alarm(deliver=[target(broker, url=f"mqtts://localhost:{broker.port}")])
            at.see()
            assert "certificate verify failed" in await dead(at)
        async with house(alarm_attempts=1, alarm_ca_file=pem) as at:  # one of another name
            await at.alarm(deliver=[target(broker, url=f"mqtts://127.0.0.1:{broker.port}")])
            at.see()
            assert "mismatch" in await dead(at)

    pem = certificate(tmp_path / "localhost.pem", "localhost")
    broker = Broker(tmp_path, free_port(), pem)
    broker.start()
    try:
        with listening(broker.port, "alarms/#", pem) as messages:
            asyncio.run(run())
    finally:
        broker.stop()


@pytest.mark.parametrize("says", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_what_is_no_broker_is_given_up_and_let_go(says: bytes) -> None:
    """A peer that takes the connection and says nothing, or something else, leaves no socket behind."""

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(says)
        await reader.read()
        ended.append(1)
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(peer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with house(alarm_attempts=2, alarm_timeout_s=0.3) as at:
            url = f"mqtt://127.0.0.1:{port}"
            await at.alarm(deliver=[{"kind": "mqtt", "url": url, "topic": "alarms"}])
            at.see()
            assert await dead(at)
            await until(
                lambda: (
                    not [
                        one
                        for one in psutil.Process().net_connections("tcp")
                        if one.raddr and one.raddr.port == port
                    ]
                )
            )
        server.close()

    ended: list[int] = []
    asyncio.run(run())


def test_private_brokers_can_be_denied(broker: Broker) -> None:
    async def run() -> None:
        async with house(alarm_private_addresses=False) as at:
            await at.alarm(deliver=[target(broker)])
            at.see()
            assert "alarms may not be sent" in await dead(at)

    asyncio.run(run())


def test_a_name_that_is_none() -> None:
    async def run() -> None:
        async with house(alarm_attempts=1) as at:
            await at.alarm(deliver=[{"kind": "mqtt", "url": "mqtt://nowhere.invalid", "topic": "alarms"}])
            at.see()
            assert "does not resolve" in await dead(at)

    asyncio.run(run())


def test_an_end_while_a_broker_is_silent_does_not_wait_for_it() -> None:
    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            async with house(alarm_timeout_s=60) as at:
                url = f"mqtt://127.0.0.1:{silent.getsockname()[1]}"
                await at.alarm(deliver=[{"kind": "mqtt", "url": url, "topic": "alarms"}])
                at.see()
                connection, _ = await asyncio.get_running_loop().run_in_executor(None, silent.accept)
            with connection:
                connection.settimeout(PATIENCE_S)
                while connection.recv(4096):  # what was asked; then the end
                    pass

    asyncio.run(run())
