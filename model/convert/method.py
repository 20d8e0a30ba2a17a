"""`Method`: what every way of converting is, and what all of them check first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeAlias

import torch
from torch import Tensor, nn

from model.convert.graph import Graph
from model.convert.network import SpikingNetwork
from model.convert.trace import trace
from model.errors import BadCalibration

Progress: TypeAlias = Callable[[str, float], None]
"""Told what is being done and what share of it, 0..1, is done."""


class Method(Protocol):
    """A way of converting; a frozen dataclass whose fields are its settings.

    Attributes:
        name: as the command line and cards have it, such as "rueckauer".
    """

    @property
    def name(self) -> str: ...

    def convert(self, graph: Graph, calibration: Sequence[Tensor], progress: Progress) -> SpikingNetwork:
        """A converted network.

        The graph stays as it is: what a conversion changes it copies first.

        Args:
            graph: the ANN, traced.
            calibration: batches of inputs (B, ...), checked by `check_calibration`.
            progress: told how far it is.
        """
        ...


def convert(
    ann: nn.Module, calibration: Sequence[Tensor], method: Method, *, progress: Progress | None = None
) -> SpikingNetwork:
    """Trace a trained network and convert it; `ann` stays as it is.

    Args:
        ann: takes one tensor, see `trace`; a twin of our detector goes through `model.convert.twin` first.
        calibration: batches of inputs it was trained for, 10^2 to 10^4 rows in all. Shape: (B, ...) each.
        method: how.
        progress: told how far it is.

    Raises:
        NotConvertible, BadWeights: see `trace`.
        BadCalibration: no batch, one that is not finite, or one of another shape than the first.
        BadSetting: a setting of the method is out of its range.
    """
    if not len(calibration):
        raise BadCalibration("no calibration data; give at least one batch of inputs")
    graph = trace(ann, calibration[0])
    check_calibration(graph, calibration)
    return method.convert(graph, calibration, progress or (lambda what, share: None))


def check_calibration(graph: Graph, calibration: Sequence[Tensor]) -> None:
    """Refuse data that a conversion cannot use.

    Raises:
        BadCalibration: no batch, an empty one, one that is not finite, or one of another shape or type than
            the first; says which.
    """
    if not len(calibration):
        raise BadCalibration("no calibration data; give at least one batch of inputs")
    sample = tuple(calibration[0].shape[1:])
    graph.shapes(sample)
    for place, batch in enumerate(calibration):
        if tuple(batch.shape[1:]) != sample or not len(batch):
            raise BadCalibration(
                f"calibration batch {place} is {tuple(batch.shape)}, the first has rows of {sample}; "
                "give batches of one shape"
            )
        if batch.dtype != graph.like.dtype:
            raise BadCalibration(
                f"calibration batch {place} is {batch.dtype}, the weights {graph.like.dtype}"
            )
        if not bool(torch.isfinite(batch).all()):
            raise BadCalibration(f"calibration batch {place} holds NaN or infinity; leave such inputs out")


def told(batches: Sequence[Tensor], what: str, progress: Progress) -> Iterable[Tensor]:
    """The batches, one by one, with progress told after each."""
    for done, batch in enumerate(batches, 1):
        yield batch
        progress(what, done / len(batches))
