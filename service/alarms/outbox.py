"""`Outbox`: deliveries that wait, are tried again, and end as dead letters. No stream ever waits for it.

Its queue is bounded: where it is full, the oldest delivery becomes a dead letter at once. Each target gets
one message at a time, in the order of alarms while all goes well. What was accepted survives a restart; what
was on its way then is sent again with the same id.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import structlog

from service.alarms.delivery import Delivery
from service.alarms.failures import DeliveryFailed
from service.alarms.journal import Journal
from service.errors import UnknownLetter
from service.telemetry import Metrics

KIND = "alarm_delivery"
AT_ONCE = 8
"""Attempts under way at the same time, to different targets."""

Post: TypeAlias = Callable[[Delivery], Awaitable[None]]
"""One attempt; raises DeliveryFailed."""

_log = structlog.get_logger("service.alarms")


@dataclass(frozen=True, slots=True)
class OutboxLimits:
    """Bounds of an outbox.

    Attributes:
        waiting: deliveries that wait.
        letters: dead letters that are kept, the oldest forgotten first.
        attempts: before a delivery is given up.
        first_wait_s, most_wait_s: before the second attempt, doubled each time, up to the most.
    """

    waiting: int
    letters: int
    attempts: int
    first_wait_s: float
    most_wait_s: float

    def wait_s(self, attempts: int) -> float:
        """After so many failed attempts; up to a half less by chance, so that many do not come at once."""
        longest_s = min(self.first_wait_s * 2.0 ** min(attempts - 1, 60), self.most_wait_s)
        return longest_s * random.uniform(0.5, 1.0)


class Outbox:
    """All deliveries of one service.

    Args:
        journal: where they are written down.
        post: makes one attempt.
        limits: its bounds.
        metrics: where attempts are counted.
    """

    def __init__(self, journal: Journal, post: Post, limits: OutboxLimits, metrics: Metrics) -> None:
        self._journal, self._post, self._limits, self._metrics = journal, post, limits, metrics
        self._waiting: dict[str, Delivery] = {}
        self._letters: dict[str, Delivery] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._turns: dict[str, asyncio.Lock] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._errors: dict[str, str] = {}
        self._dropped = 0

    def open(self, found: Collection[Delivery]) -> None:
        """Goes on with the deliveries of the last run."""
        for delivery in sorted(found, key=lambda one: one.raised.raised):
            if delivery.dead:
                self._letters[delivery.id] = delivery
            else:
                self._begin(delivery)
        self._count_letters()

    async def close(self) -> None:
        """Breaks off what is under way; it goes on after a restart."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def put(self, delivery: Delivery) -> None:
        """Takes it; never waits."""
        if len(self._waiting) >= self._limits.waiting:
            oldest = next(iter(self._waiting.values()))
            self._dropped += 1
            self._give_up(oldest, f"pushed out: {len(self._waiting)} newer deliveries waited")
        self._journal.save(KIND, delivery.id, delivery.to_json())
        self._begin(delivery)

    def letters(self) -> list[Delivery]:
        """Dead letters, the newest first."""
        return list(reversed(self._letters.values()))

    def retry(self, letter_id: str | None = None) -> int:
        """Tries one dead letter again, or all; how many. Raises UnknownLetter."""
        letters = list(self._letters.values()) if letter_id is None else [self._letter(letter_id)]
        for letter in letters:
            del self._letters[letter.id]
            self.put(replace(letter, dead=False, attempts=0, due=datetime.now(UTC)))
        self._count_letters()
        return len(letters)

    def delete(self, letter_id: str | None = None) -> None:
        """Forgets one dead letter, or all. Raises UnknownLetter."""
        letters = list(self._letters.values()) if letter_id is None else [self._letter(letter_id)]
        for letter in letters:
            self._forget(letter)

    def cancel(self, targets: Collection[str]) -> None:
        """Forgets everything for these targets: they were deleted."""
        for delivery in [*self._waiting.values(), *self._letters.values()]:
            if delivery.target in targets:
                self._forget(delivery)
                self._note(delivery, "cancelled")
        for target in targets:
            self._errors.pop(target, None)
            self._turns.pop(target, None)

    def figures(self, target: str) -> dict[str, Any]:
        """`{pending, dead, error}` of a target."""
        pending, dead = (
            Counter(one.target for one in all_.values()) for all_ in (self._waiting, self._letters)
        )
        return {"pending": pending[target], "dead": dead[target], "error": self._errors.get(target)}

    def queue(self) -> dict[str, Any]:
        """Name, policy, bound, depth, age of its oldest entry, entries given up for want of room."""
        oldest = next(iter(self._waiting.values()), None)
        age_s = 0.0 if oldest is None else (datetime.now(UTC) - oldest.raised.raised).total_seconds()
        return {
            "name": "alarms",
            "policy": "drop_oldest",
            "bound": self._limits.waiting,
            "depth": len(self._waiting),
            "oldest_ms": round(max(age_s, 0.0) * 1e3, 3),
            "dropped": self._dropped,
        }

    def _begin(self, delivery: Delivery) -> None:
        self._waiting[delivery.id] = delivery
        task = asyncio.create_task(self._deliver(delivery), name=f"deliver-{delivery.id}")
        self._tasks[delivery.id] = task
        task.add_done_callback(lambda done: self._ended(delivery.id, done))

    def _ended(self, delivery_id: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(delivery_id) is task:
            del self._tasks[delivery_id]

    async def _deliver(self, delivery: Delivery) -> None:
        while True:
            await asyncio.sleep(delivery.wait_s(self._limits.most_wait_s))
            failure = await self._attempt(delivery)
            if failure is None:
                self._forget(delivery)
                return
            delivery = replace(delivery, attempts=delivery.attempts + 1, error=str(failure))
            if failure.final or delivery.attempts >= self._limits.attempts:
                self._give_up(delivery, str(failure))
                return
            wait_s = self._limits.wait_s(delivery.attempts)
            delivery = replace(delivery, due=datetime.now(UTC) + timedelta(seconds=wait_s))
            self._waiting[delivery.id] = delivery
            self._journal.save(KIND, delivery.id, delivery.to_json())

    async def _attempt(self, delivery: Delivery) -> DeliveryFailed | None:
        turn = self._turns.setdefault(delivery.target, asyncio.Lock())
        async with turn, self._slots:
            try:
                await self._post(delivery)
            except DeliveryFailed as error:
                failure = error
            except Exception as error:  # noqa: BLE001 - the edge of a background task: no alarm may get lost
                _log.error("delivery broke", delivery=delivery.id, error=repr(error))
                failure = DeliveryFailed(f"{type(error).__name__}: {error}"[:300])
            else:
                self._note(delivery, "delivered")
                self._errors.pop(delivery.target, None)
                return None
        self._note(delivery, "failed")
        self._errors[delivery.target] = str(failure)
        return failure

    def _give_up(self, delivery: Delivery, why: str) -> None:
        """Makes it a dead letter."""
        self._stop(delivery.id)
        dead = replace(delivery, dead=True, error=why, due=datetime.now(UTC))
        self._letters[dead.id] = dead
        self._journal.save(KIND, dead.id, dead.to_json())
        self._note(dead, "dead")
        _log.warning(
            "alarm not delivered", alarm=dead.raised.name, url=dead.url, attempts=dead.attempts, why=why
        )
        while len(self._letters) > self._limits.letters:
            oldest = next(iter(self._letters.values()))
            self._forget(oldest)
            self._note(oldest, "forgotten")
        self._count_letters()

    def _forget(self, delivery: Delivery) -> None:
        self._stop(delivery.id)
        self._letters.pop(delivery.id, None)
        self._journal.delete(KIND, delivery.id)
        self._count_letters()

    def _stop(self, delivery_id: str) -> None:
        """It waits no longer; its task ends, unless it is what calls this."""
        self._waiting.pop(delivery_id, None)
        task = self._tasks.pop(delivery_id, None)
        if task is not None and task is not asyncio.current_task():
            task.cancel()

    def _letter(self, letter_id: str) -> Delivery:
        found = self._letters.get(letter_id)
        if found is None:
            raise UnknownLetter(
                f"found no dead letter {letter_id[:80]!r}; /alarms/dead-letters lists those there are"
            )
        return found

    def _note(self, delivery: Delivery, outcome: str) -> None:
        self._metrics.alarm_deliveries.labels(delivery.kind, outcome).inc()

    def _count_letters(self) -> None:
        self._metrics.alarm_letters.set(len(self._letters))
