"""`train`: a run from its settings to weights with a card.

The run's folder holds `checkpoint.pt` (to go on from), `log.jsonl`, `curves.png`, and `weights/` with the
averaged weights and their card, renewed at every checkpoint. A file named STOP in the folder ends the run
well: the learning rate falls to 0 over as many minutes as the file says (none by default), then the last
evaluation and the card follow.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch

from model.networks import Network, build
from training.batches import Batches
from training.checkpoint import Progress, load_checkpoint, save_checkpoint
from training.data import TrainingData
from training.datasets.pool import Chunks, Pool
from training.datasets.spec import simulated
from training.ema import WeightAverage
from training.measure import Report, layer_warnings, measure
from training.optim import Trainer, make_optimizer
from training.plots import plot_run
from training.progress import Log, MeanLoss, OnProgress, TrainProgress
from training.schedule import Budget, learning_rate
from training.settings import TrainSettings
from training.ship import ship
from training.start import start_from

LOG_STEPS = 50


def train(
    settings: TrainSettings, on_progress: OnProgress | None = None, data: TrainingData | None = None
) -> Path:
    """Train, evaluate on held-out windows, and write weights, card, log and curves.

    Args:
        settings: the run.
        on_progress: called about once a second, and with a message at every checkpoint.
        data: windows; simulated scenes where it is None.

    Returns:
        The path of the weights, OUT/weights/NAME.safetensors, with NAME.json beside it.

    Raises:
        BadDataset: the data set is bad; the message says which file and what is wrong with it.
        BadTraining: settings mean nothing, or the folder's checkpoint is of other settings.
        Diverged: the loss is no number any more.
        GeneratorDied: the process that simulates windows ended.
    """
    torch.set_num_threads(settings.threads)
    settings.out.mkdir(parents=True, exist_ok=True)
    run = _Run(settings, data or simulated(settings), on_progress or _say_nothing)
    with run.data.chunks(run.next_chunk) as chunks:
        run.go(chunks)
    return run.finish()


class _Run:
    """The state of one run."""

    def __init__(self, settings: TrainSettings, data: TrainingData, on_progress: OnProgress) -> None:
        self.settings = settings
        self.data = data
        self.on_progress = on_progress
        self.log = Log(settings.out / "log.jsonl")
        self.rng = np.random.default_rng(settings.seed)
        self.network = _new_network(settings, len(data.classes))
        self.average = WeightAverage(self.network, settings.ema)
        self.trainer = Trainer(self.network, make_optimizer(self.network, settings), settings)
        self.progress, self.position = self._start_or_resume()
        self.first_views = self.progress.views
        self.budget = Budget(settings.steps, settings.minutes, self.progress.spent_s)
        self.losses = MeanLoss()
        self.map50: float | None = None
        self.told_s = 0.0

    @property
    def next_chunk(self) -> int:
        return 0 if self.position is None else int(self.position[0, 0])

    @property
    def checkpoint(self) -> Path:
        return self.settings.out / "checkpoint.pt"

    def _start_or_resume(self) -> tuple[Progress, torch.Tensor | None]:
        if not (self.settings.resume and self.checkpoint.exists()):
            self.log.path.unlink(missing_ok=True)
            return Progress(), None
        return load_checkpoint(
            self.checkpoint, self.settings, self.network, self.average, self.trainer.optimizer, self.rng
        )

    def go(self, chunks: Chunks) -> None:
        """Train until the budget is spent or STOP appears."""
        settings = self.settings
        wait = settings.steps is not None
        pool = Pool(chunks, capacity=settings.pool, views=settings.views, wait=wait)
        if self.position is not None:
            pool.restore(self.position.numpy())
        batches = Batches(pool, settings, self.rng)
        saved_s = time.monotonic()
        while not self.budget.finished(self.progress.step):
            self._step(batches)
            self._look_for_stop()
            if time.monotonic() - saved_s >= 60 * settings.save_minutes:
                self._save(pool)
                saved_s = time.monotonic()
        self._save(pool)

    def _step(self, batches: Batches) -> None:
        fraction = self.budget.fraction(self.progress.step)
        lr = learning_rate(self.settings.lr, fraction) * self.budget.ebb()
        loss = self.trainer.step(batches.next(fraction), lr)
        self.average.update(self.network)
        self.progress.step += 1
        self.progress.views += self.settings.batch
        self.losses.add(loss)
        if self.progress.step % LOG_STEPS == 0:
            now = self._now(lr)
            self.log.write_progress(
                now, minutes=self.budget.elapsed_s / 60, pool=len(batches.pool), chunk=batches.pool.next_chunk
            )
            self._tell(now)

    def _now(self, lr: float, message: str = "") -> TrainProgress:
        box, obj, cls = self.losses.take()
        step, seconds = self.progress.step, self.budget.elapsed_s - self.budget.spent_s
        return TrainProgress(
            fraction=self.budget.fraction(step), eta_s=self.budget.eta_s(step), step=step,
            views=self.progress.views, lr=lr, box=box, obj=obj, cls=cls,
            views_per_s=(self.progress.views - self.first_views) / max(seconds, 1e-9),
            map50=self.map50, message=message,
        )  # fmt: skip

    def _tell(self, now: TrainProgress) -> None:
        if now.message or time.monotonic() - self.told_s >= 1:
            self.told_s = time.monotonic()
            self.on_progress(now)

    def _look_for_stop(self) -> None:
        stop = self.settings.out / "STOP"
        if not stop.exists():
            return
        text = stop.read_text(encoding="utf-8").strip()
        stop.unlink()
        minutes = float(text) if text.replace(".", "", 1).isdigit() else 0.0
        self.budget.end_in(60 * minutes)
        self._tell(self._now(0.0, f"STOP found: ending in {minutes:g} minutes"))

    def _save(self, pool: Pool) -> None:
        """Checkpoint first, so that nothing is lost if the rest fails; then measure and stage the weights."""
        self.progress.spent_s = self.budget.elapsed_s
        position = torch.from_numpy(pool.position())
        save_checkpoint(
            self.checkpoint, self.settings, self.network, self.average, self.trainer.optimizer, self.rng,
            position, self.progress,
        )  # fmt: skip
        report = self._measure(self.settings.validation)
        ship(
            self.settings,
            self.network.layout,
            self.average.network(self.network),
            report,
            self.data,
            self.progress,
        )
        plot_run(self.log, self.settings.out / "curves.png")

    def _measure(self, windows: int) -> Report:
        average = self.average.network(self.network)
        report = measure(
            average, self.data.held_out(windows), self.settings.grid, self.data.classes,
            encoding=self.settings.recipe.encoding,
        )  # fmt: skip
        self.map50 = report.scores.map50
        self.log.write(
            "validation", step=self.progress.step, views=self.progress.views,
            minutes=self.budget.elapsed_s / 60, **report.to_json(),
        )  # fmt: skip
        notes = [f"mAP50 {report.scores.map50:.3f} on {windows} held-out windows", *layer_warnings(report)]
        self._tell(self._now(0.0, "; ".join(notes)))
        return report

    def finish(self) -> Path:
        """The last evaluation, the weights and the card."""
        average = self.average.network(self.network)
        report = self._measure(self.settings.final_validation)
        weights = ship(self.settings, self.network.layout, average, report, self.data, self.progress)
        plot_run(self.log, self.settings.out / "curves.png")
        return weights


def _new_network(settings: TrainSettings, classes: int) -> Network:
    torch.manual_seed(settings.seed)
    width, height = settings.grid
    network = build(settings.recipe.layout(settings.layout, classes), height=height, width=width)
    if settings.init is not None:
        start_from(network, settings.init)
    # The stubs of torch 2.13 leave memory_format out of Module.to.
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network.to(settings.device).train()


def _say_nothing(_: TrainProgress) -> None:
    return None
