"""`WebhookSender`: alarms as signed POST requests."""

from __future__ import annotations

import asyncio
import ssl
import time
from importlib.metadata import version

import httpx

from service.alarms.addresses import addresses_of
from service.alarms.failures import DeliveryFailed
from service.alarms.signing import signed_headers
from service.alarms.targets import Webhook, endpoint_of


class WebhookSender:
    """Sends one request at a time for whoever calls; keeps no connection.

    Args:
        tls: certificates that are trusted.
        timeout_s: for one attempt in all.
        private: private addresses and loopback are allowed.
    """

    def __init__(self, tls: ssl.SSLContext, timeout_s: float, *, private: bool) -> None:
        self._timeout_s, self._private = timeout_s, private
        self._client = httpx.AsyncClient(
            verify=tls,
            timeout=timeout_s,
            trust_env=False,  # a proxy would connect to addresses that were never checked
            follow_redirects=False,
            limits=httpx.Limits(
                max_keepalive_connections=0
            ),  # they would be shared by names with one address
            headers={"User-Agent": f"Spikesight/{version('spikesight')}", "Content-Type": "application/json"},
        )

    async def send(self, target: Webhook, message_id: str, body: bytes) -> None:
        """One attempt; raises DeliveryFailed unless it was answered with a status of 2xx."""
        headers = signed_headers(target.secret, message_id, int(time.time()), body)
        try:
            async with asyncio.timeout(self._timeout_s):
                status = await self._first_answer(target.url, headers, body)
        except TimeoutError:
            raise DeliveryFailed(f"no answer within {self._timeout_s:g} s") from None
        if not 200 <= status < 300:
            raise DeliveryFailed(_meaning(status), final=status == httpx.codes.GONE)

    async def close(self) -> None:
        await self._client.aclose()

    async def _first_answer(self, url: str, headers: dict[str, str], body: bytes) -> int:
        """The status from the first address that lets itself be connected to."""
        named, endpoint = httpx.URL(url), endpoint_of(url)
        refusal: httpx.ConnectError | None = None
        for address in await addresses_of(endpoint, private=self._private):
            try:
                return await self._status(named, address, headers, body)
            except httpx.ConnectError as error:
                refusal = error
            except httpx.HTTPError as error:
                raise DeliveryFailed(f"{type(error).__name__}: {error}"[:300]) from None
        raise DeliveryFailed(f"no connection to {endpoint.host}: {refusal}"[:300])

    async def _status(self, named: httpx.URL, address: str, headers: dict[str, str], body: bytes) -> int:
        request = self._client.build_request(
            "POST",
            named.copy_with(host=address),
            content=body,
            headers={**headers, "Host": named.netloc.decode("ascii")},
            extensions={
                "sni_hostname": named.raw_host.decode("ascii")
            },  # the certificate must be of the name, not of the address
        )
        response = await self._client.send(request, stream=True)
        await response.aclose()  # what it says is not read: it may have no end
        return response.status_code


def _meaning(status: int) -> str:
    if 300 <= status < 400:
        return f"answered with {status}; redirects are not followed, so give the URL that they lead to"
    return f"answered with {status}"
