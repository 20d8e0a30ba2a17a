"""Types of fields: `within`, a range whose refusal names both of its ends, and `Moment`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field

Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""A time as it was written: messages and answers show the same text."""


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
