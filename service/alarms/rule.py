"""`Rule`: an alarm as it was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from service.alarms.schemas import WHEN, AlarmAsked, AlarmChange, When
from service.alarms.targets import Target, target_from_json, targets_of
from service.errors import BadAlarm

_NULLABLE = ("stream", "record")


@dataclass(frozen=True, slots=True)
class Rule:
    """What raises an alarm, and what follows.

    Attributes:
        id: unique.
        name: unique, for people.
        enabled: off, it raises nothing.
        stream: name or id of the one stream, None for all.
        when: its condition.
        classes: labels that count, empty for all.
        cooldown_s: least time between two on one stream.
        deliver: where it is told.
        record: seconds before and after to be recorded, None for nothing.
    """

    id: str
    name: str
    enabled: bool
    stream: str | None
    when: When
    classes: tuple[str, ...]
    cooldown_s: float
    deliver: tuple[Target, ...]
    record: tuple[float, float] | None

    @classmethod
    def of(cls, rule_id: str, asked: AlarmAsked) -> Rule:
        """Raises BadAlarm where a target makes no sense."""
        return cls(
            rule_id,
            asked.name,
            asked.enabled,
            asked.stream,
            asked.when,
            asked.classes,
            asked.cooldown_s,
            targets_of(asked.deliver),
            None if asked.record is None else (asked.record.before_s, asked.record.after_s),
        )

    def changed(self, change: AlarmChange) -> Rule:
        """With what `change` gives; raises BadAlarm where that makes no sense."""
        given = {
            name: getattr(change, name)
            for name in change.model_fields_set
            if name in _NULLABLE or getattr(change, name) is not None
        }
        if "deliver" in given:
            given["deliver"] = targets_of(given["deliver"], self.deliver)
        if given.get("record") is not None:
            given["record"] = (change.record.before_s, change.record.after_s) if change.record else None
        new = replace(self, **given)
        if new.classes and new.when.on in ("health", "link"):
            raise BadAlarm(f"classes mean nothing for {new.when.on}; give classes [] with it")
        return new

    def is_for(self, stream_id: str, stream_name: str) -> bool:
        return self.stream is None or self.stream in (stream_id, stream_name)

    def target(self, target_id: str) -> Target | None:
        return next((target for target in self.deliver if target.id == target_id), None)

    def told(self) -> dict[str, Any]:
        """Without secrets."""
        return {**self._common(), "deliver": [target.told() for target in self.deliver]}

    def to_json(self) -> dict[str, Any]:
        """With secrets, for the database alone."""
        return {**self._common(), "deliver": [asdict(target) for target in self.deliver]}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Rule:
        """What `to_json` wrote; raises KeyError, TypeError or ValueError."""
        record = body["record"]
        return cls(
            **{
                **body,
                "when": WHEN.validate_python(body["when"]),
                "classes": tuple(body["classes"]),
                "deliver": tuple(target_from_json(target) for target in body["deliver"]),
                "record": None if record is None else (float(record["before_s"]), float(record["after_s"])),
            }
        )

    def _common(self) -> dict[str, Any]:
        record = None if self.record is None else {"before_s": self.record[0], "after_s": self.record[1]}
        return {
            "id": self.id,
            "name": self.name,
            "enabled": self.enabled,
            "stream": self.stream,
            "when": self.when.model_dump(mode="json"),
            "classes": list(self.classes),
            "cooldown_s": self.cooldown_s,
            "record": record,
        }
