"""`Feed` with a real batcher behind it, over random sequences: all events and slots are accounted for."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.card import Card
from service.answers import Answer
from service.feed import Entry, Feed
from service.inference import LaneOptions, StreamBatcher
from service.options import Policy
from service.windows import Resume, plan_of
from service.wire import entry_to_wire
from streaming.letterbox import Letterbox
from streaming.step import Step
from tests.service.tiny import CARD, HEIGHT, ROLLING, STEP_US, WIDTH, SlowDetector, counts_of

SENSOR = Letterbox(WIDTH, HEIGHT, WIDTH, HEIGHT)
SLOTS = 30
SCRIBBLE = 9

ACTIONS = st.one_of(
    st.tuples(st.just("offer"), st.lists(st.sampled_from([0, 0, 3, 40]), min_size=1, max_size=12)),
    st.tuples(st.just("run"), st.integers(1, 4)),
    st.tuples(st.just("gap"), st.none()),
    st.tuples(st.just("reset"), st.none()),
    st.tuples(st.just("lost"), st.integers(1, 3)),
    st.tuples(st.just("die"), st.none()),
    st.tuples(st.just("rest"), st.lists(st.sampled_from([0, 7]), max_size=4)),
)


class Line:
    """Source, feed and worker of one stream, without processes.

    A slot that was given back holds other counts at once, so that whoever looks at it still is found out.
    """

    def __init__(self, policy: Policy, stride: int | None, cost_steps: float, card: Card) -> None:
        self.keep = policy == "block"
        self.card, self.stride = card, stride
        self.detector = SlowDetector(0.0, cost_steps * STEP_US / 1e6, card)
        self.plan = plan_of(card, stride)
        self.feed = Feed("line", self.plan, policy, 12, in_flight=3, keep=self.keep, release=self._release)
        self.slots: dict[int, Any] = {slot: counts_of(slot, 5) for slot in range(SLOTS)}
        self.free = deque(range(SLOTS))
        self.index, self.gap = 0, False
        self.answers: list[Answer] = []
        self.resume = Resume()
        self._start_worker()

    def offer(self, events: list[int]) -> None:
        self._arrive(events)
        self.pump()

    def _arrive(self, events: list[int]) -> None:
        for count in events:
            t_us = (self.index * STEP_US, (self.index + 1) * STEP_US)
            self.index += 1
            if not self.free:
                if not self.keep:
                    self.feed.lost(1, count)
                continue
            slot = self.free.popleft()
            self.slots[slot][:] = counts_of(self.index, count)
            reset, self.gap = ("gap" if self.gap else None), False
            self.feed.offer(Entry(slot, t_us, count, t_us[1] - 1, reset, self.detector.now_s))
            self.detector.now_s += STEP_US / 2e6

    def pump(self) -> None:
        while (entry := self.feed.take()) is not None:
            wire = entry_to_wire(entry)
            counts = self.slots[wire["slot"]]
            assert int(counts.sum()) == entry.events, "a slot was given back too early"
            step = Step(counts, wire["t_us"], wire["events"], wire["newest_us"])
            self.batcher.push(
                "a",
                step,
                wire["serial"],
                ready_s=wire["ready_s"],
                restart=wire["restart"],
                ends_tracks=wire["reset"],
                joins=wire["joins"],
            )

    def run(self) -> None:
        wait_s = self.batcher.wait_s()
        self.detector.now_s += wait_s or 0.0
        for outcome in self.batcher.run_once():
            self._deliver(outcome.early)
            entry = self.feed.done(outcome.token, outcome.count, outcome.answered)
            assert outcome.count == entry.index + 1, "feed and worker count alike"
            self._deliver(outcome.due)
        self.pump()

    def die(self) -> None:
        """The worker dies, and another one takes up what it can."""
        if self.keep:
            self.resume = self.feed.rewind()
        else:
            self.feed.forget_sent("worker_restarted")
            self.resume = Resume()
        self._start_worker()
        self.pump()

    def rest(self, meanwhile: list[int]) -> None:
        """Nothing comes for a while; steps that come while the worker is asked for the rest wait."""
        while not self.feed.idle:
            self.run()
        rest = self.batcher.flush("a")
        self._arrive(meanwhile)
        self._deliver(rest)
        self.feed.finish()
        self.feed.begin_anew()
        self.pump()

    def check(self) -> None:
        answered = sum(answer.events for answer in self.answers)
        assert self.feed.events_in == answered + self.feed.dropped.events + self.feed.unanswered_events
        assert len(set(self.free)) == len(self.free), "a slot was given back twice"
        ends = [answer.t_us[1] for answer in self.answers]
        assert ends == sorted(set(ends)), "answers are in order, and none comes twice"

    def finish(self) -> None:
        self.rest([])
        self.check()
        assert self.feed.unanswered_events == 0
        assert sorted(self.free) == list(range(SLOTS)), "every slot came back"

    def _start_worker(self) -> None:
        self.batcher: StreamBatcher[int] = StreamBatcher(self.detector, clock=self.detector.clock)  # type: ignore[arg-type]  # like one
        self.batcher.open("a", LaneOptions(SENSOR, 0.0, 0.5, self.stride), self.resume)

    def _deliver(self, answer: Answer | None) -> None:
        if answer is not None:
            self.answers.append(answer)

    def _release(self, slot: int) -> None:
        self.slots[slot][:] = SCRIBBLE
        self.free.append(slot)


def play(line: Line, actions: list[tuple[str, Any]]) -> None:
    for kind, value in actions:
        if kind == "offer":
            line.offer(value)
        elif kind == "run":
            for _ in range(value):
                line.run()
        elif kind == "gap":
            line.gap = True
        elif kind == "reset":
            line.feed.request_reset("requested")
        elif kind == "lost" and not line.keep:
            line.index += value
            line.feed.lost(value, 7 * value)
        elif kind == "die":
            line.die()
        elif kind == "rest":
            line.rest(value)
        line.check()
    line.finish()


@pytest.mark.parametrize("policy", ["drop_oldest", "shed_steps", "block"])
@given(
    actions=st.lists(ACTIONS, max_size=40),
    stride=st.sampled_from([None, 1, 2, 3, 5, 7, 12]),
    cost_steps=st.sampled_from([0.1, 0.6, 3.0]),
    rolls=st.booleans(),
)
@settings(max_examples=120, deadline=None)
def test_every_event_and_every_slot_is_accounted_for(
    policy: Policy, actions: list[tuple[str, Any]], stride: int | None, cost_steps: float, rolls: bool
) -> None:
    play(Line(policy, stride, cost_steps, ROLLING if rolls else CARD), actions)


@given(actions=st.lists(ACTIONS, max_size=30), stride=st.sampled_from([1, 2, 5, 7]))
@settings(max_examples=60, deadline=None)
def test_only_shed_steps_joins(actions: list[tuple[str, Any]], stride: int) -> None:
    for policy in ("drop_oldest", "block"):
        line = Line(policy, stride, 3.0, CARD)
        play(line, actions)
        assert line.feed.joined == 0
        assert {answer.joined for answer in line.answers} <= {0}


@given(offers=st.lists(st.integers(1, 9), min_size=5, max_size=40), stride=st.sampled_from([5, 7]))
@settings(max_examples=60, deadline=None)
def test_joined_steps_are_counted_once(offers: list[int], stride: int) -> None:
    line = Line("shed_steps", stride, 3.0, CARD)
    for steps in offers:
        line.offer([20] * steps)
        line.run()
        line.run()
    line.finish()
    if stride == CARD.steps and not line.feed.dropped.steps:
        assert line.feed.joined == sum(answer.joined for answer in line.answers)
        assert sum(answer.steps + answer.joined for answer in line.answers) == line.feed.steps_in


def test_a_worker_that_died_amid_joined_steps_has_its_steps_done_again_one_by_one() -> None:
    """No source of ours keeps steps and joins them, but the two do not contradict each other."""
    slots: list[int] = []
    feed = Feed("both", plan_of(CARD, 2), "shed_steps", 50, in_flight=20, keep=True, release=slots.append)
    for at in range(9):
        feed.offer(Entry(at, (at, at + 1), 10, at, "gap" if at == 3 else None, 0.0))
    sent = list(iter(feed.take, None))
    done = feed.done(sent[2].serial, 3, 2)
    assert (done.reset, done.slot, feed.joined) == (None, sent[2].slot, 2)
    assert feed.done(sent[4].serial, 2, 2).reset == "gap"
    assert feed.joined == 3
    resume = feed.rewind()
    assert (resume.index, resume.answered, resume.events) == (0, 2, 0)
    again = list(iter(feed.take, None))
    assert [(entry.slot, entry.index, entry.joins) for entry in again] == [
        (slot, slot - 3, True) for slot in range(3, 9)
    ]
    assert slots == [0, 1, 2]
    batcher: StreamBatcher[int] = StreamBatcher(SlowDetector(0.0, 1.0))  # type: ignore[arg-type]  # like one
    batcher.open("a", LaneOptions(SENSOR, 0.0, 0.5, 2), resume)
    for entry in again:
        step = Step(np.ones((2, HEIGHT, WIDTH), np.uint16), entry.t_us, entry.events, entry.newest_us)
        batcher.push("a", step, entry.serial, joins=entry.joins)
    answers = [o.due for _ in range(6) for o in batcher.run_once() if o.due is not None]
    assert sum(answer.events for answer in answers) == 40  # of six steps, two were answered before
