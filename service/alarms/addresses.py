"""Which addresses alarms may be sent to: whoever may make alarms must not reach everything that we can reach.

Addresses where clouds give out the keys of their machines (link-local, and two others) are never allowed.
Private ones and loopback are where receivers and brokers of a plant usually are, so they are, unless the
setting `alarm_private_addresses` is off. Names are resolved here, and what was found allowed is what is
connected to: a name that resolves to something else a moment later gains nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import TypeAlias

from service.alarms.failures import DeliveryFailed
from service.alarms.targets import Endpoint
from service.alarms.threads import in_thread

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_CLOUDS = frozenset({ipaddress.ip_address("fd00:ec2::254"), ipaddress.ip_address("100.100.100.200")})
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


async def addresses_of(endpoint: Endpoint, *, private: bool) -> list[str]:
    """Addresses to try, in the resolver's order.

    Args:
        private: private addresses and loopback are allowed.

    Raises:
        DeliveryFailed: the name does not resolve, or to nothing that is allowed.
    """
    try:
        rows = await in_thread(
            lambda: socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
        )
    except (OSError, UnicodeError) as error:
        raise DeliveryFailed(f"the name {endpoint.host} does not resolve: {error}") from None
    found = list(dict.fromkeys(str(row[4][0]) for row in rows))
    allowed = [address for address in found if is_allowed(address, private=private)]
    if not allowed:
        raise DeliveryFailed(
            f"{endpoint.host} is {', '.join(found)}, where alarms may not be sent; allowed are public ones"
            f"{' and private ones' if private else ' (see the setting alarm_private_addresses)'}",
            final=True,
        )
    return allowed


def is_allowed(text: str, *, private: bool) -> bool:
    """Whether alarms may be sent to this address."""
    address = _meant(ipaddress.ip_address(text.partition("%")[0]))
    if address.is_link_local or address.is_multicast or address.is_unspecified or address in _CLOUDS:
        return False
    return private or address.is_global


def _meant(address: Address) -> Address:
    """The IPv4 address that an IPv6 one carries, else itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address
