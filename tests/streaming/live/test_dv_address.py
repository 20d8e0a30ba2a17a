"""What `dv://` URIs may say."""

from __future__ import annotations

import pytest

from streaming.errors import BadSource
from streaming.live.dv_address import DvAddress, Endpoint, parse_dv, parse_endpoint


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("dv://camera:7777", DvAddress(Endpoint("camera", 7777))),
        ("dv://192.168.1.20:1/", DvAddress(Endpoint("192.168.1.20", 1))),
        ("dv://[::1]:65535", DvAddress(Endpoint("::1", 65535))),
        ("dv://camera:7777?name=DAVIS346_00000042", DvAddress(Endpoint("camera", 7777), "DAVIS346_00000042")),
    ],
)
def test_addresses_are_understood(uri: str, address: DvAddress) -> None:
    assert parse_dv(uri) == address


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("dv://camera", "found no port in 'camera'; it is a number in 1..65535: dv://192.168.1.20:7777"),
        ("dv://camera:0", "found no port"),
        ("dv://camera:65536", "found no port"),
        ("dv://camera:seven", "found no port"),
        ("dv://", "found no port"),
        ("dv://:7777", "found the host ''"),
        ("dv://me@camera:7777", "found the host"),
        ("dv://cam era:7777", "found the host 'cam era'"),
        ("dv://camera%0a:7777", "found the host 'camera\\n'"),
        ("dv://[::1:7777", "no valid URI"),
        ("dv://camera:7777/events", "found more than a host and a port"),
        ("dv://camera:7777?nmae=a", "found option 'nmae'; allowed are name"),
        ("dv://camera:7777?name=a&name=b", "found option 'name' twice"),
    ],
)
def test_what_means_nothing_is_refused_with_what_is_allowed(uri: str, says: str) -> None:
    with pytest.raises(BadSource) as caught:
        parse_dv(uri)
    assert says in str(caught.value)
    assert uri in str(caught.value)


def test_endpoints_are_written_as_they_are_read() -> None:
    for text in ("0.0.0.0:7777", "[::]:7777", "camera:1"):
        assert str(parse_endpoint(text, "--listen", "0.0.0.0:7777")) == text
