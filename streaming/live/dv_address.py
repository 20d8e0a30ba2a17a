"""Where AEDAT4 over TCP is served: `dv://host:port?name=DAVIS346_00000123`, and `host:port` to listen on."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

from streaming.errors import BadSource
from streaming.live.query import options_of, split_uri

SCHEME = "dv"
EXAMPLE = "dv://192.168.1.20:7777"
OPTIONS = ("name",)
LARGEST_SIDE = 1 << 15
"""Pixels a side: the format's coordinates are int16."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One end of a TCP connection.

    Attributes:
        host: name of a machine, or an IPv4 or IPv6 address.
        port: 1..65535.
    """

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class DvAddress:
    """What a `dv://` URI says.

    Attributes:
        endpoint: who serves the events.
        name: the camera that must answer there, None for any.
    """

    endpoint: Endpoint
    name: str | None = None


def parse_dv(uri: str) -> DvAddress:
    """The address that `uri` means.

    Raises:
        BadSource: no host, a port that is none, a path, or an option that is unknown or repeated.
    """
    parts = split_uri(uri)
    if parts.scheme != SCHEME or parts.path not in ("", "/") or parts.fragment:
        raise BadSource(f"{uri}: found more than a host and a port; a camera is at {EXAMPLE}")
    endpoint = parse_endpoint(parts.netloc, uri, EXAMPLE)
    return DvAddress(endpoint, options_of(uri, OPTIONS).get("name") or None)


def parse_endpoint(text: str, where: str, example: str) -> Endpoint:
    """`host:port` or `[IPv6]:port`; `where` begins messages, `example` ends them.

    Raises:
        BadSource: no host, a character that no host has, or a port that is none.
    """
    try:
        parts = split_uri(f"//{text}")
        host, port = unquote(parts.hostname or ""), parts.port
    except ValueError:  # not a number, or beyond 65535
        host, port = text, None
    if not port:
        raise BadSource(f"{where}: found no port in {text!r}; it is a number in 1..65535: {example}")
    if not host or "@" in text or not host.isprintable() or any(c.isspace() or c in "/?#" for c in host):
        raise BadSource(f"{where}: found the host {host!r}; give a name or an address: {example}")
    return Endpoint(host, port)
