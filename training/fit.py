"""`train`: a run from its settings to weights with a card.

The run's folder holds `checkpoint.pt` (to go on from), `log.jsonl`, `curves.png`, and `weights/` with the
averaged weights and their card, renewed at every checkpoint. A file named STOP in the folder ends the run
well: the learning rate falls to 0 over as many minutes as the file says (none by default), then the last
evaluation and the card follow. Several trainers make one run, see `training.distributed`.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from training.checkpoint import Learner, Place, Progress, load_checkpoint, save_checkpoint
from training.data import TrainingData
from training.datasets.pool import Chunks
from training.datasets.spec import data_from_spec
from training.distributed import Group, joined
from training.ema import WeightAverage
from training.errors import Diverged
from training.measure import measure
from training.optim import Trainer, make_optimizer
from training.plots import plot_run
from training.progress import OnProgress
from training.reporter import Reporter
from training.schedule import Budget, learning_rate
from training.settings import TrainSettings
from training.ship import ship
from training.start import first_network
from training.supply import Windows


def train(
    settings: TrainSettings, on_progress: OnProgress | None = None, data: TrainingData | None = None
) -> Path:
    """Train, evaluate on held-out windows, and write weights, card, log and curves.

    Args:
        settings: the run.
        on_progress: called about once a second, and with a message at every checkpoint; by the leader of
            several trainers alone.
        data: windows, in place of those that the settings name.

    Returns:
        The path of the weights, OUT/weights/NAME.safetensors, with NAME.json beside it.

    Raises:
        BadDataset: the data set is bad; the message says which file and what is wrong with it.
        BadTraining: settings mean nothing, or the folder's checkpoint is of other settings.
        Diverged: the loss is no number any more, and going back to the checkpoint did not help.
        GeneratorDied: the process that simulates windows ended.
    """
    torch.set_num_threads(settings.threads)
    settings.out.mkdir(parents=True, exist_ok=True)
    with joined(settings.device) as group:
        windows = data or data_from_spec(settings.data, settings)
        run = _Run(settings, windows, on_progress, group)
        try:
            run.go()
            return run.finish()
        finally:
            run.close()


@dataclass(frozen=True, slots=True)
class _Order:
    """What the leader says before a step.

    Attributes:
        fraction: of the budget that is spent.
        lr: learning rate.
        ends: whether the run is over.
        saves: whether it is time for a checkpoint.
    """

    fraction: float
    lr: float
    ends: bool
    saves: bool


class _Run:
    """The state of one run in one trainer."""

    def __init__(
        self, settings: TrainSettings, data: TrainingData, on_progress: OnProgress | None, group: Group
    ) -> None:
        self.settings, self.data, self.group = settings, data, group
        self.checkpoint = settings.out / "checkpoint.pt"
        self.rng = np.random.default_rng(settings.seed if group.leads else [settings.seed, group.rank])
        self.network = group.synchronised(first_network(settings, data, group))
        self.average = WeightAverage(self.network, settings.ema)
        self.trainer = Trainer(self.network, make_optimizer(self.network, settings), settings, group)
        self.learner = Learner(self.network, self.average, self.trainer.optimizer, self.trainer.scaler)
        self.progress = Progress()
        self.place: Place | None = None
        if settings.resume and self.checkpoint.exists():
            self._load()
        self.budget = Budget(settings.steps, settings.minutes, self.progress.spent_s)
        self.reporter = Reporter(settings, self.progress, self.budget, on_progress) if group.leads else None
        self.retries = settings.retries
        self.saved_s = time.monotonic()

    def _load(self) -> None:
        self.progress, places = load_checkpoint(self.checkpoint, self.settings, self.learner, self.group.size)
        self.place = places[self.group.rank]

    def go(self) -> None:
        """Train until the budget is spent or STOP appears; back to the checkpoint where the run diverged."""
        while True:
            try:
                with contextlib.ExitStack() as opened:
                    # The first one to ask may have recordings to read; the others find them read.
                    with self.group.leader_first():
                        chunks = opened.enter_context(self.data.chunks(self._first_chunk()))
                    self._train(self.group.own(chunks))
                return
            except Diverged as error:
                self._go_back(error)

    def _first_chunk(self) -> int:
        return self.group.first_chunk(0 if self.place is None else int(self.place.position[0, 0]))

    def _train(self, chunks: Chunks) -> None:
        windows = Windows(chunks, self.settings, self.rng)
        if self.place is not None:
            windows.pool.restore(self.place.restore(self.rng))
        while not (order := self._order()).ends:
            self._step(windows, order)
            if order.saves:
                self._save(windows)
        self._keep(windows)

    def _order(self) -> _Order:
        """The leader's, for all: clocks differ, and all must do the same."""
        self._look_for_stop()
        step, settings = self.progress.step, self.settings
        fraction = self.budget.fraction(step)
        lr = learning_rate(settings.lr, fraction) * self.budget.ebb() * self.progress.lr_scale
        due = time.monotonic() - self.saved_s >= 60 * settings.save_minutes
        fraction, lr, ends, saves = self.group.agree([fraction, lr, self.budget.finished(step), due])
        return _Order(fraction, lr, bool(ends), bool(saves))

    def _step(self, windows: Windows, order: _Order) -> None:
        loss = self.trainer.step(windows.next(order.fraction), order.lr)
        self.average.update(self.network)
        self.progress.step += 1
        self.progress.views += self.settings.batch * self.group.size
        if self.reporter:
            self.reporter.step(loss, self.trainer.norm)
            if self.progress.step % self.settings.log_steps == 0:
                self.reporter.line(windows, order.lr)

    def _look_for_stop(self) -> None:
        stop = self.settings.out / "STOP"
        if not self.reporter or not stop.exists():
            return
        text = stop.read_text(encoding="utf-8").strip()
        stop.unlink()
        minutes = float(text) if text.replace(".", "", 1).isdigit() else 0.0
        self.budget.end_in(60 * minutes)
        self.reporter.tell(f"STOP found: ending in {minutes:g} minutes")

    def _go_back(self, error: Diverged) -> None:
        """To the last checkpoint, at half the learning rate."""
        if not self.checkpoint.exists():
            raise Diverged(f"{error}. There is no checkpoint yet: start again that way") from error
        diverged, halved = self.progress.step, self.progress.lr_scale / 2
        self._load()
        where = f"{self.checkpoint}, of step {self.progress.step}"
        if not self.retries:
            raise Diverged(
                f"{error}. The last good state is {where}: the same command with a lower --lr goes on from it"
            ) from error
        self.retries -= 1
        self.progress.lr_scale = halved
        if self.reporter:
            self.reporter.follow(self.progress)
            self.reporter.tell(
                f"{error}. Gone back from step {diverged} to {where}, and on at {halved:g} times the "
                "learning rate"
            )

    def _keep(self, windows: Windows) -> None:
        """Write the checkpoint."""
        self.progress.spent_s = self.budget.elapsed_s
        # Running statistics of tdBN; all other values are the same in every trainer.
        buffers = [name for name, value in self.network.named_buffers() if value.is_floating_point()]
        for values in (self.network.state_dict(), self.average.values):
            self.group.average(values[name] for name in buffers)
        self.place = Place.of(self.rng, windows.pool.position())
        places = self.group.gather(self.place)
        if self.group.leads:
            save_checkpoint(self.checkpoint, self.settings, self.learner, places, self.progress)

    def _save(self, windows: Windows) -> None:
        """Checkpoint first, so that nothing is lost if the rest fails; then measure and stage the weights."""
        self._keep(windows)
        if self.reporter:
            self._measure_and_ship(self.reporter, self.settings.validation, last=False)
        self.saved_s = time.monotonic()

    def _measure_and_ship(self, reporter: Reporter, windows: int, *, last: bool) -> Path:
        network = self.average.network(self.network)
        report = measure(
            network, self.data.held_out(windows), self.settings.grid, self.data.classes,
            encoding=self.settings.recipe.encoding,
        )  # fmt: skip
        reporter.validated(report, last=last)
        weights = ship(self.settings, network.layout, network, report, self.data, self.progress)
        plot_run(reporter.log, self.settings.out / "curves.png")
        return weights

    def finish(self) -> Path:
        """The last evaluation, the weights and the card."""
        weights = self.settings.out / "weights" / f"{self.settings.name}.safetensors"
        if self.reporter:
            weights = self._measure_and_ship(self.reporter, self.settings.final_validation, last=True)
        self.group.wait()
        return weights

    def close(self) -> None:
        """Let go of what the run holds."""
        if self.reporter:
            self.reporter.close()
