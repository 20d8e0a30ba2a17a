"""`Raised`: an alarm that was raised; `RaisedBook`: those that are remembered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from service.alarms.journal import Journal
from service.errors import UnknownAlarm
from service.happenings import Happening

KIND = "raised_alarm"


@dataclass(frozen=True, slots=True)
class Raised:
    """One time that an alarm was raised.

    Attributes:
        id: of this time.
        alarm, name: id and name of the alarm.
        stream, stream_name: where.
        on: kind of its condition.
        what: in words.
        details: figures of it, plain types.
        t_us: events' time, None where events have no part in it.
        raised: wall clock.
        suppressed: how often it would have been since the last, but for its cooldown.
        record: seconds before and after that are to be recorded, None for nothing.
        test: nothing has happened, somebody tries whether it arrives.
        acknowledged: when somebody took note of it.
    """

    id: str
    alarm: str
    name: str
    stream: str
    stream_name: str
    on: str
    what: str
    details: dict[str, Any]
    t_us: int | None
    raised: datetime
    suppressed: int = 0
    record: tuple[float, float] | None = None
    test: bool = False
    acknowledged: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "alarm": self.alarm,
            "name": self.name,
            "stream": self.stream,
            "stream_name": self.stream_name,
            "on": self.on,
            "what": self.what,
            "details": self.details,
            "t_us": self.t_us,
            "raised": self.raised.isoformat(timespec="milliseconds"),
            "suppressed": self.suppressed,
            "record": None if self.record is None else list(self.record),
            "test": self.test,
            "acknowledged": None
            if self.acknowledged is None
            else self.acknowledged.isoformat("T", "milliseconds"),
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Raised:
        """What `to_json` wrote; raises KeyError, TypeError or ValueError."""
        record, acknowledged = body["record"], body["acknowledged"]
        return cls(
            **{
                **body,
                "raised": datetime.fromisoformat(body["raised"]),
                "record": None if record is None else (float(record[0]), float(record[1])),
                "acknowledged": None if acknowledged is None else datetime.fromisoformat(acknowledged),
            }
        )

    def message(self) -> dict[str, Any]:
        """The WebSocket message `alarm`, the body of a webhook, and the payload of MQTT."""
        return {"type": "alarm", **self.to_json()}


@dataclass(frozen=True, slots=True)
class AlarmHappening(Happening):
    """An alarm was raised on this stream.

    Attributes:
        raised: what and when.
    """

    raised: Raised

    @property
    def record(self) -> tuple[float, float] | None:
        """Seconds before and after that are to be recorded, None for nothing."""
        return self.raised.record

    def to_message(self) -> dict[str, Any]:
        return self.raised.message()


class RaisedBook:
    """The alarms that were raised, the oldest forgotten first.

    Args:
        journal: where they are written down.
        most: how many are remembered.
    """

    def __init__(self, journal: Journal, most: int) -> None:
        self._journal, self._most = journal, most
        self._all: dict[str, Raised] = {}

    def load(self, found: list[Raised]) -> None:
        """Those of the last run."""
        for raised in sorted(found, key=lambda one: one.raised):
            self._put(raised)

    def add(self, raised: Raised) -> None:
        self._put(raised)
        self._journal.save(KIND, raised.id, raised.to_json())

    def newest(self) -> Iterator[Raised]:
        """All, the newest first."""
        return reversed(self._all.values())

    def unacknowledged(self) -> int:
        return sum(raised.acknowledged is None for raised in self._all.values())

    def acknowledge(self, raised_id: str) -> Raised:
        """As it is now; who comes second changes nothing. Raises UnknownAlarm."""
        found = self._all.get(raised_id)
        if found is None:
            raise UnknownAlarm(
                f"found no raised alarm {raised_id[:80]!r}; /alarms/raised lists the newest {self._most}"
            )
        if found.acknowledged is None:
            found = self._all[raised_id] = replace(found, acknowledged=datetime.now(UTC))
            self._journal.save(KIND, raised_id, found.to_json())
        return found

    def _put(self, raised: Raised) -> None:
        self._all[raised.id] = raised
        while len(self._all) > self._most:
            oldest = next(iter(self._all))
            del self._all[oldest]
            self._journal.delete(KIND, oldest)
