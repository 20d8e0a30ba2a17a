"""`StreamBatcher`: steps of many streams in, answers out. Knows no processes.

Each run takes the next step of the streams whose turn it is, gathers the running states (lanes) of all into
batches and steps the detector once per batch. Steps that need no inference, as those of a window without any
event, are done at once. Where more waits than can be run in the time of a step, steps of a stream that allows
it (`shed_steps`) are added up and run as one; on a slow network they also wait for each other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Generic, TypeVar

from model.card import Card
from model.detector import Detector
from model.rolling import silent_steps
from service.answers import Answer, Latency
from service.batched_stream import BatchedStream, LaneOptions, Outcome
from service.following import Follower, TrackerMaker, make_tracker
from service.joining import Joined, Joiner, Pending
from service.lanes import WARM_ROWS, LaneRunner, Look, Row
from service.pace import Pace
from service.rolling_lane import RollingLane
from service.shares import Shares
from service.window_lanes import WindowLanes
from service.windows import Resume, WindowPlan, plan_of
from streaming.letterbox import Letterbox
from streaming.step import Step

__all__ = ["LaneOptions", "Outcome", "StreamBatcher", "lane_options"]

Token = TypeVar("Token")

MAX_PENDING = 1024


class StreamBatcher(Generic[Token]):
    """The batching core over one detector.

    Args:
        detector: what steps and decodes; readable as an attribute.
        max_batch: most rows of one batch.
        clock: monotonic seconds.
        make_tracker: for streams whose boxes get ids.

    Attributes:
        running: streams that took part in the last run.

    Shape: every step's counts are (2, H, W) uint16 on the card's grid.
    """

    def __init__(
        self,
        detector: Detector,
        max_batch: int = 16,
        *,
        clock: Callable[[], float] = time.monotonic,
        make_tracker: TrackerMaker = make_tracker,
    ) -> None:
        self.detector = detector
        self.running: list[str] = []
        self._clock, self._make_tracker = clock, make_tracker
        self._streams: dict[str, BatchedStream[Token]] = {}
        self._runner = LaneRunner(detector, max_batch, clock)
        self._joiner, self._pace = Joiner(), Pace(max_batch)
        self._shares = Shares(self._pace, detector.card.step_us / 1e6)
        self._max_batch = max_batch
        self._wake_s = 0.0  # before then there is nothing to run, unless a step comes

    def __len__(self) -> int:
        return len(self._streams)

    def __contains__(self, stream_id: str) -> bool:
        return stream_id in self._streams

    @property
    def pending(self) -> int:
        """Steps that wait for `run_once`."""
        return sum(len(stream.pending) for stream in self._streams.values())

    def wait_s(self) -> float | None:
        """After how long `run_once` has something to run: 0 for now, None where no step waits at all."""
        return max(0.0, self._wake_s - self._clock()) if self.pending else None

    def open(
        self, stream_id: str, options: LaneOptions, resume: Resume | None = None, *, next_track_id: int = 1
    ) -> None:
        """Takes a stream in.

        Args:
            stream_id: a new one.
            options: how it is looked at.
            resume: where it goes on; None for its beginning.
            next_track_id: of its first track.

        Raises:
            ValueError: the stream is open already.
        """
        if stream_id in self._streams:
            raise ValueError(f"stream {stream_id} is open already")
        plan = plan_of(self.detector.card, options.stride)
        follower = None
        if options.track:
            classes = self.detector.card.classes
            follower = Follower(self._make_tracker, classes, next_track_id, options.threshold)
        look, at = self._look(plan), resume or Resume()
        stream: BatchedStream[Token] = BatchedStream(
            stream_id, self.detector, options, plan, look, follower, at, self._clock
        )
        self._streams[stream_id] = stream

    def update(self, stream_id: str, *, threshold: float | None = None, iou: float | None = None) -> None:
        """Takes effect from the next answer on."""
        self._streams[stream_id].update(threshold, iou)

    def push(
        self,
        stream_id: str,
        step: Step,
        token: Token,
        *,
        ready_s: float | None = None,
        restart: bool = False,
        ends_tracks: bool = False,
        joins: bool = False,
    ) -> None:
        """Queues a step; its counts must stay as they are until `run_once` gave its outcome.

        Args:
            stream_id: an open stream.
            step: the next step of it.
            token: given back with the outcome.
            ready_s: monotonic seconds at which the step was complete; None for now.
            restart: forget the state before this step.
            ends_tracks: restart, and end all tracks, as `step.reset` asks for too.
            joins: it may be run as one with the step before it.
        """
        stream = self._streams[stream_id]
        if len(stream.pending) >= MAX_PENDING:
            raise ValueError(f"stream {stream_id} has {MAX_PENDING} steps waiting; run_once must be called")
        if not stream.pending:
            self._shares.awake(stream)
        self._wake_s = 0.0
        ready = self._clock() if ready_s is None else ready_s
        anew = ends_tracks or step.reset is not None
        stream.pending.append(Pending(step, token, ready, restart or anew, anew, joins))

    def flush(self, stream_id: str) -> Answer | None:
        """The end of a stream: an answer from the steps after the last one, None without such steps.

        Everything pushed must have been run. The stream stays open, with its tracks; its next step begins
        anew.
        """
        stream = self._streams[stream_id]
        if stream.pending:
            raise ValueError(f"stream {stream_id} still has {len(stream.pending)} steps to run")
        return stream.renew(ends_tracks=False)

    def close(self, stream_id: str) -> None:
        """Forgets the stream with all it has; unknown ones are fine."""
        self._streams.pop(stream_id, None)

    def warm_up(self) -> None:
        """Runs a whole empty window, so that the first step finds all loaded; learns what rows cost."""
        one_s, rows_s = self._runner.warm_up(self.detector.card.steps)
        if self._max_batch >= WARM_ROWS:
            self._pace.calibrate(one_s, WARM_ROWS, rows_s)

    def run_once(self) -> list[Outcome[Token]]:
        """Takes the next steps of the streams whose turn it is; empty where nothing waits, or see `wait_s`.

        An exception of the detector leaves the streams of `running` unfit for use.
        """
        started_s = self._clock()
        ready = [stream for stream in self._streams.values() if stream.pending]
        self.running = [stream.id for stream in ready]
        outcomes = [outcome for stream in ready for outcome in self._free_steps(stream, started_s)]
        ready = [stream for stream in ready if stream.pending]
        return outcomes + self._run(ready, started_s)

    def _free_steps(self, stream: BatchedStream[Token], started_s: float) -> list[Outcome[Token]]:
        """All next steps of a stream that need no inference."""
        outcomes = []
        while stream.pending:
            stream.settle()
            if not stream.free:
                break
            joined, _ = stream.take(1, self._joiner)
            outcomes.append(stream.finish(joined, _waited(joined, started_s)))
        return outcomes

    def _run(self, ready: list[BatchedStream[Token]], started_s: float) -> list[Outcome[Token]]:
        """One run of those streams whose turn it is."""
        rows: list[Row] = []
        taken: list[tuple[BatchedStream[Token], Joined[Token]]] = []
        choice = self._shares.choose(ready, started_s)
        self.running = [turn.stream.id for turn in choice.turns]
        self._wake_s = 0.0 if choice.turns else choice.wake_s
        for turn in choice.turns:
            joined, needed = turn.stream.take(turn.size, self._joiner)
            self._shares.had(turn.stream, len(needed))
            taken.append((turn.stream, joined))
            rows += needed
        latency = Latency()
        if rows:
            begun_s = self._clock()
            latency = self._runner.run(rows)
            self._pace.ran(len(rows), self._clock() - begun_s)
        return [
            stream.finish(joined, replace(latency, queue=_waited(joined, started_s).queue))
            for stream, joined in taken
        ]

    def _look(self, plan: WindowPlan) -> Look:
        if plan.rolling:
            card = self.detector.card
            return RollingLane(plan, self._runner, silent_steps(card.network_layout(), card.steps))
        return WindowLanes(plan, self._runner)


def lane_options(card: Card, width: int, height: int, chosen: Mapping[str, Any]) -> LaneOptions:
    """What was chosen, and the card's values where nothing was.

    Args:
        card: the model's card.
        width: columns of the sensor.
        height: rows of the sensor.
        chosen: `threshold`, `iou`, `stride` and `track`; None or absent means the card's, and no tracking.
    """
    threshold, iou = chosen.get("threshold"), chosen.get("iou")
    return LaneOptions(
        Letterbox(width, height, card.grid[0], card.grid[1]),
        card.threshold if threshold is None else threshold,
        card.iou if iou is None else iou,
        plan_of(card, chosen.get("stride")).stride,
        bool(chosen.get("track")),
    )


def _waited(joined: Joined[Any], started_s: float) -> Latency:
    return Latency(queue=(started_s - joined.ready_s) * 1e3)
