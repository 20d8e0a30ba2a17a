"""`Feed`: the queue of one source's steps on their way to the inference worker. No I/O, no clocks.

Steps lie in slots of shared memory; a slot goes back to the source when nobody needs it any more.

::

    offer -> queue (bounded) -> take -> sent, not done -> done -> kept until answered -> slot freed
                 | full, unless the source waits: the oldest whole window not begun is given up, and counted

Whole windows are given up, so that those which are answered keep their exact T consecutive steps. With
`shed_steps` the worker may run several sent steps as one (`service/inference.py`); they are then done
together, and each counts as what it was.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from service.answers import Dropped
from service.options import Policy
from service.source_messages import Clock
from service.windows import Resume, WindowPlan

NO_SLOT = -1


@dataclass(slots=True)
class Entry:
    """One step on its way.

    Attributes:
        slot: where its counts lie, `NO_SLOT` once given back.
        t_us: (start, end), microseconds.
        events: events in it.
        newest_us: time of its newest event.
        reset: why the state must be forgotten before it.
        ready_s: `time.monotonic()` at which the step was complete, in the source process.
        arrive_ms: newest event to complete step; None where the clocks cannot be compared.
        progress: how much of the recording is read, 0..1; None for a live source.
        clock: what `arrive_ms` counts from; None for a file.
        restart: forget the state before it, although time simply went on (steps before it were given up).
        joins: it may be run as one with the step before it.
        serial: order of sending, the worker's token.
        epoch: how often the state was forgotten before.
        index: steps since then.
    """

    slot: int
    t_us: tuple[int, int]
    events: int
    newest_us: int
    reset: str | None
    ready_s: float
    arrive_ms: float | None = None
    progress: float | None = None
    clock: Clock | None = None
    restart: bool = False
    joins: bool = False
    serial: int = -1
    epoch: int = 0
    index: int = 0

    @property
    def begins_anew(self) -> bool:
        """Whether what was before is forgotten with it."""
        return self.restart or self.reset is not None


class Feed:
    """Order, bounds and counters of one stream's steps.

    Args:
        name: for logs and metrics.
        plan: which steps an answer looks at.
        policy: `block` (the source waits for a free slot), `drop_oldest`, or `shed_steps` (which drops too,
            where joining steps is not enough).
        bound: most steps that wait; reached, a window is given up.
        in_flight: most steps sent and not done; with `shed_steps` a window more, which may be run as one.
        keep: keep slots until no later answer looks at them, so that a new worker can take up again.
        release: takes back a slot.

    Attributes:
        dropped: steps and events given up so far.
        joined: steps that were run as one with the step before them.
        events_in, steps_in: what the source gave, lost steps included.
    """

    def __init__(
        self,
        name: str,
        plan: WindowPlan,
        policy: Policy,
        bound: int,
        *,
        in_flight: int,
        keep: bool,
        release: Callable[[int], None],
    ) -> None:
        self.name, self.plan, self.policy, self.bound = name, plan, policy, bound
        self._joins = policy == "shed_steps"
        self._in_flight = in_flight + plan.steps if self._joins else in_flight
        self._keep, self._release = keep, release
        self._queue: deque[Entry] = deque()
        self._sent: deque[Entry] = deque()  # on their way, or done and not answered or not given back
        self._holding: deque[Entry] = deque()  # those of the sent ones that still have their slot
        self._serial = self._done_serial = -1
        self._epoch, self._count = 0, 0  # of the last step sent
        self._answered, self._answered_epoch = 0, 0
        self._carried = (
            0  # events of steps that a dead worker had, told to the next one: nothing answered them
        )
        self._restart_reason: str | None = None
        self._restart = False
        self.dropped = Dropped()
        self.events_in = self.steps_in = self.joined = 0

    def __len__(self) -> int:
        """Steps that wait."""
        return len(self._queue)

    @property
    def idle(self) -> bool:
        """Nothing waits and nothing is on its way."""
        return not self._queue and self._done_serial == self._serial

    @property
    def unanswered_events(self) -> int:
        """Events of steps that wait, are on their way, or are done and not yet part of an answer."""
        waiting = (entry for entry in self._queue if not self._only_warms_up(entry))
        return sum(entry.events for entry in (*waiting, *self._unanswered())) + self._carried

    @property
    def unanswered(self) -> bool:
        """Some step was done and is not yet part of an answer."""
        return bool(self._unanswered())

    def oldest_ms(self) -> float:
        """Age of the oldest waiting step, 0 where none waits."""
        return max(0.0, (time.monotonic() - self._queue[0].ready_s) * 1e3) if self._queue else 0.0

    def offer(self, entry: Entry) -> None:
        """Takes a step from the source."""
        self.steps_in += 1
        self.events_in += entry.events
        if self.policy != "block" and len(self._queue) >= self.bound:
            self._give_up_window()
        self._queue.append(self._marked(entry))

    def lost(self, steps: int, events: int) -> None:
        """Counts steps that the source itself had to give up; the next one begins anew."""
        self.steps_in += steps
        self.events_in += events
        self._count_dropped(steps, events)
        self._restart = True

    def request_reset(self, reason: str) -> None:
        """The next step sent begins anew, and says why."""
        while self._queue and self._only_warms_up(self._queue[0]):
            self._free(self._queue.popleft())
        if self._queue:
            self._queue[0] = replace(self._queue[0], reset=reason)
        else:
            self._restart_reason = reason

    def take(self) -> Entry | None:
        """The next step to send; None where nothing waits or enough is on its way."""
        if not self._queue or self._serial - self._done_serial >= self._in_flight:
            return None
        entry = self._queue.popleft()
        if entry.begins_anew:
            self._epoch, self._count = self._epoch + 1, 0
        entry.joins = self._joins
        entry.serial = self._serial = self._serial + 1
        entry.epoch, entry.index = self._epoch, self._count
        self._count += 1
        self._sent.append(entry)
        self._holding.append(entry)
        return entry

    def done(self, serial: int, count: int, answered: int) -> Entry:
        """The worker has run a step, or several as one; frees what nobody needs any more.

        Args:
            serial: of the step, the last of several.
            count: steps since the state was last forgotten, this one included.
            answered: how many of those the last answer covered.

        Returns:
            The last step, with the reset of the first.
        """
        first = self._sent[self._done_serial + 1 - self._sent[0].serial]
        entry = self._sent[serial - self._sent[0].serial]
        self.joined += serial - first.serial
        self._done_serial = serial
        if (entry.epoch, answered) > (self._answered_epoch, self._answered):
            self._carried = 0
        self._answered, self._answered_epoch = answered, entry.epoch
        needed = self.plan.needed_from(count)
        while self._holding and self._is_needless(self._holding[0], entry, needed):
            self._free(self._holding.popleft())
        while self._sent and self._sent[0].slot == NO_SLOT and self._is_answered(self._sent[0]):
            self._sent.popleft()
        return entry if first is entry else replace(entry, reset=first.reset)

    def finish(self) -> None:
        """The end was answered: nothing is needed any more."""
        for entry in self._holding:
            self._free(entry)
        self._holding.clear()
        self._sent.clear()
        self._carried = 0

    def begin_anew(self) -> None:
        """The next step begins anew, without a word: all before it is answered."""
        if self._queue:
            self._queue[0] = replace(self._queue[0], restart=True)
        else:
            self._restart = True

    def give_up_all(self) -> None:
        """The source is gone for good: everything that waits or is on its way is counted as dropped."""
        self.forget_sent("source_lost")
        waiting, self._queue = list(self._queue), deque()
        for entry in waiting:
            self._free(entry)
        self._count_dropped(len(waiting), sum(entry.events for entry in waiting))

    def rewind(self) -> Resume:
        """Takes back everything a dead worker had, to be sent again; tells where the new one begins.

        Answers come out as if nothing had happened, because all steps they look at were kept.
        """
        again, self._holding = list(self._holding), deque()
        gone = [entry for entry in self._unanswered() if entry.slot == NO_SLOT]
        self._sent.clear()
        self._done_serial = self._serial
        if not again:
            return Resume(self._count, self._count, 0)
        first = again[0]
        answered = self._answered if first.epoch == self._answered_epoch else 0
        self._epoch, self._count = first.epoch, first.index
        again[0] = replace(first, reset=None, restart=False)
        self._queue.extendleft(reversed(again))
        self._carried += sum(entry.events for entry in gone)
        return Resume(first.index, answered, self._carried)

    def forget_sent(self, reason: str) -> None:
        """Gives up everything a dead worker had, counted as dropped; the next step begins anew."""
        lost = self._unanswered()
        self._count_dropped(len(lost), sum(entry.events for entry in lost) + self._carried)
        self.finish()
        self._done_serial = self._serial
        self.request_reset(reason)

    def _marked(self, entry: Entry) -> Entry:
        """`entry` with the marks that wait for the next step."""
        entry.restart = entry.restart or self._restart
        entry.reset = entry.reset or self._restart_reason
        self._restart, self._restart_reason = False, None
        return entry

    def _give_up_window(self) -> None:
        """Drops the oldest window that has not begun, one without events where there is one.

        After a silence its steps come all at once, when the next event does: they must not cost an event.
        """
        waiting = list(self._queue)
        begin = self._window_to_give_up(waiting)
        given_up, after = waiting[begin : begin + self.plan.steps], waiting[begin + self.plan.steps :]
        for entry in given_up:
            self._free(entry)
        self._count_dropped(len(given_up), sum(entry.events for entry in given_up))
        reason = next((entry.reset for entry in given_up if entry.reset), None)
        if after:
            after[0] = replace(after[0], restart=True, reset=after[0].reset or reason)
        else:
            self._restart, self._restart_reason = True, reason
        self._queue = deque([*waiting[:begin], *after])

    def _window_to_give_up(self, waiting: Sequence[Entry]) -> int:
        """Where it begins among those that wait; what the running window still needs stays."""
        steps = self.plan.steps
        oldest = begin = max(0, min(-self._count % self.plan.stride, len(waiting) - steps))
        while begin + steps <= len(waiting):
            window = waiting[begin : begin + steps]
            anew = next((at for at, entry in enumerate(window) if at and entry.begins_anew), None)
            if anew is not None:
                begin += anew
            elif not any(entry.events for entry in window):
                return begin
            else:
                begin += min(self.plan.stride, steps)
        return oldest

    def _unanswered(self) -> list[Entry]:
        return [entry for entry in self._sent if not self._is_answered(entry)]

    def _only_warms_up(self, entry: Entry) -> bool:
        """Whether a waiting step was answered by a dead worker, and is there for what comes after it."""
        return entry.serial >= 0 and self._is_answered(entry)

    def _is_needless(self, held: Entry, done: Entry, needed: int) -> bool:
        """Whether nobody will look at `held` again, now that `done` is done."""
        if held.epoch < done.epoch:
            return True
        return held.serial <= done.serial and (not self._keep or held.index < needed)

    def _is_answered(self, entry: Entry) -> bool:
        if entry.epoch == self._answered_epoch:
            return entry.index < self._answered
        return entry.epoch < self._answered_epoch

    def _count_dropped(self, steps: int, events: int) -> None:
        self.dropped = Dropped(self.dropped.steps + steps, self.dropped.events + events)

    def _free(self, entry: Entry) -> None:
        if entry.slot != NO_SLOT:
            self._release(entry.slot)
            entry.slot = NO_SLOT
