"""`MqttSender`: alarms as messages to a broker, one short connection each."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from service.alarms.addresses import addresses_of
from service.alarms.failures import DeliveryFailed
from service.alarms.targets import Mqtt, endpoint_of
from service.alarms.threads import in_thread

TURN_S = 0.1
"""Longest wait in the network loop before it looks whether to go on."""


class MqttSender:
    """Connects, publishes, waits for what the quality of service promises, and leaves.

    Alarms are rare: a connection of a moment needs no keeping alive and no coming back, which the retries of
    the outbox do. paho's loop blocks, so it runs in a thread of its own.

    Args:
        ca_file: certificates that are trusted besides the system's, None for none.
        timeout_s: for one attempt in all.
        private: private addresses and loopback are allowed.
    """

    def __init__(self, ca_file: str | None, timeout_s: float, *, private: bool) -> None:
        self._ca_file, self._timeout_s, self._private = ca_file, timeout_s, private
        self._closed = threading.Event()

    async def send(self, target: Mqtt, message_id: str, body: bytes) -> None:
        """One attempt; raises DeliveryFailed unless the broker has the message, as far as `qos` tells."""
        try:
            async with asyncio.timeout(self._timeout_s + 2 * TURN_S):
                endpoint = endpoint_of(target.url)
                refusal = DeliveryFailed(f"{endpoint.host} has no address")
                for address in await addresses_of(endpoint, private=self._private):
                    attempt = _Attempt(target, address, message_id, self._ca_file, self._closed)
                    try:
                        return await in_thread(lambda: attempt.publish(body, self._timeout_s))  # noqa: B023
                    except _NoConnection as error:
                        refusal = error
                raise refusal
        except TimeoutError:
            raise DeliveryFailed(f"nothing confirmed within {self._timeout_s:g} s") from None

    def close(self) -> None:
        """What is under way ends within a moment."""
        self._closed.set()


class _NoConnection(DeliveryFailed):
    """Another address may do."""


class _Attempt:
    """One connection to one address; everything in it blocks."""

    def __init__(
        self, target: Mqtt, address: str, message_id: str, ca_file: str | None, closed: threading.Event
    ) -> None:
        self._target, self._address, self._closed = target, address, closed
        self._published: paho.MQTTMessageInfo | None = None
        self._body = b""
        self._refusal: str | None = None
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"spikesight-{message_id[:12]}",
            protocol=paho.MQTTv311,
            reconnect_on_failure=False,
        )
        self._client.on_connect = self._connected
        if target.username is not None:
            self._client.username_pw_set(target.username, target.password or None)
        self._endpoint, self._ca_file = endpoint_of(target.url), ca_file

    def publish(self, body: bytes, timeout_s: float) -> None:
        deadline_s = time.monotonic() + timeout_s
        self._body = body
        self._connect(timeout_s)
        try:
            self._wait(deadline_s)
        finally:
            self._leave()

    def _connect(self, timeout_s: float) -> None:
        self._client.connect_timeout = timeout_s
        port = self._endpoint.port
        try:
            if self._endpoint.tls:
                self._client.tls_set_context(NamedContext.trusting(self._endpoint.host, self._ca_file))
            self._client.connect(self._address, port)
        except (OSError, ValueError) as error:
            raise _NoConnection(f"no connection to {self._address}:{port}: {error}"[:300]) from None

    def _wait(self, deadline_s: float) -> None:
        while not (self._published is not None and self._published.is_published()):
            if self._closed.is_set() or time.monotonic() > deadline_s:
                raise DeliveryFailed("connected, but nothing was confirmed in time")
            result = self._client.loop(TURN_S)
            if self._refusal is not None:
                raise DeliveryFailed(f"the broker refused: {self._refusal}")
            if result != MQTTErrorCode.MQTT_ERR_SUCCESS:
                raise DeliveryFailed(f"the connection broke: {paho.error_string(result)}")

    def _connected(
        self,
        client: paho.Client,
        userdata: Any,
        flags: Any,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._refusal = str(reason)
        else:
            self._published = client.publish(self._target.topic, self._body, self._target.qos)
            if self._published.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
                self._refusal = paho.error_string(self._published.rc)

    def _leave(self) -> None:
        self._client.disconnect()
        end_s = time.monotonic() + 10 * TURN_S
        while self._client.socket() is not None and time.monotonic() < end_s:
            if self._client.loop(TURN_S) != MQTTErrorCode.MQTT_ERR_SUCCESS:
                break
        self._client.on_connect = None  # so that both are freed, and a socket that is left is closed, at once


class NamedContext(ssl.SSLContext):
    """Checks certificates against a name, also where an address was connected to."""

    name: str

    @classmethod
    def trusting(cls, name: str, ca_file: str | None) -> NamedContext:
        """Blocks while certificates are read; raises OSError where `ca_file` holds none."""
        context = cls(ssl.PROTOCOL_TLS_CLIENT)
        context.load_default_certs()
        if ca_file is not None:
            context.load_verify_locations(ca_file)
        context.name = name
        return context

    def wrap_socket(self, sock: socket.socket, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        """Shakes hands at once: paho leaves the socket open where that fails."""
        wrapped = super().wrap_socket(sock, do_handshake_on_connect=False, server_hostname=self.name)
        try:
            wrapped.do_handshake()
        except BaseException:
            wrapped.close()
            raise
        return wrapped
