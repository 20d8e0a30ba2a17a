"""`Feed`: bounds, drops and slots, played through by hand and at random."""

from __future__ import annotations

import random
import time

import pytest

from service.feed import NO_SLOT, Entry, Feed
from service.options import Policy
from service.windows import WindowPlan

STEPS = 5


class Slots:
    """What was given back."""

    def __init__(self) -> None:
        self.freed: list[int] = []


def feed_of(
    slots: Slots,
    *,
    policy: Policy = "drop_oldest",
    stride: int = STEPS,
    bound: int = 10,
    in_flight: int = 2,
    keep: bool = False,
) -> Feed:
    plan = WindowPlan(STEPS, stride)
    return Feed("test", plan, policy, bound, in_flight=in_flight, keep=keep, release=slots.freed.append)


def entry(index: int, *, events: int = 10, reset: str | None = None) -> Entry:
    return Entry(index, (index * 10, index * 10 + 10), events, index * 10 + 9, reset, time.monotonic())


def done(feed: Feed, sent: Entry) -> Entry:
    """As the worker would report it."""
    count = sent.index + 1
    return feed.done(sent.serial, count, count - count % feed.plan.stride)


def test_steps_go_out_in_order_and_bounded() -> None:
    slots = Slots()
    feed = feed_of(slots, in_flight=2)
    for i in range(4):
        feed.offer(entry(i))
    first, second = feed.take(), feed.take()
    assert first is not None
    assert second is not None
    assert (first.slot, second.slot, first.index, second.index) == (0, 1, 0, 1)
    assert feed.take() is None
    done(feed, first)
    assert slots.freed == [0]
    third = feed.take()
    assert third is not None
    assert (third.serial, third.index) == (2, 2)


def test_overflow_gives_up_a_whole_window_that_has_not_begun() -> None:
    slots = Slots()
    feed = feed_of(slots, bound=10, in_flight=1)
    for i in range(2):
        feed.offer(entry(i))
    begun = feed.take()
    assert begun is not None  # step 0 is on its way, steps 1..4 belong to its window
    for i in range(2, 12):
        feed.offer(entry(i))
    assert slots.freed == [5, 6, 7, 8, 9]
    assert (feed.dropped.steps, feed.dropped.events) == (5, 50)
    done(feed, begun)
    order = []
    while (sent := feed.take()) is not None:
        order.append((sent.slot, sent.index, sent.restart))
        done(feed, sent)
    assert order == [
        (1, 1, False),
        (2, 2, False),
        (3, 3, False),
        (4, 4, False),
        (10, 0, True),
        (11, 1, False),
    ]


def test_windows_without_events_are_given_up_first() -> None:
    feed = feed_of(Slots(), bound=15, in_flight=1)
    for i in range(5):
        feed.offer(entry(i))
    for i in range(5, 40):  # a silence, whose steps come all at once
        feed.offer(entry(i, events=0))
    for i in range(40, 43):
        feed.offer(entry(i))
    assert feed.dropped.events == 0
    order = []
    while (sent := feed.take()) is not None:
        order.append((sent.slot, sent.index, sent.restart))
        done(feed, sent)
    assert order[:5] == [(i, i, False) for i in range(5)]
    assert [slot for slot, _, _ in order[-3:]] == [40, 41, 42]
    assert len(order) + feed.dropped.steps == 43


def test_a_window_without_events_is_found_after_a_new_beginning() -> None:
    feed = feed_of(Slots(), bound=10)
    for i in range(2):
        feed.offer(entry(i))
    feed.offer(entry(2, events=0, reset="gap"))
    for i in range(3, 10):
        feed.offer(entry(i, events=0 if i < 7 else 10))
    feed.offer(entry(10))
    assert (feed.dropped.steps, feed.dropped.events) == (5, 0)
    slots = []
    while (sent := feed.take()) is not None:
        slots.append((sent.slot, sent.reset))
        done(feed, sent)
    assert slots == [(0, None), (1, None), (7, "gap"), (8, None), (9, None), (10, None)]


def test_a_reset_in_a_dropped_window_is_not_lost() -> None:
    feed = feed_of(Slots(), bound=5)
    for i in range(5):
        feed.offer(entry(i, reset="gap" if i == 2 else None))
    feed.offer(entry(5))
    sent = feed.take()
    assert sent is not None
    assert (sent.slot, sent.reset, sent.index) == (5, "gap", 0)


def test_block_never_drops() -> None:
    feed = feed_of(Slots(), policy="block", bound=3)
    for i in range(50):
        feed.offer(entry(i))
    assert len(feed) == 50
    assert feed.dropped.steps == 0


