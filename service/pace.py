"""`Pace`: what running rows costs, learned from every run."""

from __future__ import annotations

import math

_NEWS = 0.1
"""Share of a run in what is known of the speed: hiccups pass, a slower machine shows in a dozen runs."""
_LEAST_S = 1e-7
UNBOUNDED = 1 << 30


class Pace:
    """Seconds that a batch takes: a part for the batch and a part for each row, both by one speed.

    Their relation belongs to engine and device, and is measured once (`calibrate`): on a CPU rows hardly gain
    from company, on a GPU the batch is nearly all. The speed is followed.

    Args:
        max_batch: most rows of one batch.
    """

    def __init__(self, max_batch: int) -> None:
        self._max_batch = max_batch
        self._batch_s = self._row_s = 0.0
        self._speed = 1.0  # of now against what was measured: above 1 is slower

    def calibrate(self, one_s: float, rows: int, rows_s: float) -> None:
        """Takes the seconds of a batch of one row, and of one of `rows`."""
        self._row_s = min(max((rows_s - one_s) / (rows - 1), _LEAST_S), one_s)
        self._batch_s, self._speed = one_s - self._row_s, 1.0

    def ran(self, rows: int, took_s: float) -> None:
        """A run of so many rows took so long."""
        if self._row_s == 0.0:
            self._row_s = took_s / rows
        elif took_s > 0.0:
            expected_s = self.seconds(rows) / self._speed
            self._speed += _NEWS * (took_s / expected_s - self._speed)

    def seconds(self, rows: float) -> float:
        """What so many rows will take; 0 while nothing is known."""
        batches = math.ceil(rows / self._max_batch)
        return self._speed * (batches * self._batch_s + rows * self._row_s)

    def rows_within(self, seconds: float) -> int:
        """Rows of a run that takes about so long.

        Never so few that batches would not pay: a run may take twice the time of a row alone. `UNBOUNDED`
        while nothing is known.
        """
        if self._row_s == 0.0:
            return UNBOUNDED
        seconds = max(seconds, 2 * self.seconds(1))
        whole = int(seconds / max(self.seconds(self._max_batch), _LEAST_S))
        if whole:
            return whole * self._max_batch
        return max(1, int((seconds / self._speed - self._batch_s) / self._row_s))
