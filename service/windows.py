"""`WindowPlan`: which steps an answer looks at; `Resume`: where to go on after a worker died."""

from __future__ import annotations

from dataclasses import dataclass


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
    A lane is one running state. Stride `steps` needs one, a smaller one `ceil(steps / stride)`.

    Attributes:
        steps: the model's T.
        stride: steps between two answers.
    """

    steps: int
    stride: int

    def __post_init__(self) -> None:
        if self.steps < 1 or self.stride < 1:
            raise ValueError(f"steps and stride must be at least 1, got {self}")

    def lane_begins(self, index: int) -> bool:
        """Whether some later answer's window begins with step `index`."""
        if index == 0:
            return self.stride <= self.steps
        return (index + self.steps) % self.stride == 0

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
        """Index of the oldest step that an answer after more than `count` steps, or the end, looks at."""
        start = self.window_start(self.next_answer(count))
        # with a stride longer than T the end may come while no window runs, and is answered from the last T
        return start if self.stride <= self.steps else min(start, self.window_start(count + 1))


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
