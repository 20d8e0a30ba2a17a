"""Who may talk to the service: the bearer token, and browsers only from pages of our own.

A browser sends requests to any address on behalf of any page, loopback included, so without a check a page of
the open web could start streams or read boxes here. Two rules stop that:

- a request or socket that carries `Origin` must come from the page's own host or a listed origin;
- bound to loopback, `Host` must name loopback (or a listed origin's host): a hostile name that resolves to
  127.0.0.1 would otherwise pass the first rule.

The token comes as `Authorization: Bearer`, or in browsers, which cannot set headers on pages and sockets, as
the cookie that `/?access_token=...` sets, or as `access_token` in a socket's query.
"""

from __future__ import annotations

import secrets
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from service.errors import Forbidden, ServiceError, Unauthorized
from service.problems import error_response
from service.settings import Settings
from service.sockets import refuse

COOKIE = "spikesight_token"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Guard:
    """Refuses requests and sockets that may not be here, before any route sees them."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._token = settings.token.get_secret_value() if settings.token else None
        self._origins = frozenset(origin.rstrip("/") for origin in settings.cors_origins)
        hosts = {urlsplit(origin).hostname or "" for origin in self._origins}
        self._hosts = _LOOPBACK | hosts if settings.host in _LOOPBACK else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or scope["path"].startswith("/health/"):
            await self._app(scope, receive, send)
            return
        if (page := self._page_with_cookie(scope)) is not None:
            await page(scope, receive, send)
            return
        error = self._objection(scope)
        if error is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await refuse(WebSocket(scope, receive, send), error)
        else:
            await error_response(error, scope)(scope, receive, send)

    def _objection(self, scope: Scope) -> ServiceError | None:
        headers = Headers(scope=scope)
        return (
            self._wrong_host(headers)
            or self._wrong_origin(scope, headers)
            or self._wrong_token(scope, headers)
        )

    def _wrong_host(self, headers: Headers) -> ServiceError | None:
        host = urlsplit(f"//{headers.get('host', '')}").hostname
        if self._hosts is None or host in self._hosts:
            return None
        return Forbidden(
            f"found Host {host!r} at a service that listens on loopback only; allowed are "
            f"{', '.join(sorted(self._hosts))}. Open it by one of these names, or "
            "list the origin in cors_origins."
        )

    def _wrong_origin(self, scope: Scope, headers: Headers) -> ServiceError | None:
        origin = headers.get("origin")
        if origin is None or (scope["type"] == "http" and scope["method"] in _SAFE):
            return None
        if urlsplit(origin).netloc == headers.get("host") or origin in self._origins:
            return None
        return Forbidden(
            f"found a request of a page at {origin!r}; allowed are pages of this service and of the origins "
            "in the setting cors_origins. Add the origin there if the page is yours."
        )

    def _wrong_token(self, scope: Scope, headers: Headers) -> ServiceError | None:
        if self._token is None:
            return None
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        given = [bearer] if scheme.lower() == "bearer" else []
        given += _cookie(headers)
        if scope["type"] == "websocket":
            given += _query_token(scope)
        if any(secrets.compare_digest(one.encode(), self._token.encode()) for one in given):
            return None
        return Unauthorized(
            "the token is missing or wrong; every path but /health needs the header "
            "'Authorization: Bearer TOKEN'. In a browser open /?access_token=TOKEN once."
        )

    def _page_with_cookie(self, scope: Scope) -> Response | None:
        """`/?access_token=T` sets the cookie and drops the token from the address bar."""
        if self._token is None or scope["type"] != "http" or scope["path"] != "/":
            return None
        if not any(secrets.compare_digest(one.encode(), self._token.encode()) for one in _query_token(scope)):
            return None
        response = RedirectResponse("/", status_code=303)
        response.set_cookie(
            COOKIE, self._token, httponly=True, samesite="strict", secure=scope["scheme"] == "https"
        )
        return response


def _query_token(scope: Scope) -> list[str]:
    query = parse_qs(scope["query_string"].decode("latin-1"))
    return query.get("access_token", [])


def _cookie(headers: Headers) -> list[str]:
    try:
        cookies = SimpleCookie(headers.get("cookie", ""))
    except CookieError:
        return []
    return [cookies[COOKIE].value] if COOKIE in cookies else []
