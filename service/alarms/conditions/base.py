"""`Condition`: says when its alarm is to be raised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from service.answers import Answer
from service.happenings import Happening
from service.observers import LinkState
from service.source_messages import TapMessage


@dataclass(frozen=True, slots=True)
class Finding:
    """Why an alarm is to be raised.

    Attributes:
        what: in words.
        details: the figures, plain types.
        t_us: events' time, None where events have no part in it.
    """

    what: str
    details: dict[str, Any]
    t_us: int | None = None


class Condition:
    """One of one alarm on one stream; a subclass takes what it needs. `now_s` is `time.monotonic()`.

    Attributes:
        lasting: it holds for a while; what it finds is found again at each look until `accepted`.
    """

    lasting = False

    def answered(self, answer: Answer, now_s: float) -> Finding | None:
        """The next answer."""

    def happened(self, happening: Happening, now_s: float) -> Finding | None:
        """Something that another observer found."""

    def told(self, message: TapMessage, now_s: float) -> Finding | None:
        """A tap said something."""

    def linked(self, state: LinkState, now_s: float) -> Finding | None:
        """The link to the source is in this state."""

    def tick(self, now_s: float) -> Finding | None:
        """About once a second."""

    def accepted(self) -> None:
        """The alarm was raised because of what was found."""

    def was_reset(self) -> None:
        """The stream began anew, maybe at another time."""


class Spell:
    """A time during which something holds.

    Args:
        least: how long it must hold to count, in the unit of the clock that `look` is given.
    """

    def __init__(self, least: float) -> None:
        self._least = least
        self._since: float | None = None
        self._told = False

    def look(self, holds: bool, now: float) -> bool:
        """Whether it has held for long enough now, and nobody was told."""
        if not holds:
            self.reset()
            return False
        if self._since is None:
            self._since = now
        return not self._told and now - self._since >= self._least

    def reset(self) -> None:
        """As if it had never held."""
        self._since, self._told = None, False

    def told(self) -> None:
        """Somebody was told; nobody is again until it holds anew."""
        self._told = True
