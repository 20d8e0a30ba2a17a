"""Signatures of webhooks, as Standard Webhooks (standardwebhooks.com) has them, so that any library verifies.

Signed is `ID.TIMESTAMP.BODY`. The id stays the same through all attempts at one delivery, so that a receiver
knows what it had already; the timestamp is of the attempt, so that it can refuse what somebody recorded and
sends again later.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

from service.errors import BadAlarm

ENCODED = "whsec_"
"""A secret that begins so is base64 of the key; any other is the key."""


def key_of(secret: str) -> bytes:
    """The HMAC key that a secret stands for; raises BadAlarm where it is no base64 and claims to be."""
    if not secret.startswith(ENCODED):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(ENCODED) + "==", validate=False)
    except (binascii.Error, ValueError):
        raise BadAlarm(f"found a secret that begins with {ENCODED} and goes on as no base64") from None


def signed_headers(secret: str, message_id: str, now_s: int, body: bytes) -> dict[str, str]:
    """The three headers of one attempt at `now_s` (Unix time)."""
    signed = f"{message_id}.{now_s}.".encode() + body
    digest = hmac.new(key_of(secret), signed, hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(now_s),
        "webhook-signature": "v1," + base64.b64encode(digest).decode(),
    }
