"""A classifier of any kind: loaded without executing what a file says, converted, measured at each T.

A checkpoint is two things: code that builds the network, named as `package.module:function` and imported as
any Python code of yours is, and its weights as safetensors, which hold numbers alone. No pickle is read: to
unpickle a `.pt` file is to run what its author put into it. An exported program (`torch.export`, .pt2) would
be safe, but is a list of operators in which the modules that a conversion names and folds are gone.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from model.convert.fanout import dense_macs
from model.convert.graph import Graph
from model.convert.method import Method, convert
from model.convert.network import SpikingNetwork
from model.convert.saved import network_tensors, restored
from model.convert.simulate import simulate
from model.convert.trace import trace
from model.energy import energy_mj
from model.errors import BadWeights
from model.weights import read, write_pair
from training.converting.methods import for_steps, is_for_one
from training.converting.sweep import Point, Rival, Sweep, Tally, batches_of
from training.errors import BadTraining

BATCH = 64
MeasureProgress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class ClassifierConversion:
    """What is asked for.

    Attributes:
        factory: "package.module:function", which returns the network; its module may lie in the folder that
            the command runs in.
        weights: safetensors of its state, or None for what the function built.
        method: how; of methods for one T, T is filled in.
        steps: T of the weights that are written.
        calibrate: .npz with `x` (N, ...) float as the network takes it; `y` (N,) integers are its classes.
        rows: of it to calibrate on, the first ones.
        evaluate: .npz to measure on, with `x` and `y`; what `rows` left of `calibrate` where None.
        at: T that the report covers.
        measured: rows it is measured on, at most.
        name: of the weights.
        out: folder.
    """

    factory: str
    weights: Path | None
    method: Method
    steps: int
    calibrate: Path
    rows: int
    evaluate: Path | None
    at: tuple[int, ...]
    measured: int
    name: str
    out: Path


@dataclass(frozen=True, slots=True, eq=False)
class Arrays:
    """Inputs (N, ...) float32 and, where known, their classes (N,)."""

    x: Tensor
    y: Tensor | None

    def part(self, first: int, last: int) -> Arrays:
        """Rows from `first` to before `last`."""
        return Arrays(self.x[first:last], None if self.y is None else self.y[first:last])


def convert_classifier(asked: ClassifierConversion, progress: MeasureProgress) -> tuple[Path, Sweep | None]:
    """Convert a classifier, measure it, write NAME.safetensors and NAME.json.

    Returns:
        The JSON file, and what was measured; None where no T was asked for.

    Raises:
        BadTraining: the function cannot be imported or returns no network, or a file holds no such arrays.
        ModelError: see `model.convert.method.convert`.
    """
    ann = load_network(asked.factory, asked.weights)
    given = load_arrays(asked.calibrate)
    calibration = batches_of(given.part(0, asked.rows).x, BATCH)
    held = given.part(asked.rows, len(given.x)) if asked.evaluate is None else load_arrays(asked.evaluate)

    def converted(steps: int) -> SpikingNetwork:
        return convert(ann, calibration, for_steps(asked.method, steps), progress=progress)

    network, sweep = converted(asked.steps), None
    if asked.at:
        sweep = _measured(asked, ann, held.part(0, asked.measured), network, converted, progress)
    block = _said(asked, network, tuple(given.x.shape[1:]), sum(map(len, calibration)))
    text = json.dumps(block, indent=2) + "\n"
    files = write_pair(asked.out, asked.name, network_tensors(network), text)
    return files.card, sweep


def load_classifier(card: str | Path, factory: str | None = None) -> SpikingNetwork:
    """A classifier that was converted, from the two files that `convert_classifier` wrote.

    `model.convert.simulate.simulate(network, x, steps).last.outputs[0]` is what it says of inputs `x`.

    Args:
        card: NAME.json, with NAME.safetensors beside it.
        factory: "package.module:function" that builds the network; the one that the card names where None.

    Raises:
        BadTraining: the card is none of a classifier's, or there is no such function.
        BadWeights: the tensors are not those of a conversion of this network.
    """
    path = Path(card)
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        block, sample = said["conversion"], tuple(int(side) for side in said["input_shape"])
        spiking, named = dict(block["spiking"]), str(block["source"]["name"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BadTraining(f"{path} is no card of a converted classifier: {error!r}") from error
    weights = path.with_suffix(".safetensors")
    return restored(load_network(factory or named, None), sample, read(weights), spiking, weights.name)


def load_network(factory: str, weights: Path | None) -> nn.Module:
    """The network that a function builds, with weights from safetensors, in evaluation mode.

    Raises:
        BadTraining: there is no such function, or it returns no network.
        BadWeights: the file is no safetensors, or does not fit the network.
    """
    if "" not in sys.path:
        sys.path.insert(0, "")  # as for `python -m`: code beside the user is the user's
    try:
        made = resolve_name(factory)()
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise BadTraining(
            f"{factory!r} builds no network: {error}; name a function that takes nothing and returns a "
            "torch module, as package.module:function"
        ) from error
    if not isinstance(made, nn.Module):
        raise BadTraining(f"{factory!r} returns a {type(made).__name__}; it must return a torch module")
    if weights is not None:
        try:
            made.load_state_dict(read(weights))
        except RuntimeError as error:
            raise BadWeights(f"{weights.name} does not fit {factory}: {error}") from error
    return made.eval()


def load_arrays(path: Path) -> Arrays:
    """The arrays of a file.

    Raises:
        BadTraining: it is no .npz of arrays `x` (N, ...) numbers and, at will, `y` (N,) integers.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            found: dict[str, NDArray[Any]] = {name: file[name] for name in ("x", "y") if name in file}
    except (OSError, ValueError, TypeError) as error:
        raise BadTraining(f"{path} is no readable .npz of arrays: {error}") from error
    x, y = found.get("x"), found.get("y")
    if x is None or x.ndim < 2 or x.dtype.kind not in "fiu" or not len(x):
        raise BadTraining(f"{path} holds no array 'x' of inputs, (N, ...) numbers with N at least 1")
    if y is not None and (y.shape != (len(x),) or y.dtype.kind not in "iu"):
        raise BadTraining(f"{path}: 'y' is {y.shape} {y.dtype}; give one integer for each of {len(x)} inputs")
    labels = None if y is None else torch.from_numpy(y.astype(np.int64))
    return Arrays(torch.from_numpy(x.astype(np.float32)), labels)