def test_steps_the_source_lost_are_counted_and_restart() -> None:
    feed = feed_of(Slots())
    feed.lost(3, 70)
    feed.offer(entry(0))
    sent = feed.take()
    assert sent is not None
    assert sent.restart
    assert (feed.dropped.steps, feed.dropped.events, feed.events_in) == (3, 70, 80)


@pytest.mark.parametrize("waiting", [True, False])
def test_a_requested_reset_marks_the_next_step(waiting: bool) -> None:
    feed = feed_of(Slots())
    if waiting:
        feed.offer(entry(0))
    feed.request_reset("requested")
    feed.offer(entry(1))
    sent = feed.take()
    assert sent is not None
    assert (sent.reset, sent.slot) == ("requested", 0 if waiting else 1)


def test_kept_slots_are_freed_when_no_window_needs_them() -> None:
    slots = Slots()
    feed = feed_of(slots, policy="block", keep=True, in_flight=100, stride=3)
    for i in range(9):
        feed.offer(entry(i))
    sent = [feed.take() for _ in range(9)]
    freed = []
    for one in sent:
        assert one is not None
        done(feed, one)
        freed.append(len(slots.freed))
    # after 3 steps the next window is 1..6, after 6 it is 4..9, after 9 it is 7..12
    assert freed == [0, 0, 1, 1, 1, 4, 4, 4, 7]
    feed.finish()
    assert slots.freed == list(range(9))


def test_rewind_sends_again_what_is_needed() -> None:
    feed = feed_of(Slots(), policy="block", keep=True, in_flight=100)
    for i in range(9):
        feed.offer(entry(i))
    sent = list(iter(feed.take, None))
    for one in sent[:7]:
        done(feed, one)
    resume = feed.rewind()
    assert (resume.index, resume.answered, resume.events) == (5, 5, 0)
    again = list(iter(feed.take, None))
    assert [one.slot for one in again] == [5, 6, 7, 8]
    assert [one.index for one in again] == [5, 6, 7, 8]


def test_rewind_with_a_long_stride_remembers_events_of_freed_steps() -> None:
    feed = feed_of(Slots(), policy="block", keep=True, in_flight=100, stride=20)
    for i in range(12):
        feed.offer(entry(i))
    for one in list(iter(feed.take, None)):
        done(feed, one)
    resume = feed.rewind()
    assert (resume.index, resume.answered, resume.events) == (8, 0, 80)


def test_forget_counts_what_a_dead_worker_had() -> None:
    slots = Slots()
    feed = feed_of(slots, in_flight=3)
    for i in range(8):
        feed.offer(entry(i))
    sent = list(iter(feed.take, None))
    done(feed, sent[0])
    feed.forget_sent("worker_restarted")
    assert (feed.dropped.steps, feed.dropped.events) == (3, 30)  # one done and two on their way
    assert sorted(slots.freed) == [0, 1, 2]
    following = feed.take()
    assert following is not None
    assert (following.slot, following.reset, following.index) == (3, "worker_restarted", 0)


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("policy", ["block", "drop_oldest"])
def test_no_event_and_no_slot_is_ever_lost(seed: int, policy: Policy) -> None:
    """Random sources, workers and deaths: events in = answered + dropped + still there; so do slots."""
    rng = random.Random(seed)
    slots, answered, flying = Slots(), 0, 0
    stride = rng.choice([1, 2, 3, 5, 8])
    feed = feed_of(slots, policy=policy, stride=stride, bound=12, in_flight=4, keep=policy == "block")
    sent: list[Entry] = []
    waiting_events: dict[int, int] = {}
    for i in range(400):
        action = rng.random()
        if action < 0.5:
            feed.offer(entry(i, events=rng.randrange(20), reset="gap" if rng.random() < 0.03 else None))
        elif action < 0.97:
            while (one := feed.take()) is not None:
                sent.append(one)
                waiting_events[one.serial] = one.events
            if sent:
                one = sent.pop(0)
                if one.index == 0:  # a new epoch answers all before
                    answered += sum(waiting_events.pop(s) for s in list(waiting_events) if s < one.serial)
                if done(feed, one) and (one.index + 1) % stride == 0:
                    answered += sum(waiting_events.pop(s) for s in list(waiting_events) if s <= one.serial)
        elif policy == "drop_oldest":
            feed.forget_sent("worker_restarted")
            sent.clear()
            waiting_events.clear()
        assert feed.events_in == answered + feed.dropped.events + feed.unanswered_events
        flying = feed.steps_in - len(slots.freed)
        assert 0 <= flying <= len(feed) + 4 + 5 + stride
    assert len(set(slots.freed)) == len(slots.freed)
    assert NO_SLOT not in slots.freed
