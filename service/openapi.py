"""The OpenAPI description: what FastAPI finds by itself, with the one shape of errors and the token."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from service.schemas import Problem

_TEMPLATE = "#/components/schemas/{model}"
_OPEN_PATHS = ("/health/",)


def describe(app: FastAPI) -> None:
    """Makes `app.openapi` add problems and security to the description."""
    generated = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _complete(generated())
        schema: dict[str, Any] = app.openapi_schema or {}
        return schema

    app.openapi = openapi  # type: ignore[method-assign] # FastAPI's documented way to change the description


def _complete(schema: dict[str, Any]) -> None:
    components = schema.setdefault("components", {})
    _, problem = models_json_schema([(Problem, "serialization")], ref_template=_TEMPLATE)
    components.setdefault("schemas", {}).update(problem["$defs"])
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    for path, operations in schema["paths"].items():
        for operation in operations.values():
            if not path.startswith(_OPEN_PATHS):
                # Either: the token is asked for only where one is set.
                operation["security"] = [{"token": []}, {}]