def _measured(
    asked: ClassifierConversion,
    ann: nn.Module,
    held: Arrays,
    first: SpikingNetwork,
    converted: Callable[[int], SpikingNetwork],
    progress: MeasureProgress,
) -> Sweep:
    if not len(held.x):
        raise BadTraining(
            f"all of {asked.calibrate} is calibrated on; give fewer rows, or arrays to measure on (evaluate)"
        )
    graph, steps = trace(ann, held.x[:1]), sorted({*asked.at, asked.steps})
    bench = _Bench(graph, held, progress)
    if is_for_one(asked.method):
        points = [bench.points(first if t == asked.steps else converted(t), [t])[0] for t in steps]
    else:
        points = bench.points(first, steps)
    macs = float(sum(dense_macs(graph, tuple(held.x.shape[1:])).values()))
    return Sweep(
        name=asked.name,
        method=asked.method.name,
        settings=_settings(asked.method),
        calibration={"data": asked.calibrate.name, "windows": asked.rows},
        measured_on=f"inputs of {(asked.evaluate or asked.calibrate).name}",
        inputs=len(held.x),
        points=points,
        ann=Rival(asked.factory, 1, bench.scores(bench.answers), 0.0, macs, energy_mj(0.0, macs)),
        each_steps=is_for_one(asked.method),
    )


class _Bench:
    """Inputs, and the classes that the ANN answers for them."""

    def __init__(self, graph: Graph, held: Arrays, progress: MeasureProgress) -> None:
        self.held, self.progress = held, progress
        with torch.inference_mode():
            self.answers = torch.cat([_classes(graph(x)) for x in batches_of(held.x, BATCH)])

    def points(self, network: SpikingNetwork, steps: list[int]) -> list[Point]:
        """The network at each T, in one run to the highest."""
        tallies = [Tally(t) for t in steps]
        answers: list[list[Tensor]] = [[] for _ in steps]
        batches = batches_of(self.held.x, BATCH)
        for done, x in enumerate(batches, 1):
            readings = simulate(network, x, max(steps), read_at=steps).readings
            for place, t in enumerate(steps):
                tallies[place].add(readings[t].cost)
                answers[place].append(_classes(readings[t].outputs))
            self.progress(f"measuring T = {', '.join(map(str, steps))}", done / len(batches))
        return [self._point(tally, torch.cat(given)) for tally, given in zip(tallies, answers, strict=True)]

    def scores(self, answers: Tensor) -> dict[str, float]:
        """Share of right answers, where the classes are known."""
        known = self.held.y
        return {} if known is None else {"accuracy": float((answers == known).double().mean())}

    def _point(self, tally: Tally, answers: Tensor) -> Point:
        return tally.point(self.scores(answers), float((answers == self.answers).double().mean()))


def _classes(outputs: tuple[Tensor, ...]) -> Tensor:
    if len(outputs) != 1 or outputs[0].dim() != 2:
        shapes = [tuple(output.shape) for output in outputs]
        raise BadTraining(f"the network returns {shapes}; a classifier returns one tensor (B, classes)")
    return outputs[0].argmax(1)


def _settings(method: Method) -> dict[str, Any]:
    return asdict(cast(Any, method))


def _said(
    asked: ClassifierConversion, network: SpikingNetwork, sample: tuple[int, ...], rows: int
) -> dict[str, Any]:
    return {
        "name": asked.name,
        "input_shape": list(sample),
        "conversion": {
            "method": asked.method.name,
            "settings": _settings(for_steps(asked.method, asked.steps)),
            "spiking": asdict(network.settings),
            "input": "analog",
            "steps": asked.steps,
            "calibration": {"data": asked.calibrate.name, "windows": rows},
            "source": {"name": asked.factory},
        },
    }
