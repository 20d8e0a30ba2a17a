"""What a run tells its caller while it goes on, and the log it keeps."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from training.loss import Loss


@dataclass(frozen=True, slots=True)
class TrainProgress:
    """Where a run stands, for a progress bar.

    Attributes:
        fraction: of the budget spent, 0..1.
        eta_s: seconds left, None while nobody can know.
        step: optimizer steps done.
        views: views seen.
        views_per_s: pace of this part of the run.
        lr: learning rate.
        box, obj, cls: parts of the loss, means over the last steps.
        map50: mAP50 of the last validation, None before the first.
        message: what just happened, empty most of the time.
    """

    fraction: float
    eta_s: float | None
    step: int
    views: int
    views_per_s: float
    lr: float
    box: float
    obj: float
    cls: float
    map50: float | None = None
    message: str = ""


OnProgress = Callable[[TrainProgress], None]


@dataclass(slots=True)
class MeanLoss:
    """Means of the loss's parts since the last `take`."""

    sums: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    count: int = 0

    def add(self, loss: Loss) -> None:
        for i, part in enumerate((loss.box, loss.obj, loss.cls)):
            self.sums[i] += part.item()
        self.count += 1

    def take(self) -> tuple[float, float, float]:
        """Mean box, obj and cls loss; starts over."""
        box, obj, cls = (value / max(self.count, 1) for value in self.sums)
        self.sums, self.count = [0.0, 0.0, 0.0], 0
        return box, obj, cls


class Log:
    """One JSON object a line, appended; `kind` is "train" or "validation"."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, kind: str, **values: Any) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"kind": kind, **values}) + "\n")

    def write_progress(self, progress: TrainProgress, **values: Any) -> None:
        self.write("train", **asdict(progress), **values)

    def rows(self, kind: str) -> list[dict[str, Any]]:
        """All rows of a kind, oldest first."""
        if not self.path.exists():
            return []
        lines = self.path.read_text(encoding="utf-8").splitlines()
        return [row for row in map(json.loads, lines) if row["kind"] == kind]
