"""`Poster`: one attempt at one delivery, by whatever way its target is reached."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Self

from model.errors import BadSetting
from service.alarms.delivery import Delivery
from service.alarms.failures import DeliveryFailed
from service.alarms.mqtt import MqttSender
from service.alarms.targets import Target, Webhook
from service.alarms.webhook import WebhookSender
from service.settings import Settings

TargetOf = Callable[[str, str], Target | None]
"""The target of (alarm id, target id), None where it is no more."""


class Poster:
    """Webhooks and MQTT.

    Args:
        target_of: looks targets up, so that a corrected URL or secret counts for what waits already.
    """

    def __init__(self, webhooks: WebhookSender, mqtt: MqttSender, target_of: TargetOf) -> None:
        self._webhooks, self._mqtt, self._target_of = webhooks, mqtt, target_of

    @classmethod
    async def open(cls, settings: Settings, target_of: TargetOf) -> Self:
        """Raises BadSetting where `alarm_ca_file` holds no certificates."""
        tls = await asyncio.to_thread(_tls, settings.alarm_ca_file)
        timeout_s, private = settings.alarm_timeout_s, settings.alarm_private_addresses
        ca_file = None if settings.alarm_ca_file is None else str(settings.alarm_ca_file)
        return cls(
            WebhookSender(tls, timeout_s, private=private),
            MqttSender(ca_file, timeout_s, private=private),
            target_of,
        )

    async def post(self, delivery: Delivery) -> None:
        """Raises DeliveryFailed."""
        target = self._target_of(delivery.alarm, delivery.target)
        if target is None:
            raise DeliveryFailed("its alarm or target was deleted", final=True)
        body = json.dumps(delivery.raised.message(), separators=(",", ":"), ensure_ascii=False).encode()
        if isinstance(target, Webhook):
            await self._webhooks.send(target, delivery.id, body)
        else:
            await self._mqtt.send(target, delivery.id, body)

    async def close(self) -> None:
        self._mqtt.close()
        await self._webhooks.close()


def _tls(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except (OSError, ssl.SSLError) as error:
            raise BadSetting(
                f"alarm_ca_file is {ca_file}, which holds no certificates ({error}); give a PEM file"
            ) from None
    return context
