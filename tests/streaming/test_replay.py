"""Replays by a clock that the test moves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streaming.errors import BadSource
from streaming.events import Events
from streaming.replay import LONGEST_PAUSE_S, TURN_US, Replay, Speed, replayed
from streaming.source import Source
from streaming.sources import open_source
from tests.streaming.sources import ListSource


class Clock:
    """Time that passes by sleeping alone."""

    def __init__(self) -> None:
        self.now_s = 1_000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.slept.append(seconds)
        self.now_s += seconds


def at(*t_us: int) -> Events:
    n = len(t_us)
    return Events.of(t_us, np.arange(n), [2] * n, [1] * n)


def play(clock: Clock, *packets: Events, speed: Speed = 1.0, loop: bool = False) -> Replay:
    return Replay(
        lambda: ListSource(packets, 2_000, 10), speed=speed, loop=loop, clock=clock, sleep=clock.sleep
    )


def test_slices_come_when_their_last_event_is_due() -> None:
    clock = Clock()
    replay = play(clock, at(*range(7_000_000, 7_030_000, 1_000)), at(7_030_000))
    due = [(clock.now_s, part.t_us.tolist()) for part in replay.packets()]
    assert [times for _, times in due] == [
        *[list(range(begin, begin + 5_000, 1_000)) for begin in range(7_000_000, 7_030_000, 5_000)],
        [7_030_000],
    ]
    zero_s = replay.event_clock_s
    assert zero_s is not None
    for now_s, times in due:
        assert now_s - zero_s == pytest.approx(times[-1] / 1e6)


@pytest.mark.parametrize(("speed", "lasts_s"), [(1.0, 0.1), (2.0, 0.05), (0.5, 0.2)])
def test_speed_scales_time(speed: float, lasts_s: float) -> None:
    clock = Clock()
    replay = play(clock, at(0), at(100_000), speed=speed)
    assert sum(map(len, replay.packets())) == 2
    assert sum(clock.slept) == pytest.approx(lasts_s)
    assert (replay.event_clock_s is None) == (speed != 1)


def test_max_speed_never_waits_nor_cuts() -> None:
    clock = Clock()
    packets = [at(*range(0, 100_000, 1_000)), Events.empty(), at(10**12)]
    replay = play(clock, *packets, speed="max")
    assert [len(part) for part in replay.packets()] == [100, 0, 1]
    assert clock.slept == []


def test_a_late_consumer_catches_up_without_waiting() -> None:
    clock = Clock()
    parts = play(clock, *[at(i * 10_000) for i in range(10)]).packets()
    next(parts)
    clock.now_s += 0.055
    waits = []
    for _ in parts:
        waits.append(len(clock.slept))
    assert waits[:5] == [0] * 5
    assert clock.slept == pytest.approx([0.005, 0.01, 0.01, 0.01])


def test_long_pauses_are_cut_and_the_clock_follows() -> None:
    clock = Clock()
    replay = play(clock, at(0), at(3_600_000_000), at(3_600_010_000))
    list(replay.packets())
    assert clock.slept == pytest.approx([LONGEST_PAUSE_S, 0.01])
    assert replay.event_clock_s == pytest.approx(clock.now_s - 3_600.01)


def test_a_loop_goes_on_in_time_with_every_event() -> None:
    clock = Clock()
    packets = [at(500, 900), Events.empty(), at(20_000)]
    replay = play(clock, *packets, loop=True)
    given: list[Events] = []
    parts = replay.packets()
    while sum(map(len, given)) < 9:
        given.append(next(parts))
    times = Events.concatenate(given).t_us.tolist()
    turn = 20_000 + TURN_US - 500
    assert times == [t + i * turn for i in range(3) for t in (500, 900, 20_000)]


def test_a_loop_closes_each_turn_and_an_empty_one_ends() -> None:
    clock = Clock()
    opened: list[ListSource] = []

    def open_again() -> ListSource:
        opened.append(ListSource([at(1)] if len(opened) < 2 else [Events.empty()], 10, 10))
        return opened[-1]

    with Replay(open_again, loop=True, clock=clock, sleep=clock.sleep) as replay:
        assert sum(map(len, replay.packets())) == 2
    assert [source.closed for source in opened] == [True, True, True]


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan"), float("inf"), 1e9])
def test_speeds_out_of_range_are_refused(speed: float) -> None:
    with pytest.raises(BadSource, match="speed must be"):
        play(Clock(), speed=speed)


def opened(query: str) -> Source:
    return replayed(lambda: ListSource([at(0, 1, 2, 3)], 2_000, 10), query)


def test_queries_play_and_filter() -> None:
    assert isinstance(opened(""), ListSource)
    assert isinstance(opened("speed=1"), Replay)
    assert isinstance(opened("loop=true"), Replay)
    assert [len(part) for part in opened("filter=region:0,0,2,10&filter=flip:h&speed=max").packets()] == [2]
    (part,) = opened("filter=region:0,0,2,10&filter=flip:h").packets()
    assert part.x.tolist() == [1_999, 1_998]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("sped=1", "'sped' in a source's query; it may have speed, loop and filter"),
        ("speed=fast", "got 'fast'"),
        ("speed=0", "0.001..1000"),
        ("speed=", "got ''"),
        ("loop=maybe", "loop must be 1 or 0"),
        ("filter=blur", "unknown filter 'blur'"),
    ],
)
def test_bad_queries_are_refused(query: str, says: str) -> None:
    with pytest.raises(BadSource) as caught:
        opened(query)
    assert says in str(caught.value)


def test_a_file_uri_is_replayed(tmp_path: Path) -> None:
    path = tmp_path / "a b.npy"
    np.save(path, np.array([[0, 1, 2, 1], [10, 3, 4, 0], [20, 5, 6, 1]]))
    uri = f"{path.as_uri()}?speed=max&filter=polarity:on"
    with open_source(uri, width=20, height=10) as source:
        events = Events.concatenate(source.packets())
    assert events.x.tolist() == [1, 5]
    assert (source.info.width, source.info.height) == (20, 10)
