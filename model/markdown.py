"""Pieces of Markdown pages."""

from __future__ import annotations

from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table with one line a row."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def code(command: str) -> str:
    """A command to copy."""
    return f"```sh\n{command}\n```"


def figure(value: float | None, digits: int = 3) -> str:
    """A number; None is one that could not be measured."""
    return "-" if value is None else f"{value:.{digits}f}"
