"""`Board`: a run's log as TensorBoard shows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from training.errors import BadTraining


class Board:
    """Writes the numbers of the log's rows as scalars, KIND/NAME over optimizer steps.

    Raises:
        BadTraining: TensorBoard is not installed.
    """

    def __init__(self, folder: Path, first_step: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise BadTraining(
                "TensorBoard is not installed; install it with pip install 'spikesight[train]', or train "
                "without --tensorboard: the log and curves.png are written in any case"
            ) from error
        # Rows after the step that a run is taken up at were of steps that are done again.
        self._writer = SummaryWriter(str(folder), purge_step=first_step + 1)

    def write(self, kind: str, values: Mapping[str, Any]) -> None:
        """One row; its `step` is where it stands."""
        for name, value in _numbers("", values):
            self._writer.add_scalar(f"{kind}/{name}", value, values["step"])
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


def _numbers(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _numbers(f"{prefix}{name}/", value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield prefix + name, float(value)
