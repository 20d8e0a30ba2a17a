"""`/` the live page, `/web` what it is made of, `/docs` the API as a page; nothing comes from other hosts."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

WEB = Path(__file__).parents[1] / "web"
_DOCS = Path(str(files("fastapi_offline"))) / "static"
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_DOCS_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_ALWAYS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


class _Files(StaticFiles):
    """Files that browsers ask after each time; an `ETag` makes that a 304."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update({**_ALWAYS, "Cache-Control": "no-cache"})
        return response


def install(app: FastAPI) -> None:
    app.add_api_route("/", _page, include_in_schema=False, response_class=FileResponse)
    app.add_api_route("/docs", _docs, include_in_schema=False)
    app.mount("/web", _Files(directory=WEB, check_dir=False))
    app.mount("/docs/static", _Files(directory=_DOCS))


async def _page() -> Response:
    index = WEB / "index.html"
    if not index.is_file():
        raise HTTPException(404, "this installation has no live page; the API works, /docs shows it")
    headers = {**_ALWAYS, "Cache-Control": "no-cache", "Content-Security-Policy": _PAGE_POLICY}
    return FileResponse(index, headers=headers)


async def _docs() -> Response:
    page = get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="Spikesight API",
        swagger_js_url="/docs/static/swagger-ui-bundle.js",
        swagger_css_url="/docs/static/swagger-ui.css",
        swagger_favicon_url="/docs/static/favicon.png",
    )
    page.headers.update({**_ALWAYS, "Content-Security-Policy": _DOCS_POLICY})
    return page
