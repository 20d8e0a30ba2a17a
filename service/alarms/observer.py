"""`AlarmObserver`: the alarms of one live stream while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from service.alarms.conditions.base import Condition, Finding
from service.alarms.conditions.make import condition_of
from service.alarms.raised import AlarmHappening
from service.alarms.rule import Rule
from service.answers import Answer
from service.happenings import Happening
from service.observers import LinkState, Observer, StreamPort
from service.source_messages import TapMessage
from streaming.source import SourceInfo

Raise = Callable[[Rule, StreamPort, Finding, int], None]
"""Raises an alarm: the rule, where, why, and how often it was suppressed since the last."""


@dataclass(slots=True, eq=False)
class Armed:
    """A rule at work on one stream.

    Attributes:
        rule: what it goes by.
        condition: what it waits for.
        last_s: the clock at which it was raised last.
        raised: how often.
        suppressed: how often it was not, because of its cooldown; `since` of those after the last.
    """

    rule: Rule
    condition: Condition
    last_s: float | None = None
    raised: int = 0
    suppressed: int = 0
    since: int = 0


class AlarmObserver(Observer):
    """Feeds the conditions of all rules that are for a stream.

    Args:
        stream: the stream.
        rules: all there are.
        inside: how many are in a zone of a stream, by class: `(stream id, zone)`.
        on_raise: called for each alarm.
        on_end: called when the stream has ended.
        clock: `time.monotonic`, seconds.
    """

    def __init__(
        self,
        stream: StreamPort,
        rules: Iterable[Rule],
        inside: Callable[[str, str], dict[str, int]],
        on_raise: Raise,
        on_end: Callable[[AlarmObserver], None],
        clock: Callable[[], float],
    ) -> None:
        self.stream = stream
        self.armed: dict[str, Armed] = {}
        self._inside, self._on_raise, self._on_end = inside, on_raise, on_end
        self._clock = clock
        self._link: LinkState | None = None
        for rule in rules:
            self.arm(rule)

    def arm(self, rule: Rule) -> None:
        """Goes by `rule` from now on, in place of the one of its id; what it knew is forgotten."""
        before = self.armed.pop(rule.id, None)
        if not rule.enabled or not rule.is_for(self.stream.id, self.stream.name):
            return
        condition = condition_of(rule.when, rule.classes, lambda zone: self._inside(self.stream.id, zone))
        raised, suppressed = (before.raised, before.suppressed) if before else (0, 0)
        armed = self.armed[rule.id] = Armed(rule, condition, None, raised, suppressed)
        if self._link is not None:
            self._look(armed, condition.linked(self._link, self._clock()))

    def disarm(self, rule_id: str) -> None:
        self.armed.pop(rule_id, None)

    def sized(self, info: SourceInfo) -> None:
        self.linked("live", "")

    def answered(self, answer: Answer) -> None:
        for armed in self._all():
            self._look(armed, armed.condition.answered(answer, self._clock()))

    def happened(self, happening: Happening) -> None:
        if isinstance(happening, AlarmHappening):
            return  # no alarm about alarms
        for armed in self._all():
            self._look(armed, armed.condition.happened(happening, self._clock()))

    def told(self, message: TapMessage) -> None:
        for armed in self._all():
            self._look(armed, armed.condition.told(message, self._clock()))

    def linked(self, state: LinkState, detail: str) -> None:
        self._link = state
        for armed in self._all():
            self._look(armed, armed.condition.linked(state, self._clock()))

    def was_reset(self, reason: str) -> None:
        for armed in self._all():
            armed.condition.was_reset()

    def tick(self) -> None:
        for armed in self._all():
            self._look(armed, armed.condition.tick(self._clock()))

    def ended(self) -> None:
        self._on_end(self)

    def _all(self) -> list[Armed]:
        return list(self.armed.values())

    def _look(self, armed: Armed, finding: Finding | None) -> None:
        if finding is None:
            return
        now_s = self._clock()
        if armed.last_s is not None and now_s - armed.last_s < armed.rule.cooldown_s:
            # What lasts is found again when the cooldown is over.
            armed.suppressed += not armed.condition.lasting
            armed.since += not armed.condition.lasting
            return
        suppressed, armed.since, armed.last_s = armed.since, 0, now_s
        armed.raised += 1
        armed.condition.accepted()
        self._on_raise(armed.rule, self.stream, finding, suppressed)
