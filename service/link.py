"""`Link`: how a stream stands to its source; `Backoff`: how long to wait before the next attempt."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from service.observers import LinkState

STALLED_S = 2.0
"""Without an event for this long, a link that is there is called stalled."""
HUNG_S = 10.0
"""A source's process that said nothing at all for this long is ended and begun anew."""
STEADY_S = 10.0
"""A link that held for this long is worth a quick attempt when it breaks."""
LONG_S = 30.0
"""Between attempts at what will hardly mend itself: a missing file, a setting that means nothing."""
_WAITS_S = (0.1, 0.3, 1.0, 2.0, 3.0)


@dataclass(frozen=True, slots=True)
class Link:
    """How a stream stands to its source.

    Attributes:
        state: "connecting", "live", "stalled" (there, but no events) or "lost" (it comes again).
        detail: why, in words.
        attempts: connections tried since it was live.
        since_s: `time.monotonic()` at which this began.
    """

    state: LinkState
    detail: str = ""
    attempts: int = 0
    since_s: float = field(default_factory=time.monotonic)

    def to_json(self) -> dict[str, Any]:
        """`{state, detail, attempts, for_s}`."""
        return {
            "state": self.state,
            "detail": self.detail,
            "attempts": self.attempts,
            "for_s": round(time.monotonic() - self.since_s, 3),
        }


class Backoff:
    """Waits that grow with every attempt that fails, and begin anew after a link that held."""

    def __init__(self) -> None:
        self.attempts = 0
        self._live_s: float | None = None

    def connected(self) -> None:
        """The source is there."""
        self._live_s = time.monotonic()

    def next_s(self, *, hopeless: bool) -> float:
        """How long to wait now; `hopeless` where trying again soon would change nothing."""
        if self._live_s is not None and time.monotonic() - self._live_s > STEADY_S:
            self.attempts = 0
        self._live_s = None
        wait_s = LONG_S if hopeless else _WAITS_S[min(self.attempts, len(_WAITS_S) - 1)]
        self.attempts += 1
        return wait_s
