"""Where alarms are delivered: webhooks and MQTT topics, with secrets that are never shown."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias
from urllib.parse import SplitResult, urlsplit

import httpx
from pydantic import SecretStr

from service.alarms.schemas import LEAST_SECRET, MOST_SECRET, SET, MqttAsked, TargetAsked, WebhookAsked
from service.alarms.signing import ENCODED, key_of
from service.errors import BadAlarm

_PORTS = {"http": 80, "https": 443, "mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What a URL names: `host` as written there, `tls` whether the connection is encrypted."""

    host: str
    port: int
    tls: bool


@dataclass(frozen=True, slots=True)
class Webhook:
    """A POST to `url`, signed with `secret`."""

    id: str
    url: str
    secret: str = field(repr=False)
    kind: Literal["webhook"] = "webhook"

    def told(self) -> dict[str, Any]:
        return {**asdict(self), "secret": SET}


@dataclass(frozen=True, slots=True)
class Mqtt:
    """A message to `topic` of the broker at `url`; `password` is empty for none."""

    id: str
    url: str
    topic: str
    qos: Literal[0, 1, 2] = 1
    username: str | None = None
    password: str = field(default="", repr=False)
    kind: Literal["mqtt"] = "mqtt"

    def told(self) -> dict[str, Any]:
        return {**asdict(self), "password": SET if self.password else None}


Target: TypeAlias = Webhook | Mqtt


def endpoint_of(url: str) -> Endpoint:
    """Raises ValueError where `url` names no host and port."""
    parts = urlsplit(url)
    if not parts.hostname:
        raise ValueError("no host")
    return Endpoint(parts.hostname, parts.port or _PORTS[parts.scheme], parts.scheme in ("https", "mqtts"))


def target_from_json(body: Mapping[str, Any]) -> Target:
    """What `dataclasses.asdict` made of one; raises TypeError, ValueError or KeyError."""
    kinds: dict[str, type[Webhook | Mqtt]] = {"webhook": Webhook, "mqtt": Mqtt}
    return kinds[body["kind"]](**body)


def targets_of(asked: Sequence[TargetAsked], known: Sequence[Target] = ()) -> tuple[Target, ...]:
    """Targets as asked for; one that names the id of a known one may leave its secret out.

    Raises:
        BadAlarm: a URL, a topic or a secret makes no sense.
    """
    by_id = {target.id: target for target in known}
    for one in asked:
        if one.id is not None and one.id not in by_id:
            raise BadAlarm(f"found no target {one.id!r} in this alarm; leave id out for a new one")
    if len({one.id for one in asked if one.id}) < sum(one.id is not None for one in asked):
        raise BadAlarm("two targets have the same id; leave the id of one of them out")
    return tuple(_target(one, by_id.get(one.id or "")) for one in asked)


def _target(asked: TargetAsked, known: Target | None) -> Target:
    target_id = asked.id or uuid.uuid4().hex
    if isinstance(asked, WebhookAsked):
        _check_url(asked.url, ("https", "http"))
        return Webhook(target_id, asked.url, _secret(asked, known))
    _check_url(asked.url, ("mqtts", "mqtt"))
    _check_topic(asked.topic)
    return Mqtt(target_id, asked.url, asked.topic, asked.qos, asked.username, _password(asked, known))


def _check_url(url: str, schemes: tuple[str, ...]) -> None:
    allowed = " or ".join(f"{scheme}://host" for scheme in schemes)
    try:
        parts = urlsplit(url)
        endpoint_of(url)
        httpx.URL(url)
    except (ValueError, KeyError, httpx.InvalidURL):
        raise BadAlarm(
            f"found the URL {_bare(url)!r}; it must be {allowed}, with a port from 1 to 65535"
        ) from None
    if parts.scheme not in schemes:
        raise BadAlarm(f"found a URL that begins with {parts.scheme}://; it must be {allowed}")
    if parts.username is not None or parts.password is not None:
        raise BadAlarm(
            "found a user or password in a URL, where everybody sees them; give username and password of "
            "MQTT in fields of their own, and check webhooks by their signature"
        )
    if parts.fragment or (parts.scheme.startswith("mqtt") and (parts.path.strip("/") or parts.query)):
        raise BadAlarm(f"found {parts.geturl()[:200]!r}; leave out what follows the {_last_part(parts)}")


def _last_part(parts: SplitResult) -> str:
    return "port, and give the topic in its own field" if parts.scheme.startswith("mqtt") else "# sign"


def _bare(url: str) -> str:
    """Without what may be a password."""
    return url.rpartition("@")[2][:200]


def _check_topic(topic: str) -> None:
    found = next((sign for sign in ("+", "#", "\0") if sign in topic), None)
    if found is not None:
        raise BadAlarm(
            f"found {found!r} in the topic {topic[:200]!r}; a message goes to one topic, no pattern"
        )


def _secret(asked: WebhookAsked, known: Target | None) -> str:
    given = _given(asked.secret)
    if given is None:
        if isinstance(known, Webhook) and _same_place(asked.url, known.url):
            return known.secret
        raise BadAlarm(
            f"the secret of {_bare(asked.url)} is missing; give {LEAST_SECRET} to {MOST_SECRET} characters, "
            "anew for a new target and where its host has changed"
        )
    if not LEAST_SECRET <= len(given) <= MOST_SECRET:
        raise BadAlarm(
            f"found a secret of {len(given)} characters; it must have {LEAST_SECRET} to {MOST_SECRET}"
        )
    if given.startswith(ENCODED):
        key_of(given)
    return given


def _password(asked: MqttAsked, known: Target | None) -> str:
    given = _given(asked.password)
    if asked.username is None:
        if given is not None:
            raise BadAlarm("found a password without username; MQTT needs both, or neither")
        return ""
    if given is not None:
        return given
    if not isinstance(known, Mqtt) or not known.password:
        return ""
    if _same_place(asked.url, known.url) and asked.username == known.username:
        return known.password
    raise BadAlarm(
        f"the password of {_bare(asked.url)} is missing; give it anew where host, port or "
        "username has changed"
    )


def _given(secret: SecretStr | None) -> str | None:
    """None where it is to stay as it is."""
    text = "" if secret is None else secret.get_secret_value()
    return None if text in ("", SET) else text


def _same_place(url: str, known: str) -> bool:
    """A secret stays with the host it was given for: whoever may only change URLs must not learn it."""
    return endpoint_of(url) == endpoint_of(known)
