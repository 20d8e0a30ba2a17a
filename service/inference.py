"""`StreamBatcher`: steps of many streams in, answers out. Knows no processes.

Each run takes at most one step of every stream, gathers the running states (lanes) of all into batches and
steps the detector once per batch. A window without any event needs no inference: its answer has no boxes. The
state stays right all the same: leading empty steps of a window always lead to the same states, which are
computed once and taken from a table when the first event comes.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from model.detections import Detections
from model.detector import Detector
from model.engines.base import Activity, StepOutput
from model.state import State, split, stack
from service.answers import Answer, Latency, Spikes
from service.windows import Resume, WindowPlan
from streaming.letterbox import Letterbox
from streaming.step import Step

Counts = NDArray[np.uint16]
Token = TypeVar("Token")

MAX_PENDING = 1024


@dataclass(frozen=True, slots=True)
class LaneOptions:
    """How one stream is looked at: sensor and grid, least score, largest overlap, steps between answers."""

    letterbox: Letterbox
    threshold: float
    iou: float
    stride: int


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Token]):
    """One step taken from a stream, and the answers that it brought.

    Attributes:
        stream_id: the stream.
        token: what `push` was given.
        early: the answer from what came before, where this step began anew in the middle of a window.
        due: the answer that ends with this step.
        count: steps since the stream's last reset, this one included.
        answered: how many of those the last answer covered.
    """

    stream_id: str
    token: Token
    early: Answer | None
    due: Answer | None
    count: int
    answered: int


@dataclass(slots=True)
class _Lane:
    """One running state: of the window that began with step `start`."""

    start: int
    empties: int = 0  # leading steps without events, not run yet
    state: State | None = None
    maps: tuple[NDArray[np.float32], ...] = ()
    spikes: Spikes = field(default_factory=Spikes)
    steps: int = 0


@dataclass(slots=True)
class _Pending(Generic[Token]):
    step: Step
    token: Token
    ready_s: float
    restart: bool


@dataclass(slots=True)
class _Stream(Generic[Token]):
    id: str
    options: LaneOptions
    plan: WindowPlan
    count: int  # steps since the last reset
    answered: int  # count of the last answer
    events: int  # since the last answer
    seq: int = 0
    pending: deque[_Pending[Token]] = field(default_factory=deque)
    lanes: list[_Lane] = field(default_factory=list)
    spans: deque[tuple[int, int]] = field(default_factory=deque)  # of the last T steps
    skipped: deque[Counts] = field(default_factory=deque)  # steps no lane looked at, at most T
    latency: Latency = field(default_factory=Latency)

    def begin_anew(self) -> None:
        self.count = self.answered = self.events = 0
        self.lanes.clear()
        self.spans.clear()
        self.skipped.clear()


@dataclass(slots=True)
class _Row(Generic[Token]):
    lane: _Lane
    state: State
    counts: Counts


class StreamBatcher(Generic[Token]):
    """The batching core over one detector.

    Args:
        detector: what steps and decodes; readable as an attribute.
        max_batch: most rows of one batch.

    Shape: every step's counts are (2, H, W) uint16 on the card's grid.
    """

    def __init__(self, detector: Detector, max_batch: int = 16) -> None:
        self.detector, self._max_batch = detector, max_batch
        self._streams: dict[str, _Stream[Token]] = {}
        self._prefixes: list[_Lane] = []  # lanes after 1, 2, ... empty steps from zero

    def __len__(self) -> int:
        return len(self._streams)

    def __contains__(self, stream_id: str) -> bool:
        return stream_id in self._streams

    @property
    def pending(self) -> int:
        """Steps that wait for `run_once`."""
        return sum(len(stream.pending) for stream in self._streams.values())

    def waiting(self) -> list[str]:
        """Streams that take part in the next run."""
        return [stream.id for stream in self._streams.values() if stream.pending]

    def open(self, stream_id: str, options: LaneOptions, resume: Resume | None = None) -> None:
        """Raises ValueError where the stream is open already."""
        if stream_id in self._streams:
            raise ValueError(f"stream {stream_id} is open already")
        at = resume or Resume()
        plan = WindowPlan(self.detector.card.steps, options.stride)
        self._streams[stream_id] = _Stream(stream_id, options, plan, at.index, at.answered, at.events)

    def update(self, stream_id: str, *, threshold: float | None = None, iou: float | None = None) -> None:
        """Takes effect from the next answer on."""
        stream = self._streams[stream_id]
        stream.options = replace(
            stream.options,
            threshold=stream.options.threshold if threshold is None else threshold,
            iou=stream.options.iou if iou is None else iou,
        )

    def push(
        self, stream_id: str, step: Step, token: Token, *, ready_s: float | None = None, restart: bool = False
    ) -> None:
        """Queues a step; its counts must stay as they are until `run_once` gave its outcome.

        Args:
            stream_id: an open stream.
            step: the next step of it.
            token: given back with the outcome.
            ready_s: `time.monotonic()` at which the step was complete; None for now.
            restart: forget the state before this step, as `step.reset` asks for too.
        """
        stream = self._streams[stream_id]
        if len(stream.pending) >= MAX_PENDING:
            raise ValueError(f"stream {stream_id} has {MAX_PENDING} steps waiting; run_once must be called")
        ready = time.monotonic() if ready_s is None else ready_s
        stream.pending.append(_Pending(step, token, ready, restart or step.reset is not None))

    def flush(self, stream_id: str) -> Answer | None:
        """The end of a stream: an answer from the steps after the last one, None without such steps.

        Everything pushed must have been run. The stream stays open; its next step begins anew.
        """
        stream = self._streams[stream_id]
        if stream.pending:
            raise ValueError(f"stream {stream_id} still has {len(stream.pending)} steps to run")
        answer = self._partial(stream)
        stream.begin_anew()
        return answer

    def close(self, stream_id: str) -> None:
        """Forgets the stream with all it has; unknown ones are fine."""
        self._streams.pop(stream_id, None)

    def warm_up(self) -> None:
        """Runs a whole empty window, so that the first real step finds everything loaded."""
        self._prefix(self.detector.card.steps)

    def run_once(self) -> list[Outcome[Token]]:
        """Takes one step of every stream that has some; empty where nothing waits."""
        started_s = time.monotonic()
        taken = [(stream, stream.pending.popleft()) for stream in self._streams.values() if stream.pending]
        early = [self._begin(stream, pending) for stream, pending in taken]
        rows = [row for stream, pending in taken for row in self._rows(stream, pending.step)]
        timings = self._run(rows)
        outcomes = []
        for (stream, pending), before in zip(taken, early, strict=True):
            stream.latency = replace(timings, queue=_ms(started_s - pending.ready_s))
            due = self._due(stream)
            outcomes.append(Outcome(stream.id, pending.token, before, due, stream.count, stream.answered))
        return outcomes

    def _begin(self, stream: _Stream[Token], pending: _Pending[Token]) -> Answer | None:
        """Accounts for a step before it is run; where it restarts the state, answers what was before."""
        early = None
        if pending.restart:
            early = self._partial(stream)
            stream.begin_anew()
        if stream.plan.lane_begins(stream.count):
            stream.lanes.append(_Lane(stream.count))
        stream.count += 1
        if stream.count > stream.answered:
            stream.events += pending.step.events
        stream.spans.append(pending.step.t_us)
        if len(stream.spans) > stream.plan.steps:
            stream.spans.popleft()
        self._keep_skipped(stream, pending.step.counts)
        return early

    def _keep_skipped(self, stream: _Stream[Token], counts: Counts) -> None:
        if stream.lanes:
            stream.skipped.clear()
            return
        stream.skipped.append(counts.copy())
        if len(stream.skipped) > stream.plan.steps:
            stream.skipped.popleft()

    def _rows(self, stream: _Stream[Token], step: Step) -> Iterator[_Row[Token]]:
        for lane in stream.lanes:
            lane.steps += 1
            if lane.state is None and step.events == 0:
                lane.empties += 1
            else:
                yield _Row(lane, self._state(lane), step.counts)

    def _state(self, lane: _Lane) -> State:
        """The lane's state, its leading empty steps made up for."""
        if lane.state is None and lane.empties:
            prefix = self._prefix(lane.empties)
            lane.state, lane.spikes = prefix.state, prefix.spikes
        if lane.state is None:
            lane.state = self.detector.initial_state(1)
        return lane.state

    def _prefix(self, empties: int) -> _Lane:
        """A lane after `empties` steps without events; its state is a value, so sharing it is safe."""
        while len(self._prefixes) < empties:
            last = self._prefixes[-1] if self._prefixes else _Lane(0, state=self.detector.initial_state(1))
            lane = replace(last)
            assert lane.state is not None
            card = self.detector.card
            zeros = np.zeros((2, card.grid[1], card.grid[0]), np.uint16)
            self._run([_Row(lane, lane.state, zeros)])
            self._prefixes.append(lane)
        return self._prefixes[empties - 1]

    def _run(self, rows: Sequence[_Row[Token]]) -> Latency:
        """Steps the rows' lanes; the latency has `encode` and `infer`, summed over batches."""
        encode_s = infer_s = 0.0
        remaining = iter(rows)
        while batch := list(islice(remaining, self._max_batch)):
            begun_s = time.monotonic()
            counts = np.stack([row.counts for row in batch])  # (B, 2, H, W)
            state = batch[0].state if len(batch) == 1 else stack([row.state for row in batch])
            gathered_s = time.monotonic()
            output = self.detector.step(counts, state)
            infer_s += time.monotonic() - gathered_s
            encode_s += gathered_s - begun_s
            self._scatter(batch, output)
        return Latency(encode=_ms(encode_s), infer=_ms(infer_s))

    def _scatter(self, batch: Sequence[_Row[Token]], output: StepOutput) -> None:
        states = [output.state] if len(batch) == 1 else split(output.state)
        for at, (row, state) in enumerate(zip(batch, states, strict=True)):
            row.lane.state = state
            row.lane.maps = tuple(level[at : at + 1] for level in output.maps)
            row.lane.spikes = self._added(row.lane.spikes, output.activity, at)

    def _added(self, spikes: Spikes, activity: Activity, row: int) -> Spikes:
        """`spikes` with those of one step more; `rate` is a sum here and divided by steps when answered."""
        return Spikes(
            spikes.rate + float(activity.rate[row].mean()),
            spikes.synops + float(activity.synops[row]),
            spikes.energy_mj + self._energy_mj(activity, row),
        )

    def _energy_mj(self, activity: Activity, row: int) -> float:
        return float(self.detector.energy(activity)[row])

    def _due(self, stream: _Stream[Token]) -> Answer | None:
        """The answer that is due after the step just run, and the lanes that are no longer needed gone."""
        due = None
        if stream.plan.answers(stream.count) and stream.count > stream.answered:
            due = self._answer(stream, stream.lanes[0])
        oldest = stream.plan.window_start(stream.plan.next_answer(stream.count))
        stream.lanes = [lane for lane in stream.lanes if lane.start >= oldest]
        return due

    def _partial(self, stream: _Stream[Token]) -> Answer | None:
        if stream.count <= stream.answered:
            return None
        if not stream.lanes:
            stream.lanes.append(self._catch_up(stream))
        return self._answer(stream, stream.lanes[0])

    def _catch_up(self, stream: _Stream[Token]) -> _Lane:
        """A lane over the steps that no window looked at (a stride longer than T, and the end came)."""
        lane = _Lane(stream.count - len(stream.skipped))
        for counts in stream.skipped:
            lane.steps += 1
            if lane.state is None and not counts.any():
                lane.empties += 1
            else:
                self._run([_Row(lane, self._state(lane), counts)])
        return lane

    def _answer(self, stream: _Stream[Token], lane: _Lane) -> Answer:
        begun_s = time.monotonic()
        spans = list(stream.spans)[-lane.steps :]
        detections = self._detections(stream.options, lane)
        answer = Answer(
            seq=stream.seq,
            t_us=(spans[0][0], spans[-1][1]),
            steps=lane.steps,
            detections=detections,
            events=stream.events,
            device=self.detector.engine.device,
            latency_ms=_finished(stream.latency, _ms(time.monotonic() - begun_s)),
            spikes=replace(lane.spikes, rate=lane.spikes.rate / lane.steps),
        )
        stream.seq, stream.answered, stream.events = stream.seq + 1, stream.count, 0
        return answer

    def _detections(self, options: LaneOptions, lane: _Lane) -> Detections:
        if not lane.maps:
            return Detections.empty(self.detector.card.classes)
        (found,) = self.detector.detections(lane.maps, threshold=options.threshold, iou=options.iou)
        sensor = found.with_xyxy(options.letterbox.grid_xyxy_to_sensor_xyxy(found.xyxy))
        left, top, right, bottom = sensor.xyxy.T
        return sensor[(right > left) & (bottom > top)]  # a box wholly in the letterbox's border is none


def lane_options(card: Any, width: int, height: int, chosen: Mapping[str, Any]) -> LaneOptions:
    """What was chosen, and the card's values where nothing was.

    Args:
        card: the model's card.
        width: columns of the sensor.
        height: rows of the sensor.
        chosen: `threshold`, `iou` and `stride`; None or absent means the card's.
    """
    threshold, iou = chosen.get("threshold"), chosen.get("iou")
    return LaneOptions(
        Letterbox(width, height, card.grid[0], card.grid[1]),
        card.threshold if threshold is None else threshold,
        card.iou if iou is None else iou,
        chosen.get("stride") or card.steps,
    )


def _finished(latency: Latency, post_ms: float) -> Latency:
    total = latency.queue + latency.encode + latency.infer + post_ms
    return replace(latency, post=post_ms, total=total)


def _ms(seconds: float) -> float:
    return seconds * 1e3
