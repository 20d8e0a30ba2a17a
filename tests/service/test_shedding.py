"""More work than the network can do, on a clock of its own: who is run, what is joined, what stays exact."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from service.answers import Answer
from service.inference import LaneOptions, StreamBatcher
from streaming.letterbox import Letterbox
from streaming.step import Step
from tests.service.tiny import HEIGHT, STEP_US, STEPS, WIDTH, SlowDetector, step_of

SENSOR = Letterbox(WIDTH, HEIGHT, WIDTH, HEIGHT)
STEP_S = STEP_US / 1e6


class Bench:
    """Streams whose steps come by a clock that only the network's work moves.

    Args:
        row_s: what a row takes.
        strides: of each stream.
        joins: those whose steps may be joined.
        queue: steps of a stream that wait at most; older ones are given up.
    """

    def __init__(
        self, row_s: float, strides: dict[str, int], joins: Sequence[str] = (), queue: int = 1000
    ) -> None:
        self.detector = SlowDetector(0.0, row_s)
        self.batcher: StreamBatcher[int] = StreamBatcher(self.detector, clock=self.detector.clock)  # type: ignore[arg-type]  # like one
        self.strides, self.joins, self.queue = strides, joins, queue
        for stream, stride in strides.items():
            self.batcher.open(stream, LaneOptions(SENSOR, 0.0, 0.5, stride))
        self.answers: dict[str, list[Answer]] = {stream: [] for stream in strides}
        self.behind: dict[str, list[float]] = {stream: [] for stream in strides}
        self.waiting: dict[str, int] = dict.fromkeys(strides, 0)
        self.lost: dict[str, int] = dict.fromkeys(strides, 0)
        self.pushed = 0

    def run(self, steps: int, events: int | None = 50) -> None:
        """Every stream gives `steps` steps, each when it is due by the clock."""
        while self.pushed < steps or self.batcher.pending:
            self._arrive(steps, events)
            wait_s = self.batcher.wait_s()
            if wait_s is None or wait_s > 0:
                next_s = (self.pushed + 1) * STEP_S if self.pushed < steps else np.inf
                self.detector.now_s = min(
                    next_s, self.detector.now_s + (np.inf if wait_s is None else wait_s)
                )
                continue
            for outcome in self.batcher.run_once():
                self.waiting[outcome.stream_id] -= 1
                found = [answer for answer in (outcome.early, outcome.due) if answer is not None]
                self.answers[outcome.stream_id] += found
                newest = int(self.detector.now_s / STEP_S)
                self.behind[outcome.stream_id] += [newest - 1 - outcome.token for _ in found]

    def _arrive(self, steps: int, events: int | None) -> None:
        while self.pushed < steps and (self.pushed + 1) * STEP_S <= self.detector.now_s + 1e-9:
            for stream in self.strides:
                if self.waiting[stream] >= self.queue:
                    self.lost[stream] += 1
                    continue
                self.waiting[stream] += 1
                step = step_of(self.pushed, events=events)
                self.batcher.push(stream, step, self.pushed, joins=stream in self.joins)
            self.pushed += 1


def test_steps_are_joined_only_where_more_waits_than_can_be_run() -> None:
    bench = Bench(0.4 * STEP_S, {"a": STEPS, "b": STEPS}, joins=("a", "b"))  # 80 % of what it can bear
    bench.run(100)
    for answers in bench.answers.values():
        assert len(answers) == 20
        assert {(answer.steps, answer.joined) for answer in answers} == {(STEPS, 0)}


def test_under_twice_the_load_answers_stay_due_and_near() -> None:
    names = [f"s{at}" for at in range(5)]
    bench = Bench(0.4 * STEP_S, dict.fromkeys(names, STEPS), joins=names)
    bench.run(500)
    for name in names:
        answers = bench.answers[name]
        assert [answer.t_us[1] for answer in answers] == [
            (at + 1) * STEPS * STEP_US for at in range(len(answers))
        ]
        assert len(answers) == 100
        assert all(answer.steps + answer.joined == STEPS for answer in answers)
        assert sum(answer.events for answer in answers) == 500 * 50
        assert np.quantile(bench.behind[name], 0.95) <= 2
    joined = [answer.joined for answers in bench.answers.values() for answer in answers]
    assert 1 <= np.mean(joined) < STEPS - 1


def test_without_joining_the_same_load_falls_behind() -> None:
    bench = Bench(0.4 * STEP_S, dict.fromkeys("abcde", STEPS))
    bench.run(200)
    assert min(behind[-1] for behind in bench.behind.values()) > 50
    assert {answer.joined for answers in bench.answers.values() for answer in answers} == {0}


def test_a_light_stream_keeps_its_rate_beside_one_that_asks_for_too_much() -> None:
    # a step of the heavy one costs five rows of 0.4 steps each: twice what the network can do
    bench = Bench(0.4 * STEP_S, {"heavy": 1, "light": STEPS}, queue=10)
    bench.run(500)
    assert (bench.lost["light"], len(bench.answers["light"])) == (0, 100)
    assert max(bench.behind["light"]) <= 4
    assert bench.lost["heavy"] > 100


def test_a_stream_that_paused_saves_nothing_up() -> None:
    bench = Bench(1.0 * STEP_S, {"a": STEPS, "b": STEPS})
    batcher = bench.batcher
    for token in range(200):
        batcher.push("a", step_of(token), token)
        batcher.run_once()
    for token in range(200, 300):
        for stream in "ab":
            batcher.push(stream, step_of(token), token)
    order = [outcome.stream_id for _ in range(40) for outcome in batcher.run_once()]
    assert abs(order.count("a") - order.count("b")) <= 4


def test_uploads_do_not_coarsen_a_live_stream_that_keeps_up() -> None:
    bench = Bench(0.4 * STEP_S, {"live": STEPS, "upload": STEPS}, joins=("live",))
    batcher, detector = bench.batcher, bench.detector
    answers: list[Answer] = []
    pushed = uploaded = 0
    while pushed < 200:
        while (pushed + 1) * STEP_S <= detector.now_s + 1e-9:
            batcher.push("live", step_of(pushed, events=50), pushed, joins=True)
            pushed += 1
        while batcher.pending < 8:
            batcher.push("upload", step_of(uploaded, seed=1), uploaded)
            uploaded += 1
        answers += [o.due for o in batcher.run_once() if o.stream_id == "live" and o.due is not None]
    assert len(answers) >= 38
    assert np.mean([answer.joined for answer in answers]) < 1
    assert uploaded > 200


@pytest.mark.parametrize("stride", [1, 2, 3, 5, 7, 12])
def test_joined_steps_cover_what_their_steps_would(stride: int) -> None:
    bench = Bench(3.0 * STEP_S, {"a": stride}, joins=("a",))
    bench.run(240)
    answers = bench.answers["a"]
    ends = [answer.t_us[1] // STEP_US for answer in answers]
    assert ends == sorted(set(ends))
    assert all(end % stride == 0 for end in ends)
    if stride >= STEPS:
        assert ends == list(range(stride, 241, stride))
    for answer in answers:
        spanned = (answer.t_us[1] - answer.t_us[0]) // STEP_US
        assert answer.steps + answer.joined == spanned
        assert answer.steps <= STEPS
        least = min(STEPS, answer.t_us[1] // STEP_US)
        assert least <= spanned <= (STEPS if stride >= STEPS else 2 * STEPS - 1)
    last = bench.batcher.flush("a")
    answers += [] if last is None else [last]
    assert sum(answer.events for answer in answers) == 240 * 50
    assert any(answer.joined for answer in answers)


def test_a_joined_window_is_the_window_of_its_sums() -> None:
    detector = SlowDetector(0.0, 1.0)
    batcher: StreamBatcher[int] = StreamBatcher(detector, clock=detector.clock)  # type: ignore[arg-type]  # like one
    batcher.open("a", LaneOptions(SENSOR, 0.0, 0.5, STEPS))
    steps = [step_of(index) for index in range(10)]
    answers: list[Answer] = []
    for token in range(5):
        batcher.push("a", steps[token], token)
        answers += [outcome.due for outcome in batcher.run_once() if outcome.due]
    for token in range(5, 10):
        batcher.push("a", steps[token], token, joins=True)
    (outcome,) = batcher.run_once()
    assert outcome.due is not None
    assert (outcome.token, outcome.count, outcome.due.steps, outcome.due.joined) == (9, 10, 1, 4)
    total = np.sum([step.counts for step in steps[5:]], axis=0).astype(np.uint16)
    output = detector.step(total[None], detector.initial_state(1))
    (found,) = detector.detections(output.maps, threshold=0.0, iou=0.5)
    assert outcome.due.detections.score.tobytes() == found.score.tobytes()
    assert (answers[0].steps, answers[0].joined) == (STEPS, 0)


def test_nothing_is_joined_over_a_restart() -> None:
    detector = SlowDetector(0.0, 1.0)
    batcher: StreamBatcher[int] = StreamBatcher(detector, clock=detector.clock)  # type: ignore[arg-type]  # like one
    batcher.open("a", LaneOptions(SENSOR, 0.0, 0.5, STEPS))
    batcher.push("a", step_of(0), 0)
    batcher.run_once()
    steps: list[Step] = [step_of(1), step_of(2), step_of(3, reset="gap"), step_of(4), step_of(5)]
    for token, step in enumerate(steps, 1):
        batcher.push("a", step, token, joins=True, restart=token == 5)
    outcomes = [outcome for _ in range(3) for outcome in batcher.run_once()]
    assert [(o.token, o.count) for o in outcomes] == [(2, 3), (4, 2), (5, 1)]
    early = [o.early for o in outcomes]
    assert early[0] is None
    assert [(a.steps, a.joined, a.t_us) for a in early if a is not None] == [
        (2, 1, (0, 3 * STEP_US)),
        (1, 1, (3 * STEP_US, 5 * STEP_US)),
    ]


def test_pieces_wait_for_their_answers_last_step_on_a_slow_network_but_not_for_ever() -> None:
    detector = SlowDetector(0.0, 2 * STEP_S)
    batcher: StreamBatcher[int] = StreamBatcher(detector, clock=detector.clock)  # type: ignore[arg-type]  # like one
    batcher.open("a", LaneOptions(SENSOR, 0.0, 0.5, STEPS))
    assert batcher.wait_s() is None
    for token in range(4):
        batcher.push("a", step_of(token), token, joins=True)
        assert batcher.wait_s() == 0
        if token in (0, 2):
            assert len(batcher.run_once()) == 1  # it is done before the last one comes
        detector.now_s = max(detector.now_s, (token + 1) * STEP_S)
    # step 3 came at 4 and would be done at 6; the last is due at 5, and waited for until 6
    assert detector.now_s == pytest.approx(4 * STEP_S)
    assert batcher.run_once() == []
    assert batcher.wait_s() == pytest.approx(2 * STEP_S)
    detector.now_s = 6 * STEP_S
    assert batcher.wait_s() == 0
    (outcome,) = batcher.run_once()
    assert (outcome.token, outcome.count, outcome.due) == (3, 4, None)


def test_a_slow_network_is_no_more_than_its_own_time_behind() -> None:
    bench = Bench(2.0 * STEP_S, {"a": STEPS}, joins=("a",))
    bench.run(500)
    assert len(bench.answers["a"]) == 100
    assert np.quantile(bench.behind["a"], 0.95) <= 2


def test_idle_streams_cost_nothing_also_when_they_may_be_joined() -> None:
    bench = Bench(3.0 * STEP_S, {"a": STEPS, "b": 1}, joins=("a", "b"))
    bench.run(100, events=0)
    assert bench.detector.batches == []
    assert [len(answers) for answers in bench.answers.values()] == [20, 100]
    assert {answer.joined for answers in bench.answers.values() for answer in answers} == {0}
