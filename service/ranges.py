"""`within`: a range in a pydantic field, whose refusal names both of its ends."""

from __future__ import annotations

from typing import Any

from pydantic import AfterValidator, Field


def within(kind: str, least: float, most: float) -> Any:
    """Metadata for `Annotated`; pydantic's own checks tell one end of a range, and of NaN none.

    Args:
        kind: what the value is, in words ("number", "whole number").
        least, most: both allowed.
    """

    def check(value: float) -> float:
        if not least <= value <= most:
            raise ValueError(f"must be a {kind} from {least:g} to {most:g}")
        return value

    return AfterValidator(check), Field(json_schema_extra={"minimum": least, "maximum": most})
