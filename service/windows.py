"""`WindowPlan`: which steps an answer looks at; `Resume`: where to go on after a worker died."""

from __future__ import annotations

from dataclasses import dataclass

from model.card import Card


@dataclass(frozen=True, slots=True)
class WindowPlan:
    """An answer after every `stride` steps, each from a zero state over the last `steps` steps (or fewer,
    where the stream is younger).

    ::

        steps = 5, stride = 3     index   0  1  2  3  4  5  6  7  8
        answer after 3                   [=======]
        answer after 6                      [==============]
        answer after 9                               [==============]

    `index` counts steps from 0 since the stream's state was last forgotten; `count` is how many there were.
    A lane is one running state. Stride `steps` needs one, a smaller one `ceil(steps / stride)`. A rolling
    plan has one lane that lasts, and its answers look back as far as the state remembers.

    Steps that are run as one (`joined`) count as the steps they are made of, so that answers stay due at the
    same times.

    Attributes:
        steps: the model's T.
        stride: steps between two answers.
        rolling: one state that lasts, in place of windows from zero.
    """

    steps: int
    stride: int
    rolling: bool = False

    def __post_init__(self) -> None:
        if self.steps < 1 or self.stride < 1:
            raise ValueError(f"steps and stride must be at least 1, got {self}")

    def lane_begins(self, index: int) -> bool:
        """Whether some later answer's window begins with step `index`."""
        if self.rolling:
            return index == 0
        if index == 0:
            return self.stride <= self.steps
        return (index + self.steps) % self.stride == 0

    def last_beginning(self, index: int, steps: int) -> int | None:
        """The last of the steps `index`, `index + 1`, ... (`steps` of them) with which a window begins."""
        begins = (at for at in range(index + steps - 1, index - 1, -1) if self.lane_begins(at))
        return next(begins, None)

    def answers(self, count: int) -> bool:
        """Whether an answer is due after `count` steps."""
        return count > 0 and count % self.stride == 0

    def window_start(self, count: int) -> int:
        """Index of the first step of the window that ends after `count` steps."""
        return max(0, count - self.steps)

    def next_answer(self, count: int) -> int:
        """The first count after `count` at which an answer is due."""
        return (count // self.stride + 1) * self.stride

    def needed_from(self, count: int) -> int:
        """Index of the oldest step that an answer after more than `count` steps, or the end, looks at.

        A rolling state remembers all steps; the last `steps` are what a new worker warms up with.
        """
        start = self.window_start(self.next_answer(count))
        # with a stride longer than T the end may come while no window runs, and is answered from the last T
        if self.rolling or self.stride > self.steps:
            return min(start, self.window_start(count + 1))
        return start

    def joined(self, count: int, most: int) -> int:
        """How many steps after `count` steps may be run as one: 1..`most`, and never more than `steps`.

        They never go over the end of an answer's window. Only where answers come more often than windows
        (and from a rolling state) they do, if `most` reaches another answer: that one stands for those
        before it.
        """
        answer = self.next_answer(count)
        most, ahead = min(most, self.steps), answer - count
        if most >= ahead:
            often = self.rolling or self.stride < self.steps
            most = ahead + ((most - ahead) // self.stride * self.stride if often else 0)
        begin = self.window_start(answer)
        if not self.rolling and self.stride > self.steps and count < begin:
            most = min(most, begin - count)
        return max(1, most)


@dataclass(frozen=True, slots=True)
class Resume:
    """Where a stream goes on whose first steps another worker has answered.

    Attributes:
        index: index of the first step that will be pushed.
        answered: count of steps that the last answer given covered; nothing up to there is answered again.
        events: those of steps that were neither answered nor will be pushed again.
    """

    index: int = 0
    answered: int = 0
    events: int = 0


def plan_of(card: Card, stride: int | None) -> WindowPlan:
    """The plan of a model; `stride` is None for the model's own: T in windows, 1 in a rolling state."""
    rolling = card.mode == "rolling"
    return WindowPlan(card.steps, stride or (1 if rolling else card.steps), rolling)
