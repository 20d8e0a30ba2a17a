"""`python -m benchmarks.recipe`: what each choice of the recipe is worth: the table of `docs/recipe.md`.

Every variant of `ems-nano` learns from the same simulated windows, as many views of them, in each of three
seeds, and is measured on the same held-out windows. One choice differs from the base at a time. The grid is
half the shipped one on a side, to have many runs for the price of one. A run that is done is not done again.
"""

from __future__ import annotations

import argparse
import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from model.card import Encoding, load_card
from model.catalogue import FREE_SIZES, NANO_ANCHORS
from model.neuron_settings import NeuronSettings
from training.anchors import fit_anchors
from training.augment import boxes_to_view, plain_view
from training.datasets import LabelledWindow
from training.datasets.chunks import load_chunk, save_chunk
from training.datasets.pool import Chunks, DirectChunks
from training.datasets.scenes import CALL, SceneSettings, simulate
from training.fit import train
from training.recipe import OURS, PAPER, Recipe
from training.settings import TrainSettings

GRID = (128, 96)
FINE_STEPS, FINE_US = 20, 2_000
WINDOWS, HELD_OUT, BATCH = 1_600, 240, 16
TRAINING_SEED = 990_000_000
ANCHORS = tuple(tuple((w / 2, h / 2) for w, h in level) for level in NANO_ANCHORS)
SIZES = tuple(tuple((w / 2, h / 2) for w, h in level) for level in FREE_SIZES)
"""The scale of boxes without anchors, on half the grid."""
BASE = Recipe(anchors=ANCHORS)


def neuron(**changes: Any) -> Recipe:
    """The base with other neurons."""
    return replace(BASE, neuron=NeuronSettings(**changes))


@dataclass(frozen=True, slots=True)
class Variant:
    """One row of the table: a recipe, and T equal steps that end with the window.

    Attributes:
        recipe: what is trained.
        steps: T.
        window_us: how much of the 40 ms is seen, its newest part.
    """

    recipe: Recipe = BASE
    steps: int = 5
    window_us: int = 40_000


VARIANTS: Mapping[str, Variant] = {
    "base": Variant(),
    "ours": Variant(replace(OURS, anchors=ANCHORS)),
    "encoding: counts up to 4": Variant(replace(BASE, encoding="counts")),
    "shortcuts: spiking": Variant(replace(BASE, shortcuts="spiking")),
    "leak and threshold learned": Variant(neuron(learned="both")),
    "integer LIF, 4 levels": Variant(neuron(reset="soft", levels=4)),
    "soft reset": Variant(neuron(reset="soft")),
    "surrogate: arctan": Variant(neuron(surrogate="arctan")),
    "T = 1 x 40 ms": Variant(steps=1),
    "T = 2 x 20 ms": Variant(steps=2),
    "late steps: decay 0.5": Variant(replace(BASE, readout_decay=0.5)),
    "anchors: fitted": Variant(),
    "boxes: anchor-free": Variant(replace(BASE, boxes="free", anchors=SIZES)),
    "paper": Variant(replace(PAPER, anchors=ANCHORS)),
    "encoding: binary": Variant(replace(BASE, encoding="binary")),
    "surrogate: triangle": Variant(neuron(surrogate="triangle")),
    "leak 0.5": Variant(neuron(leak=0.5)),
    "T = 5 x 4 ms": Variant(window_us=20_000),
    "T = 10 x 4 ms": Variant(steps=10),
}


class SharedWindows:
    """The windows all variants see, in steps of 2 ms, simulated once and kept in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.scenes = SceneSettings(step_us=FINE_US, steps=FINE_STEPS)

    def load(self, first_seed: int, count: int) -> list[LabelledWindow]:
        windows: list[LabelledWindow] = []
        for seed in track(range(first_seed, first_seed + -(-count // CALL)), "windows", transient=True):
            path = self.folder / f"{self.scenes.fingerprint()}-{seed}.npz"
            if not path.exists():
                save_chunk(path, simulate(self.scenes, seed))
            windows += load_chunk(path)
        return windows[:count]

    @cached_property
    def training(self) -> list[LabelledWindow]:
        return self.load(TRAINING_SEED, WINDOWS)

    @cached_property
    def held_out(self) -> list[LabelledWindow]:
        return self.load(0, HELD_OUT)


@dataclass(frozen=True)
class VariantData:
    """The shared windows as one variant's training data."""

    shared: SharedWindows
    variant: Variant
    encoding: Encoding | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        return self.shared.scenes.classes

    @contextlib.contextmanager
    def chunks(self, first: int) -> Iterator[Chunks]:
        windows = [regroup(w, self.variant) for w in self.shared.training]
        yield DirectChunks(lambda number: windows)

    def held_out(self, count: int) -> Sequence[LabelledWindow]:
        return [regroup(w, self.variant) for w in self.shared.held_out[:count]]

    def describe(self) -> dict[str, Any]:
        return {"data": f"{WINDOWS} simulated windows", "scenes": self.shared.scenes.fingerprint()}


