"""`Delivery`: one raised alarm on its way to one target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from service.alarms.raised import Raised


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is kept until it has arrived or is deleted.

    Attributes:
        id: the same through all attempts.
        alarm, target: ids; where it goes and with which secret is looked up anew at each attempt.
        kind: of the target.
        url: of the target when the alarm was raised, for people.
        raised: what to tell.
        attempts: that failed.
        due: when the next one is.
        error: why the last one failed.
        dead: given up, at `due`.
    """

    id: str
    alarm: str
    target: str
    kind: Literal["webhook", "mqtt"]
    url: str
    raised: Raised
    due: datetime
    attempts: int = 0
    error: str | None = None
    dead: bool = False

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "alarm": self.alarm,
            "target": self.target,
            "kind": self.kind,
            "url": self.url,
            "raised": self.raised.to_json(),
            "due": self.due.isoformat(),
            "attempts": self.attempts,
            "error": self.error,
            "dead": self.dead,
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Delivery:
        """What `to_json` wrote; raises KeyError, TypeError or ValueError."""
        known = {"raised": Raised.from_json(body["raised"]), "due": datetime.fromisoformat(body["due"])}
        return cls(**{**body, **known})

    def told(self) -> dict[str, Any]:
        """A dead letter, as `schemas.LetterTold` has it."""
        about = self.to_json()
        return {
            **{name: about[name] for name in ("id", "alarm", "target", "kind", "url", "raised", "attempts")},
            "error": self.error or "",
            "since": about["due"],
        }

    def wait_s(self, most_s: float) -> float:
        """Seconds until it is due; at most `most_s`, because wall clocks are set back at times."""
        return min(max((self.due - datetime.now(UTC)).total_seconds(), 0.0), most_s)
