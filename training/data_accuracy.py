"""`measure_data`: weights on the held-out windows of a data set.

Classes are matched by name. Boxes of a class that the weights do not know are regions to ignore: nothing that
is found there counts. Answers of a class that the data does not label are left out: nobody knows whether they
are right.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from model.card import Card
from model.weights import load_runnable
from training.command import without_folders
from training.data import TrainingData, readable_by
from training.datasets import BoxRule, Split
from training.datasets.cache import OnPrepare
from training.datasets.cached import RecordedData
from training.datasets.relabel import labels_in, relabelled
from training.datasets.spec import data_from_spec
from training.errors import BadTraining
from training.measure import OnProgress, Report, measure
from training.settings import TrainSettings


@dataclass(frozen=True, slots=True)
class DataAccuracy:
    """What weights do on a data set.

    Attributes:
        name: of the data and its split, as the card calls it.
        block: for the card, JSON values.
        report: with the curves.
    """

    name: str
    block: dict[str, Any]
    report: Report


def measure_data(
    model: str | Path,
    card: Card,
    spec: str,
    split: Split,
    *,
    windows: int,
    out: Path,
    rule: BoxRule | None = None,
    on_progress: OnProgress | None = None,
) -> DataAccuracy:
    """Accuracy on the first `windows` windows of a split, at the card's threshold.

    Args:
        model: name of the zoo, or path of weights with their card.
        card: of the weights.
        spec: one data set, as `training.datasets.spec` reads it.
        split: which recordings.
        windows: how many at most; they are mixed over all recordings.
        out: of a run: caches lie beside it.
        rule: which boxes count at least; the data set's own rule holds in any case.
        on_progress: told how many recordings are read, then how many windows are measured.

    Raises:
        BadDataset: the data set is bad, or has no such split.
        BadTraining: the weights do not read such data, or share no class with it.
    """
    settings = TrainSettings(out=out, data=spec, steps=1, window_steps=card.steps, step_us=card.step_us)
    data = data_from_spec(spec, settings, _reading(on_progress), split=split)
    _check(card, data, spec)
    labels = labels_in(card.classes, data.classes)
    report = measure(
        load_runnable(model), [relabelled(window, labels) for window in data.held_out(windows)], card.grid,
        card.classes, encoding=card.encoding, threshold=card.threshold, rule=_at_least(rule, data),
        counted=data.classes, each_step=True, on_progress=on_progress,
    )  # fmt: skip
    return DataAccuracy(data_name(spec, split), data_block(spec, data, card.classes, report), report)


def data_name(spec: str, split: Split | None) -> str:
    """What a card calls the windows of a split; a mixture has none."""
    return without_folders(spec) + (f" {split}" if split else "")


def data_block(spec: str, data: TrainingData, classes: tuple[str, ...], report: Report) -> dict[str, Any]:
    """What a card says of the accuracy on a data set, JSON values.

    Args:
        spec: of the data.
        data: the windows.
        classes: of the weights.
        report: what was measured.
    """
    return {
        "data": without_folders(spec),
        "split": data.split,
        "not_measured": [name for name in classes if name not in data.classes],
        "ignored": [name for name in data.classes if name not in classes],
        **report.to_json(),
    }


def _check(card: Card, data: TrainingData, spec: str) -> None:
    if data.split is None:
        raise BadTraining(
            f"found the data {spec!r}, which has no splits; name one data set alone, or none to measure on "
            "simulated windows"
        )
    if card.encoding not in readable_by(data):
        raise BadTraining(
            f"{card.name} has the encoding {card.encoding!r}, {spec} is read with "
            f"{' or '.join(readable_by(data))}; measure weights of pictures on pictures, others on events"
        )
    if not set(card.classes) & set(data.classes):
        raise BadTraining(
            f"{card.name} finds {', '.join(card.classes)}, {spec} labels {', '.join(data.classes)}; a class "
            "of one name is needed"
        )


def _reading(on_progress: OnProgress | None) -> OnPrepare | None:
    """Recordings count first, where they have to be read."""
    return None if on_progress is None else lambda progress: on_progress(progress.parts, progress.of)


def _at_least(rule: BoxRule | None, data: TrainingData) -> BoxRule | None:
    """The rule, no smaller than the data set's own: what that leaves out must not count as found."""
    if rule is None or not isinstance(data, RecordedData):
        return rule
    own = data.cut.rule
    return replace(
        rule,
        min_diagonal_px=max(rule.min_diagonal_px, own.min_diagonal_px),
        min_side_px=max(rule.min_side_px, own.min_side_px),
        skip_us=own.skip_us,
    )
