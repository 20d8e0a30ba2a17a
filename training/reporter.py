"""`Reporter`: what a run says while it goes on: log, curves' data, progress, and what is wrong."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from training.board import Board
from training.checkpoint import Progress
from training.health import Health
from training.loss import Loss
from training.measure import Report
from training.progress import Log, MeanLoss, OnProgress, TrainProgress
from training.schedule import Budget
from training.settings import TrainSettings
from training.supply import Windows


class Reporter:
    """Writes the log of one run and tells its caller; in the leader of several trainers alone.

    Attributes:
        log: the run's.
        health: what is wrong with the run.
    """

    def __init__(
        self, settings: TrainSettings, progress: Progress, budget: Budget, on_progress: OnProgress | None
    ) -> None:
        self._settings, self._budget = settings, budget
        self._on_progress = on_progress
        self.log = Log(settings.out / "log.jsonl")
        self.log.cut(progress.step if progress.step else -1)
        if settings.tensorboard:
            self.log.board = Board(settings.out / "tensorboard", progress.step)
        self._first_views = progress.views
        self._losses, self._since_validation = MeanLoss(), MeanLoss()
        self._norms: list[float] = []
        self._told_s = time.monotonic()
        self._last = TrainProgress(budget.fraction(progress.step), None, progress.step)
        self.follow(progress)

    def follow(self, progress: Progress) -> None:
        """Speak of another progress, as where the run went back."""
        self._progress = progress
        self.health = Health(progress.warnings)
        self._norms = []

    def step(self, loss: Loss, norm: float) -> None:
        """Take note of an optimizer step."""
        self._norms.append(norm)
        self._losses.add(loss)
        self._since_validation.add(loss)

    def line(self, windows: Windows, lr: float) -> None:
        """One line of the log, and what is wrong, if anything is."""
        supply, progress, budget = windows.supply(), self._progress, self._budget
        box, obj, cls = self._losses.take()
        seconds = budget.elapsed_s - budget.spent_s
        self._last = replace(
            self._now(), lr=lr, views=progress.views, box=box, obj=obj, cls=cls, waited=supply.loading,
            views_per_s=(progress.views - self._first_views) / max(seconds, 1e-9),
        )  # fmt: skip
        self.log.write_progress(
            self._last, minutes=budget.elapsed_s / 60, pool=len(windows.pool),
            chunk=windows.pool.next_chunk, norm=float(np.median(self._norms)),
        )  # fmt: skip
        self.health.gradients(self._norms)
        self._norms = []
        if windows.warm:
            simulated = self._settings.data.startswith("sim:")
            self.health.supply(supply, simulated=simulated, device=self._settings.device)
        windows.start_count()
        if not self.news() and time.monotonic() - self._told_s >= 1:
            self.tell()

    def validated(self, report: Report, *, last: bool) -> None:
        """One line of the log for a validation; the last one is of other windows than those before."""
        minutes, map50 = self._budget.elapsed_s / 60, report.scores.map50
        self._last = replace(self._last, map50=map50)
        self.log.write(
            "validation", step=self._progress.step, views=self._progress.views, minutes=minutes,
            **report.to_json(),
        )  # fmt: skip
        self.tell(f"{minutes:.1f} min: mAP50 {map50:.3f} on {report.windows} held-out windows")
        self.health.layers(report.activity.firing, self._progress.step)
        if not last:
            self.health.validation(map50, sum(self._since_validation.take()))
        self.news()

    def tell(self, message: str = "") -> None:
        """Tell the caller where the run stands; messages go to the log too."""
        self._told_s = time.monotonic()
        self._last = self._now()
        if message:
            minutes = self._budget.elapsed_s / 60
            self.log.write("message", step=self._progress.step, minutes=minutes, message=message)
        if self._on_progress:
            self._on_progress(replace(self._last, message=message))

    def news(self) -> bool:
        """Tell what is wrong and was not told yet; whether there was any."""
        news = self.health.news()
        for message in news:
            self.tell(message)
        return bool(news)

    def close(self) -> None:
        """Let go of the log."""
        if self.log.board:
            self.log.board.close()

    def _now(self) -> TrainProgress:
        """The last figures, at the present step."""
        step, budget = self._progress.step, self._budget
        return replace(self._last, step=step, fraction=budget.fraction(step), eta_s=budget.eta_s(step))
