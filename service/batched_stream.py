"""`BatchedStream`: one stream in the batcher: its waiting steps, its lanes, its answers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from model.detections import Detections
from model.detector import Detector
from service.answers import Answer, Latency
from service.following import Follower
from service.joining import Joined, Joiner, Pending
from service.lanes import Look, Maps, Row
from service.windows import Resume, WindowPlan
from streaming.letterbox import Letterbox

Token = TypeVar("Token")


@dataclass(frozen=True, slots=True)
class LaneOptions:
    """How one stream is looked at: sensor and grid, least score, largest overlap, steps between answers
    (None for the model's own), whether boxes get ids that last."""

    letterbox: Letterbox
    threshold: float
    iou: float
    stride: int | None = None
    track: bool = False


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Token]):
    """One step taken from a stream, or several as one, and the answers that it brought.

    Attributes:
        stream_id: the stream.
        token: what `push` was given, of the last of them.
        early: the answer from what came before, where this step began anew in the middle of a window.
        due: the answer that ends with this step.
        count: steps since the stream's last reset, these included.
        answered: how many of those the last answer covered.
    """

    stream_id: str
    token: Token
    early: Answer | None
    due: Answer | None
    count: int
    answered: int


class BatchedStream(Generic[Token]):
    """What the batcher knows of one stream.

    Args:
        stream_id: for outcomes.
        detector: decodes maps.
        options: how it is looked at.
        plan: when answers are due.
        look: its lanes.
        follower: of its boxes; None where nothing is tracked.
        resume: where it goes on.
        clock: monotonic seconds.

    Attributes:
        options: as given, until `update`.
        pending: steps that wait.
        count: steps since the last reset.
        used: rows it has had so far, counted as `service/shares.py` wants it.
    """

    def __init__(
        self,
        stream_id: str,
        detector: Detector,
        options: LaneOptions,
        plan: WindowPlan,
        look: Look,
        follower: Follower | None,
        resume: Resume,
        clock: Callable[[], float],
    ) -> None:
        self.id, self.options, self.plan = stream_id, options, plan
        self.pending: deque[Pending[Token]] = deque()
        self.count, self.used = resume.index, 0.0
        self._answered, self._events = resume.answered, resume.events  # of the last answer; since then
        self._detector, self._look, self._follower, self._clock = detector, look, follower, clock
        self._seq = 0
        self._latency = Latency()
        self._early: Answer | None = None

    def update(self, threshold: float | None, iou: float | None) -> None:
        """New thresholds; None leaves one as it is."""
        options = self.options
        if threshold is not None:
            options = replace(options, threshold=threshold)
            if self._follower is not None:
                self._follower.threshold = threshold
        self.options = options if iou is None else replace(options, iou=iou)

    def settle(self) -> None:
        """Where the next step begins anew, answers what was before and forgets it."""
        head = self.pending[0]
        if head.restart:
            self._early = self.renew(ends_tracks=head.ends_tracks)
            head.restart = False

    def renew(self, *, ends_tracks: bool) -> Answer | None:
        """Begins anew; the answer from the steps after the last one, None without such steps."""
        early = self._answer() if self.count > self._answered else None
        if ends_tracks and self._follower is not None:
            early = self._follower.end_all(early)
        self.count = self._answered = self._events = 0
        self._look.clear()
        return early

    @property
    def free(self) -> bool:
        """Whether the next step, which is settled, costs nothing."""
        return self._look.width(self.count, self.pending[0].step.events) == 0

    @property
    def width(self) -> int:
        """Rows that the next step costs if it has events."""
        return max(1, self._look.width(self.count, 1))

    @property
    def load(self) -> int:
        """Rows that the waiting steps cost one by one, as far as can be told."""
        return len(self.pending) * self.width

    @property
    def joins(self) -> bool:
        """Whether some of the waiting steps may be run as one."""
        return len(self.pending) > 1 and self.pending[1].joins

    def size(self, most: int) -> int:
        """How many waiting steps to take as one, of `most` at most."""
        if self.count < self._answered:  # answered by another worker: what follows counts by itself
            most = min(most, self._answered - self.count)
        together = 1
        while together < min(most, len(self.pending)) and self._goes_on(self.pending[together]):
            together += 1
        return self.plan.joined(self.count, together)

    def is_due(self, size: int) -> bool:
        """Whether the next `size` steps bring an answer."""
        return self.plan.answers(self.count + size)

    def take(self, size: int, joiner: Joiner) -> tuple[Joined[Token], list[Row]]:
        """Takes the next `size` steps as one, and the rows that must be run for them."""
        joined = joiner.joined([self.pending.popleft() for _ in range(size)])
        rows = self._look.take(self.count, joined)
        self.count += size
        if self.count > self._answered:
            self._events += joined.events
        return joined, rows

    def finish(self, joined: Joined[Token], latency: Latency) -> Outcome[Token]:
        """What the steps brought, now that their rows were run."""
        self._latency = latency
        due = self._answer() if self.plan.answers(self.count) and self.count > self._answered else None
        self._look.prune(self.count)
        early, self._early = self._early, None
        return Outcome(self.id, joined.token, early, due, self.count, self._answered)

    def _goes_on(self, pending: Pending[Token]) -> bool:
        return pending.joins and not pending.restart

    def _answer(self) -> Answer:
        begun_s = self._clock()
        seen = self._look.seen(self.count)
        answer = Answer(
            seq=self._seq,
            t_us=seen.t_us,
            steps=seen.steps,
            joined=seen.joined,
            detections=Detections.empty(self._detector.card.classes),
            events=self._events,
            device=self._detector.engine.device,
            spikes=seen.spikes,
        )
        answer = self._with_boxes(answer, seen.maps)
        self._seq, self._answered, self._events = self._seq + 1, self.count, 0
        return replace(answer, latency_ms=_finished(self._latency, (self._clock() - begun_s) * 1e3))

    def _with_boxes(self, answer: Answer, maps: Maps) -> Answer:
        threshold = self.options.threshold
        if self._follower is None:
            return replace(answer, detections=self._detections(maps, threshold))
        found = self._detections(maps, min(threshold, self._follower.floor))
        tracked = self._follower.follow(found, answer.t_us[1])
        shown = found.score >= threshold
        return replace(answer, detections=found[shown], track_ids=tracked.ids[shown], changes=tracked.changes)

    def _detections(self, maps: Maps, threshold: float) -> Detections:
        """Boxes in sensor pixels; none without maps."""
        if not maps:
            return Detections.empty(self._detector.card.classes)
        (found,) = self._detector.detections(maps, threshold=threshold, iou=self.options.iou)
        sensor = found.with_xyxy(self.options.letterbox.grid_xyxy_to_sensor_xyxy(found.xyxy))
        left, top, right, bottom = sensor.xyxy.T
        return sensor[(right > left) & (bottom > top)]  # a box wholly in the letterbox's border is none


def _finished(latency: Latency, post_ms: float) -> Latency:
    total = latency.queue + latency.encode + latency.infer + post_ms
    return replace(latency, post=post_ms, total=total)
