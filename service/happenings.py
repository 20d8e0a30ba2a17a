"""`Happening`: something that a live stream's observers find worth telling."""

from __future__ import annotations

from typing import Any


class Happening:
    """Base of what is told to viewers and to the other observers; a value, a subclass a kind."""

    __slots__ = ()

    def to_message(self) -> dict[str, Any]:
        """The WebSocket message, plain types only."""
        raise NotImplementedError
