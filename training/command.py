"""`command`: the line that makes a run again."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from training.augment import NO_AUGMENT, AugmentSettings
from training.dotted import dotted
from training.recipe import RECIPES
from training.settings import TrainSettings

OPTIONS: Mapping[str, str] = {
    "data": "--data",
    "name": "--name",
    "steps": "--steps",
    "minutes": "--minutes",
    "seed": "--seed",
    "window_steps": "--window-steps",
    "lead_steps": "--lead-steps",
    "step_us": "--step-us",
    "warm_share": "--warm-share",
    "batch": "--batch",
    "lr": "--lr",
    "device": "--device",
    "precision": "--precision",
    "threads": "--threads",
    "generators": "--generators",
    "views": "--views",
    "save_minutes": "--save-minutes",
    "final_validation": "--held-out",
    "loss.firing": "--firing-weight",
    "recipe.encoding": "--encoding",
    "recipe.boxes": "--boxes",
    "anchors": "--anchors",
    "init": "--init",
}
"""Settings that an option of `spikesight train` of their own takes as they are; `--set` takes any other."""


def command(settings: TrainSettings) -> str:
    """The command that makes these weights again, defaults left out; how a run is told of is no part of it.

    Of a path only its last part is given: a card that is passed on keeps the paths of its maker's machine.
    """
    words = ["spikesight", "train", "--layout", settings.layout, "--out", f"runs/{settings.out.name}"]
    bases = {name: _base(settings, name) for name in RECIPES}
    recipe = min(RECIPES, key=lambda name: len(_different(settings, bases[name])))
    words += [] if bases[recipe] == _base(settings) else ["--recipe", recipe]
    augment = NO_AUGMENT if settings.augment == NO_AUGMENT else AugmentSettings()
    if augment != bases[recipe].augment:
        words.append("--no-augment" if augment == NO_AUGMENT else "--augment")
    different = _different(settings, replace(bases[recipe], augment=augment))
    for name, value in sorted(different.items(), key=lambda item: _place(item[0])):
        words += _words(name, value)
    return shlex.join(words)


def without_folders(text: str) -> str:
    """Data or weights by the last part of their paths: text that is passed on tells nothing of its maker."""
    return re.sub(r"(^|:)[^:+?*]*/(?=[^/+?*])", r"\1", text)


def _base(settings: TrainSettings, recipe: str = "ours") -> TrainSettings:
    """What the command means with these alone."""
    layout = settings.layout
    return TrainSettings(out=Path(), steps=1, layout=layout, name=layout, **RECIPES[recipe])


def _different(settings: TrainSettings, base: TrainSettings) -> dict[str, Any]:
    """Settings that are not those of `base`, with the budget and the seed in any case."""
    default = dotted(base) | {"steps": None, "seed": None}
    told = ("out", "layout", "resume", "tensorboard")
    return {
        name: value
        for name, value in dotted(settings).items()
        if name not in told and (name not in default or value != default[name])
    }


def _place(name: str) -> int:
    return list(OPTIONS).index(name) if name in OPTIONS else len(OPTIONS)


def _words(name: str, value: Any) -> list[str]:
    if name == "grid":
        return ["--grid", f"{value[0]}x{value[1]}"]
    if name == "recipe.activation":
        return ["--twin"]
    if name not in OPTIONS:
        return ["--set", f"{name}={value if isinstance(value, str) else json.dumps(value)}"]
    if name in ("data", "init"):
        value = without_folders(value)
    return [OPTIONS[name], f"{value:g}" if name == "minutes" else str(value)]
