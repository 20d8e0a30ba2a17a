"""`TrainSettings`: everything that decides what a training run makes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from training.augment import AugmentSettings
from training.errors import BadTraining
from training.loss import LossSettings
from training.recipe import OURS, Recipe

Precision = Literal["float32", "bfloat16", "float16"]
Device = Literal["cpu", "cuda"]
AnchorSource = Literal["layout", "fitted"]


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """One training run. Equal settings with a budget of steps make equal weights.

    Attributes:
        out: folder of the run: checkpoint, log, curves, staged weights and card. Made where it is missing.
        data: the windows to learn from, as `training.datasets.spec` reads it.
        name: name of the weights and of their card.
        layout: name of the network's layout, one of `model.layout.LAYOUTS`.
        steps: budget in optimizer steps, or None where `minutes` is the budget.
        minutes: budget in minutes of wall-clock time; the learning rate reaches its end when they do.
        seed: of the first weights, of the order of the data and of the simulated scenes; 0..999.
        grid: (width, height) of the network's input, cells, multiples of 32.
        window_steps: T, time steps of a window.
        lead_steps: steps before a window that a lasting state has seen, 0 to this many at random. Above 0
            the weights are for `rolling` mode: the readout forgets (`model.rolling`), every step is answered.
        step_us: length of one time step, microseconds.
        short_share: share of batches that show only the last 1 to T - 1 steps, so that short recordings work.
        warm_share: share of the budget at the start in which windows grow from their last `warm_steps` steps
            to all T, because short windows cost less.
        warm_steps: steps of the first windows.
        batch: views per optimizer step, of each trainer.
        lr: peak learning rate of AdamW.
        weight_decay: of convolutions' weights; norms and biases have none.
        clip_norm: ceiling of the gradient's norm.
        ema: decay of the averaged weights, which are the ones kept.
        device: "cpu" or "cuda".
        precision: type of the convolutions' arithmetic; weights stay float32.
        threads: CPU threads of each trainer.
        generators: processes that simulate for each trainer; 0 simulates in the trainer itself.
        views: how often a window is seen, each time in another view, before a new one takes its place.
        pool: windows held at once, at about 0.12 MB each; half as many where they come slowly.
        log_steps: optimizer steps between lines of the log.
        save_minutes: minutes between checkpoints, staged weights and validations.
        validation: windows of the validations on the way; the last one takes `final_validation`.
        final_validation: held-out windows of the figures in the card.
        resume: go on from the run's checkpoint where there is one.
        retries: how often a run whose loss is no number any more goes back to its checkpoint, each time at
            half the learning rate.
        tensorboard: write OUT/tensorboard as well.
        augment: how views are drawn.
        loss: weights of the loss's parts.
        recipe: what is made of the layout.
        anchors: "fitted" fits them to the data's boxes before the first step.
        init: weights to start from, by name or path of a card; random ones where None.
    """

    out: Path
    data: str = "sim:street"
    name: str = "ems-nano"
    layout: str = "ems-nano"
    steps: int | None = None
    minutes: float | None = None
    seed: int = 1
    grid: tuple[int, int] = (256, 192)
    window_steps: int = 5
    lead_steps: int = 0
    step_us: int = 8_000
    short_share: float = 0.1
    warm_share: float = 0.0
    warm_steps: int = 2
    batch: int = 16
    lr: float = 3e-3
    weight_decay: float = 0.02
    clip_norm: float = 5.0
    ema: float = 0.999
    device: Device = "cpu"
    precision: Precision = "float32"
    threads: int = 1
    generators: int = 1
    views: int = 4
    pool: int = 16_000
    log_steps: int = 50
    save_minutes: float = 5.0
    validation: int = 200
    final_validation: int = 500
    resume: bool = True
    retries: int = 1
    tensorboard: bool = False
    augment: AugmentSettings = field(default_factory=AugmentSettings)
    loss: LossSettings = field(default_factory=LossSettings)
    recipe: Recipe = OURS
    anchors: AnchorSource = "layout"
    init: str | None = None

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.minutes is None):
            raise BadTraining(
                f"steps is {self.steps} and minutes is {self.minutes}; give one of them as the budget"
            )
        self._check_numbers()
        for name, allowed in _WORDS.items():
            if getattr(self, name) not in allowed:
                words = ", ".join(map(repr, allowed))
                raise BadTraining(f"{name} is {getattr(self, name)!r}; it may be {words}")
        if any(side % 32 or side < 32 for side in self.grid):
            raise BadTraining(f"the grid is {self.grid}; both sides must be multiples of 32, such as 256x192")
        if self.pool < self.batch:
            raise BadTraining(f"pool is {self.pool}; it must hold at least a batch, {self.batch} windows")
        if not 0 <= self.seed < 1000:
            raise BadTraining(f"the seed is {self.seed}; give 0..999, so that no run meets a held-out scene")
        if self.lead_steps and self.recipe.activation == "relu":
            raise BadTraining(
                f"lead_steps is {self.lead_steps} and the twin keeps no state; leave one of them out"
            )
        if self.anchors == "fitted" and self.recipe.boxes == "free":
            raise BadTraining(
                "anchors is 'fitted' and recipe.boxes is 'free', which has none; leave one of them out"
            )
        if self.anchors == "fitted" and self.recipe.anchors is not None:
            raise BadTraining(
                "anchors is 'fitted' and the recipe has anchors of its own; leave one of them out"
            )

    @property
    def seen_steps(self) -> int:
        """Steps of the data's windows: those of an answer and those before it."""
        return self.window_steps + self.lead_steps

    def _check_numbers(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is not None and not value >= least:
                raise BadTraining(f"{name} is {value}; give at least {least}")
        for name in ("minutes", "lr", "clip_norm"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise BadTraining(f"{name} is {value}; give a number above 0")
        for name in ("short_share", "warm_share", "ema"):
            if not 0 <= getattr(self, name) <= 1:
                raise BadTraining(f"{name} is {getattr(self, name)}; give a number in 0..1")


_LEAST: dict[str, float] = {
    **dict.fromkeys(("steps", "window_steps", "step_us", "batch", "threads", "views", "validation"), 1),
    **dict.fromkeys(("final_validation", "log_steps", "warm_steps"), 1),
    **dict.fromkeys(("generators", "retries", "save_minutes", "weight_decay", "lead_steps"), 0),
}
_WORDS: dict[str, tuple[str, ...]] = {
    "device": get_args(Device),
    "precision": get_args(Precision),
    "anchors": get_args(AnchorSource),
}
