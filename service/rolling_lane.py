"""`RollingLane`: a stream with one state that lasts."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from service.answers import Spikes
from service.joining import Joined
from service.lanes import Lane, LaneRunner, Row, Seen
from service.windows import WindowPlan


class RollingLane:
    """The lasting state of one stream, begun anew by resets alone.

    Empty steps are run, so that the state decays as it was trained to, until `silence` of them followed each
    other. From then on the state is that of silence: of a stream that began with `silence` empty steps.
    Nothing is run any more, and answers have no boxes, until events come. What is forgotten then has decayed
    below one part in a hundred (`model.rolling.silent_steps`).

    Args:
        plan: a rolling one; its `steps` are those that answers name as looked at.
        runner: makes rows.
        silence: empty steps in a row after which nothing of what was before is left.
    """

    def __init__(self, plan: WindowPlan, runner: LaneRunner, silence: int) -> None:
        self._plan, self._runner, self._silence = plan, runner, silence
        self._lane = Lane(0)
        self._recent: deque[tuple[tuple[int, int], int]] = deque()  # (t_us, steps) of the last T
        self._run = 0  # network steps since the last answer

    def width(self, index: int, events: int) -> int:
        return int(events > 0 or (self._lane.state is not None and self._lane.empties < self._silence))

    def take(self, index: int, joined: Joined[object]) -> list[Row]:
        self._remember(joined)
        lane = self._lane
        if joined.events == 0:
            at_rest = lane.state is None or lane.empties >= self._silence
            lane.empties = min(lane.empties + joined.steps, self._silence)
            if at_rest:
                lane.state, lane.maps = None, ()
                return []
        before = lane.spikes if self._run else Spikes()
        row = self._runner.row(lane, joined.counts)
        lane.spikes = before
        if joined.events:
            lane.empties = 0
        self._run += 1
        return [row]

    def seen(self, count: int) -> Seen:
        lane, ran, recent = self._lane, self._run, self._recent
        spikes = replace(lane.spikes, rate=lane.spikes.rate / ran) if ran else Spikes()
        self._run = 0
        joined = self._remembered() - len(recent)
        return Seen(lane.maps, (recent[0][0][0], recent[-1][0][1]), len(recent), joined, spikes)

    def prune(self, count: int) -> None:
        """One lane lasts."""

    def clear(self) -> None:
        self._lane, self._run = Lane(0), 0
        self._recent.clear()

    def _remember(self, joined: Joined[object]) -> None:
        self._recent.append((joined.t_us, joined.steps))
        while self._remembered() - self._recent[0][1] >= self._plan.steps:
            self._recent.popleft()

    def _remembered(self) -> int:
        return sum(steps for _, steps in self._recent)
