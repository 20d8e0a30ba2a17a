"""The checkpoint of a run: all that going on to the bit needs, in one file read without running any code."""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.dotted import dotted
from training.ema import WeightAverage
from training.errors import BadTraining
from training.settings import TrainSettings

# These may change between the parts of one run: they do not change what an earlier step made.
FREE = frozenset(
    {
        "out", "steps", "minutes", "lr", "clip_norm", "device", "precision", "threads", "generators",
        "log_steps", "save_minutes", "validation", "final_validation", "resume", "retries", "tensorboard",
    }
)  # fmt: skip


@dataclass(slots=True)
class Progress:
    """Where a run stands.

    Attributes:
        step: optimizer steps done.
        views: views seen, by all trainers.
        spent_s: seconds of wall-clock time spent, earlier parts of the run included.
        lr_scale: factor on the learning rate; halved each time the run diverged.
        warnings: what `training.health` said, by what it is about.
    """

    step: int = 0
    views: int = 0
    spent_s: float = 0.0
    lr_scale: float = 1.0
    warnings: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Learner:
    """What learns, all of it changed in place by `load_checkpoint`."""

    network: nn.Module
    average: WeightAverage
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Where one trainer is in its data.

    Attributes:
        rng: state of its generator, as JSON.
        torch_rng: state of torch's.
        position: as `Pool.position`.
    """

    rng: str
    torch_rng: Tensor
    position: Tensor

    @classmethod
    def of(cls, rng: np.random.Generator, position: NDArray[np.int64]) -> Place:
        return cls(json.dumps(rng.bit_generator.state), torch.get_rng_state(), torch.from_numpy(position))

    def restore(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Put both generators back; returns the pool's position."""
        rng.bit_generator.state = json.loads(self.rng)
        torch.set_rng_state(self.torch_rng)
        position: NDArray[np.int64] = self.position.numpy()
        return position


def save_checkpoint(
    path: Path, settings: TrainSettings, learner: Learner, places: Sequence[Place], progress: Progress
) -> None:
    """Write everything; an older checkpoint stays until the new one is whole.

    Args:
        places: of every trainer, by rank.
    """
    values = {
        "settings": json.dumps(_lasting(settings), sort_keys=True),
        "network": learner.network.state_dict(),
        "average": learner.average.values,
        "average_updates": learner.average.updates,
        "optimizer": learner.optimizer.state_dict(),
        "scaler": learner.scaler.state_dict(),
        "places": [{"rng": p.rng, "torch_rng": p.torch_rng, "position": p.position} for p in places],
        "progress": asdict(progress),
    }
    part = path.with_suffix(".part")
    torch.save(values, part)
    os.replace(part, path)


def load_checkpoint(
    path: Path, settings: TrainSettings, learner: Learner, trainers: int
) -> tuple[Progress, list[Place]]:
    """Put everything back; returns the progress and the places of every trainer.

    Raises:
        BadTraining: the checkpoint cannot be read, or is of other settings or another number of trainers.
    """
    values = _read(path)
    _check_settings(path, json.loads(values["settings"]), _lasting(settings))
    places = [Place(**place) for place in values["places"]]
    if len(places) != trainers:
        raise BadTraining(
            f"{path} was written by {len(places)} trainers, now there are {trainers}; start as many again, "
            "or afresh from its weights (--init) in another folder"
        )
    learner.network.load_state_dict(values["network"])
    for name, value in values["average"].items():
        learner.average.values[name].copy_(value)
    learner.average.updates = values["average_updates"]
    learner.optimizer.load_state_dict(values["optimizer"])
    learner.scaler.load_state_dict(values["scaler"])
    return Progress(**values["progress"]), places


def _read(path: Path) -> dict[str, Any]:
    try:
        if not zipfile.is_zipfile(path):
            raise RuntimeError("it is cut off, or was written by something else")
        values: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, pickle.UnpicklingError) as error:
        raise BadTraining(
            f"{path} is no checkpoint that can be read: {error}; remove it to start afresh"
        ) from error
    if "places" not in values:
        raise BadTraining(f"{path} is of an older version of this program; start afresh in another folder")
    return values


def _lasting(settings: TrainSettings) -> dict[str, Any]:
    return {name: value for name, value in dotted(settings).items() if name not in FREE}


def _check_settings(path: Path, saved: dict[str, Any], asked: dict[str, Any]) -> None:
    other = sorted(name for name in saved.keys() | asked.keys() if saved.get(name) != asked.get(name))
    if other:
        raise BadTraining(
            f"{path} was written with {other[0]} = {saved.get(other[0])!r}, asked for is "
            f"{asked.get(other[0])!r}; go on with the old settings, or start afresh in another "
            "folder or with --no-resume"
        )