def regroup(window: LabelledWindow, variant: Variant) -> LabelledWindow:
    """The newest `window_us` of a window in `steps` equal steps."""
    plane = int(np.prod(window.shape[1:]))
    seen = variant.window_us // FINE_US
    fine = window.cell // plane - (FINE_STEPS - seen)
    kept = window.cell >= (FINE_STEPS - seen) * plane
    step = fine[kept] // (seen // variant.steps)
    cell, where = np.unique(step * plane + window.cell[kept] % plane, return_inverse=True)
    count = np.bincount(where, window.count[kept], minlength=len(cell)).clip(max=255)
    shape = (variant.steps, *window.shape[1:])
    return replace(window, shape=shape, cell=cell.astype(np.uint32), count=count.astype(np.uint8))


def fitted(shared: SharedWindows) -> Recipe:
    """The base with anchors of the boxes it learns from."""
    sizes = [np.zeros((0, 2), np.float32)]
    for window in shared.training:
        boxes = boxes_to_view(window.xyxy, plain_view(window.shape, GRID), window.shape[3])
        sizes.append(boxes[:, 2:] - boxes[:, :2])
    return replace(BASE, anchors=fit_anchors(np.concatenate(sizes)))


def run(shared: SharedWindows, name: str, seed: int, views: int, out: Path) -> dict[str, Any]:
    """One run's figures, from its card where it is done."""
    variant = VARIANTS[name]
    if name == "anchors: fitted":
        variant = replace(variant, recipe=fitted(shared))
    folder = out / f"{name.replace(' ', '-').replace(':', '')}-{seed}"
    card = folder / "weights" / "ems-nano.json"
    if not (folder / "done").exists():
        settings = TrainSettings(
            out=folder, steps=views // BATCH, batch=BATCH, seed=seed, grid=GRID, window_steps=variant.steps,
            step_us=variant.window_us // variant.steps, recipe=variant.recipe, precision="bfloat16",
            generators=0, pool=WINDOWS, views=10**6, save_minutes=1e6, validation=16,
            final_validation=HELD_OUT, short_share=0.0,
        )  # fmt: skip
        train(settings, None, VariantData(shared, variant))
        (folder / "done").touch()
    metrics: dict[str, Any] = load_card(card).metrics
    return metrics


def row(name: str, runs: Sequence[dict[str, Any]], base: float) -> str:
    """A row of the table: mean and spread over seeds."""
    map50 = [100 * r["scores"]["map50"] for r in runs]
    map50_95 = [100 * r["scores"]["map50_95"] for r in runs]
    person = [100 * r["scores"]["ap50"]["person"] for r in runs]
    firing = [100 * r["activity"]["firing_rate"] for r in runs]
    energy = [1e3 * r["activity"]["energy_mj"] for r in runs]
    change = float(np.mean(map50)) - base
    means = (f"{np.mean(values):.1f}" for values in (map50_95, person, firing, energy))
    return " | ".join(
        [
            "",
            name,
            f"{np.mean(map50):.1f} ± {np.std(map50):.1f}",
            f"{change:+.1f}",
            *means,
            str(len(runs)),
            "",
        ]
    ).strip()


HEAD = (
    "| variant | mAP50 % | against base | mAP50:95 % | AP50 person % | firing % | energy uJ | seeds |\n"
    "|---|---|---|---|---|---|---|---|"
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recipe", description=__doc__)
    parser.add_argument("--views", type=int, default=8_000, help="views a run")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("runs/recipe"))
    parser.add_argument("--only", nargs="*", choices=list(VARIANTS), help="variants; all by default")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    shared, console = SharedWindows(options.out), Console()
    names = options.only or list(VARIANTS)
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for seed in range(1, options.seeds + 1):
        for name in names:
            results[name].append(run(shared, name, seed, options.views, options.out))
            console.print(f"seed {seed}, {name}: mAP50 {results[name][-1]['scores']['map50']:.3f}")
    base = 100 * float(np.mean([r["scores"]["map50"] for r in results.get("base", [])] or [0]))
    table = "\n".join([HEAD, *(row(name, runs, base) for name, runs in results.items())])
    (options.out / "table.md").write_text(table + "\n", encoding="utf-8")
    (options.out / "results.json").write_text(json.dumps(results), encoding="utf-8")
    print(table)


if __name__ == "__main__":
    main()
