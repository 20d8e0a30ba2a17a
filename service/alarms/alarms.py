"""`Alarms`: rules over all streams, what they raised, and its delivery."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

import structlog

from service.alarms.checks import check_name, check_rule, problem_of_rule
from service.alarms.conditions.base import Finding
from service.alarms.delivery import Delivery
from service.alarms.journal import Journal
from service.alarms.observer import AlarmObserver
from service.alarms.outbox import KIND as DELIVERIES
from service.alarms.outbox import Outbox, OutboxLimits
from service.alarms.posting import Poster
from service.alarms.raised import KIND as RAISED
from service.alarms.raised import AlarmHappening, Raised, RaisedBook
from service.alarms.rule import Rule
from service.alarms.schemas import AlarmAsked, AlarmChange
from service.alarms.targets import Target
from service.documents import Documents
from service.errors import BadAlarm, UnknownAlarm, UnknownZone
from service.observers import Observer, StreamPort
from service.settings import Settings
from service.telemetry import Metrics
from service.zones.zones import Zones

RULES = "alarm"
V = TypeVar("V")

_log = structlog.get_logger("service.alarms")


class Alarms:
    """All alarms. A rule is on disk before it takes effect, and takes effect at once on streams that run.

    Args:
        documents: where they outlive the process.
        metrics: where they are counted.
        zones: that conditions speak of.
        settings: bounds and times.
        clock: `time.monotonic`, seconds; for cooldowns and whatever must last.

    Attributes:
        outbox: deliveries and dead letters.
        raised: alarms that were raised.
    """

    outbox: Outbox

    def __init__(
        self,
        documents: Documents,
        metrics: Metrics,
        zones: Zones,
        settings: Settings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._documents, self._metrics, self._zones = documents, metrics, zones
        self._settings, self._clock = settings, clock
        self._journal = Journal(documents)
        self._rules: dict[str, Rule] = {}
        self._observers: dict[str, AlarmObserver] = {}
        self._changing = asyncio.Lock()
        self.raised = RaisedBook(self._journal, settings.raised_alarms)

    async def open(self) -> None:
        """Reads what was kept and goes on delivering.

        Raises:
            BadSetting: `alarm_ca_file` holds no certificates.
            StoreUnavailable: the database does not answer.
        """
        self._poster = await Poster.open(self._settings, self._target)
        self._rules = dict(_read(RULES, await self._documents.all(RULES), Rule.from_json))
        self._journal.open()
        found = _read(RAISED, await self._documents.all(RAISED), Raised.from_json)
        self.raised.load([raised for _, raised in found])
        self.outbox = Outbox(self._journal, self._poster.post, _limits(self._settings), self._metrics)
        waiting = _read(DELIVERIES, await self._documents.all(DELIVERIES), Delivery.from_json)
        self.outbox.open([delivery for _, delivery in waiting])

    async def close(self) -> None:
        """Breaks off deliveries, which go on after a restart, and writes down what is new."""
        await self.outbox.close()
        await self._poster.close()
        await self._journal.close()

    def observe(self, stream: StreamPort) -> Observer:
        """Watches a stream from now on; an `ObserverMaker`."""
        observer = AlarmObserver(
            stream, self._rules.values(), self._inside, self._raise, self._ended, self._clock
        )
        self._observers[stream.id] = observer
        return observer

    def describe(self) -> list[dict[str, Any]]:
        """Every alarm without its secrets, see `schemas.AlarmTold`."""
        return [self._described(rule) for rule in self._rules.values()]

    def describe_one(self, rule_id: str) -> dict[str, Any]:
        """One of them; raises UnknownAlarm."""
        return self._described(self._rule(rule_id))

    async def add(self, asked: AlarmAsked) -> str:
        """One more; its id.

        Raises:
            BadAlarm: it could never be raised, or not be delivered; or there are too many.
            StoreUnavailable: nothing was changed.
        """
        async with self._changing:
            if len(self._rules) >= self._settings.max_alarms:
                raise BadAlarm(
                    f"found {len(self._rules)} alarms, which is the most allowed; delete one first"
                )
            rule = Rule.of(uuid.uuid4().hex, asked)
            await self._take(rule, None)
        return rule.id

    async def change(self, rule_id: str, change: AlarmChange) -> None:
        """Some of one; raises UnknownAlarm, BadAlarm, StoreUnavailable."""
        async with self._changing:
            old = self._rule(rule_id)
            new = old.changed(change)
            await self._take(new, old)
            kept = {target.id for target in new.deliver}
            self.outbox.cancel([target.id for target in old.deliver if target.id not in kept])

    async def remove(self, rule_id: str) -> None:
        """With its deliveries and dead letters; raises UnknownAlarm, StoreUnavailable."""
        async with self._changing:
            rule = self._rule(rule_id)
            await self._documents.delete(RULES, rule.id)
            del self._rules[rule.id]
            for observer in self._observers.values():
                observer.disarm(rule.id)
            self.outbox.cancel([target.id for target in rule.deliver])

    def test(self, rule_id: str) -> Raised:
        """Sends a message to every target of an alarm, as if it had been raised; raises UnknownAlarm."""
        rule = self._rule(rule_id)
        raised = Raised(
            uuid.uuid4().hex,
            rule.id,
            rule.name,
            rule.stream or "",
            rule.stream or "",
            rule.when.on,
            "somebody tries whether this arrives; nothing has happened",
            {},
            None,
            datetime.now(UTC),
            test=True,
        )
        self._deliver(rule, raised)
        return raised

    def acknowledge(self, raised_id: str) -> Raised:
        """Somebody took note of it, which all viewers of its stream are told; raises UnknownAlarm."""
        raised = self.raised.acknowledge(raised_id)
        observer = self._observers.get(raised.stream)
        if observer is not None:
            observer.stream.publish(raised.message())
        return raised

    def acknowledge_all(self) -> int:
        """How many were not yet."""
        waiting = [raised.id for raised in self.raised.newest() if raised.acknowledged is None]
        for raised_id in waiting:
            self.acknowledge(raised_id)
        return len(waiting)

    async def _take(self, rule: Rule, old: Rule | None) -> None:
        """Checks, keeps and arms a rule that is new or changed."""
        check_name(rule, self._rules.values())
        if old is None or (rule.stream, rule.when, rule.classes) != (old.stream, old.when, old.classes):
            check_rule(rule, self._streams(), self._zones)
        await self._documents.save(RULES, rule.id, rule.to_json())
        self._rules[rule.id] = rule
        for observer in list(self._observers.values()):
            observer.arm(rule)

    def _raise(self, rule: Rule, stream: StreamPort, finding: Finding, suppressed: int) -> None:
        raised = Raised(
            uuid.uuid4().hex,
            rule.id,
            rule.name,
            stream.id,
            stream.name,
            rule.when.on,
            finding.what,
            finding.details,
            finding.t_us,
            datetime.now(UTC),
            suppressed,
            rule.record,
        )
        self.raised.add(raised)
        self._metrics.alarms_raised.labels(stream.name, rule.name).inc()
        _log.info("alarm raised", alarm=rule.name, stream=stream.name, what=finding.what)
        stream.happened(AlarmHappening(raised))
        self._deliver(rule, raised)

    def _deliver(self, rule: Rule, raised: Raised) -> None:
        for target in rule.deliver:
            delivery_id = uuid.uuid4().hex
            self.outbox.put(
                Delivery(delivery_id, rule.id, target.id, target.kind, target.url, raised, raised.raised)
            )

    def _ended(self, observer: AlarmObserver) -> None:
        if self._observers.get(observer.stream.id) is observer:
            del self._observers[observer.stream.id]
        self._metrics.alarms_raised.remove_by_labels({"stream": observer.stream.name})

    def _inside(self, stream_id: str, zone: str) -> dict[str, int]:
        try:
            return self._zones.inside(stream_id, zone)
        except UnknownZone:
            return {}

    def _streams(self) -> list[StreamPort]:
        return [observer.stream for observer in self._observers.values()]

    def _rule(self, rule_id: str) -> Rule:
        if rule_id not in self._rules:
            names = ", ".join(f"{rule.id} ({rule.name})" for rule in self._rules.values()) or "none"
            raise UnknownAlarm(f"found no alarm {rule_id[:80]!r}; there are {names[:1000]}")
        return self._rules[rule_id]

    def _target(self, rule_id: str, target_id: str) -> Target | None:
        rule = self._rules.get(rule_id)
        return None if rule is None else rule.target(target_id)

    def _described(self, rule: Rule) -> dict[str, Any]:
        armed = [found for one in self._observers.values() if (found := one.armed.get(rule.id))]
        about = rule.told()
        deliver = [{**target, **self.outbox.figures(target["id"])} for target in about["deliver"]]
        return {
            **about,
            "deliver": deliver,
            "problem": problem_of_rule(rule, self._streams(), self._zones),
            "raised": sum(one.raised for one in armed),
            "suppressed": sum(one.suppressed for one in armed),
        }


def _read(
    kind: str, found: Mapping[str, dict[str, Any]], make: Callable[[Mapping[str, Any]], V]
) -> Iterator[tuple[str, V]]:
    """What was kept; what this version cannot read is passed over, with a line in the log."""
    for key, body in found.items():
        try:
            yield key, make(body)
        except (KeyError, TypeError, ValueError) as error:
            _log.error("kept document not understood", kind=kind, key=key, error=type(error).__name__)


def _limits(settings: Settings) -> OutboxLimits:
    return OutboxLimits(
        settings.alarm_queue,
        settings.alarm_letters,
        settings.alarm_attempts,
        settings.alarm_wait_s,
        settings.alarm_longest_wait_s,
    )
