"""What a run tells its caller while it goes on, and the log it keeps."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from training.board import Board
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
        waited: share of its time that the trainer waited for windows.
        map50: mAP50 of the last validation, None before the first.
        message: what just happened, empty most of the time.
    """

    fraction: float
    eta_s: float | None
    step: int
    views: int = 0
    views_per_s: float = 0.0
    lr: float = 0.0
    box: float = 0.0
    obj: float = 0.0
    cls: float = 0.0
    waited: float = 0.0
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
    """One JSON object a line, appended; `kind` is "train", "validation" or "message".

    Attributes:
        path: the file.
        board: told of every row as well, where there is one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.board: Board | None = None

    def write(self, kind: str, **values: Any) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"kind": kind, **values}) + "\n")
        if self.board:
            self.board.write(kind, values)

    def write_progress(self, progress: TrainProgress, **values: Any) -> None:
        self.write("train", **asdict(progress), **values)

    def rows(self, kind: str) -> list[dict[str, Any]]:
        """All rows of a kind, oldest first."""
        if not self.path.exists():
            return []
        lines = self.path.read_text(encoding="utf-8").splitlines()
        return [row for row in map(json.loads, lines) if row["kind"] == kind]

    def cut(self, step: int) -> None:
        """Leave out the rows of later steps: a run that goes on from `step` writes them again."""
        if not self.path.exists():
            return
        lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
        # A run that was killed may have left half a line, always the last.
        whole = [line for line in lines if line.endswith("\n")]
        kept = [line for line in whole if json.loads(line)["step"] <= step]
        self.path.write_text("".join(kept), encoding="utf-8")
