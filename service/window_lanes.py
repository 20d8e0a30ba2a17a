"""`WindowLanes`: a stream in windows of T steps, each from the zero state, computed as its steps come."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from service.joining import Joined
from service.lanes import Lane, LaneRunner, Row, Seen
from service.windows import WindowPlan


class WindowLanes:
    """The running windows of one stream; a lane each.

    A window that would begin inside joined steps begins with the first of them, and is that much longer.

    Args:
        plan: which steps an answer looks at.
        runner: computes windows that nobody foresaw.
    """

    def __init__(self, plan: WindowPlan, runner: LaneRunner) -> None:
        self._plan, self._runner = plan, runner
        self._lanes: list[Lane] = []
        self._skipped: deque[Joined[object]] = deque()  # no lane looked at them; T steps at most
        self._end_us = 0

    def width(self, index: int, events: int) -> int:
        if events:
            return len(self._lanes) + self._plan.lane_begins(index)
        return sum(lane.state is not None for lane in self._lanes)

    def take(self, index: int, joined: Joined[object]) -> list[Row]:
        begin = self._plan.last_beginning(index, joined.steps)
        if begin is not None:
            self._lanes.append(Lane(begin, joined.t_us[0]))
        self._end_us = joined.t_us[1]
        self._keep_skipped(joined)
        rows = [self._looked(lane, joined) for lane in self._lanes]
        return [row for row in rows if row is not None]

    def seen(self, count: int) -> Seen:
        self._let_go(self._plan.window_start(count))
        if not self._lanes:
            self._lanes.append(self._catch_up(count))
        lane = self._lanes[0]
        spikes = replace(lane.spikes, rate=lane.spikes.rate / lane.steps)
        return Seen(lane.maps, (lane.begun_us, self._end_us), lane.steps, lane.joined, spikes)

    def prune(self, count: int) -> None:
        self._let_go(self._plan.window_start(self._plan.next_answer(count)))

    def clear(self) -> None:
        self._lanes.clear()
        self._skipped.clear()

    def _looked(self, lane: Lane, joined: Joined[object]) -> Row | None:
        """The row that `lane` needs for the next steps, None where there is nothing to run."""
        lane.steps += 1
        lane.joined += joined.steps - 1
        if lane.state is None and joined.events == 0:
            lane.empties += 1
            return None
        return self._runner.row(lane, joined.counts)

    def _let_go(self, oldest: int) -> None:
        self._lanes = [lane for lane in self._lanes if lane.start >= oldest]

    def _keep_skipped(self, joined: Joined[object]) -> None:
        if self._lanes:
            self._skipped.clear()
            return
        self._skipped.append(replace(joined, counts=joined.counts.copy()))
        while sum(each.steps for each in self._skipped) - self._skipped[0].steps >= self._plan.steps:
            self._skipped.popleft()

    def _catch_up(self, count: int) -> Lane:
        """A lane over the steps that no window looked at (a stride longer than T, and the end came)."""
        lane = Lane(count - sum(each.steps for each in self._skipped), self._skipped[0].t_us[0])
        for joined in self._skipped:
            row = self._looked(lane, joined)
            if row is not None:
                self._runner.run([row])
        return lane
