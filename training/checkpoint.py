"""The checkpoint of a run: all that going on to the bit needs, in one file read without running any code."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from training.ema import WeightAverage
from training.errors import BadTraining
from training.settings import TrainSettings

# These may change between the parts of one run: they do not change what an earlier step made.
FREE = frozenset(
    {
        "out",
        "steps",
        "minutes",
        "threads",
        "generators",
        "save_minutes",
        "validation",
        "final_validation",
        "resume",
    }
)


@dataclass(slots=True)
class Progress:
    """Where a run stands.

    Attributes:
        step: optimizer steps done.
        views: views seen.
        spent_s: seconds of wall-clock time spent, earlier parts of the run included.
    """

    step: int = 0
    views: int = 0
    spent_s: float = 0.0


def save_checkpoint(
    path: Path,
    settings: TrainSettings,
    network: nn.Module,
    average: WeightAverage,
    optimizer: torch.optim.Optimizer,
    rng: np.random.Generator,
    position: Tensor,
    progress: Progress,
) -> None:
    """Write everything; an older checkpoint stays until the new one is whole."""
    values = {
        "settings": _settings_text(settings),
        "network": network.state_dict(),
        "average": average.values,
        "average_updates": average.updates,
        "optimizer": optimizer.state_dict(),
        "rng": json.dumps(rng.bit_generator.state),
        "torch_rng": torch.get_rng_state(),
        "position": position,
        "progress": asdict(progress),
    }
    part = path.with_suffix(".part")
    torch.save(values, part)
    os.replace(part, path)


def load_checkpoint(
    path: Path,
    settings: TrainSettings,
    network: nn.Module,
    average: WeightAverage,
    optimizer: torch.optim.Optimizer,
    rng: np.random.Generator,
) -> tuple[Progress, Tensor]:
    """Put everything back; returns the progress and the pool's position.

    Raises:
        BadTraining: the checkpoint belongs to other settings.
    """
    values: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    _check_settings(path, json.loads(values["settings"]), json.loads(_settings_text(settings)))
    network.load_state_dict(values["network"])
    for name, value in values["average"].items():
        average.values[name].copy_(value)
    average.updates = values["average_updates"]
    optimizer.load_state_dict(values["optimizer"])
    rng.bit_generator.state = json.loads(values["rng"])
    torch.set_rng_state(values["torch_rng"])
    return Progress(**values["progress"]), values["position"]


def _settings_text(settings: TrainSettings) -> str:
    kept = {name: value for name, value in asdict(settings).items() if name not in FREE}
    return json.dumps(kept, sort_keys=True)


def _check_settings(path: Path, saved: dict[str, Any], asked: dict[str, Any]) -> None:
    other = [name for name in asked if saved.get(name) != asked[name]]
    if other:
        raise BadTraining(
            f"{path} was written with {other[0]} = {saved.get(other[0])!r}, asked for is "
            f"{asked[other[0]]!r}; go on with the old settings, or start afresh in another "
            "folder or without resume"
        )
