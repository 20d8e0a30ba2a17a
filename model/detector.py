"""`Detector`: weights, engine and decoding in one place; steps in, boxes out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from model.card import DEFAULT_MODEL, Card, ModelFiles, find, load_card
from model.detections import Detections
from model.energy import AC_PJ, MAC_PJ, PJ_PER_MJ
from model.engines.base import Activity, Engine, StepOutput
from model.errors import BadSetting
from model.postprocess import detections
from model.state import State, from_bytes, to_bytes

EngineName = Literal["onnx", "torch"]


class Detector:
    """A loaded model.

    Holds no stream's memory: the state goes in and comes out, so one detector serves any number of streams.

    Attributes:
        card: what the weights are.
        engine: what runs them.
        digest: SHA-256 of the weights.
    """

    def __init__(self, card: Card, engine: Engine, digest: str = "") -> None:
        layout = card.network_layout()
        self.card, self.engine, self.digest = card, engine, digest
        self._anchors, self._strides = layout.anchors, layout.strides

    @classmethod
    def load(
        cls,
        model: str | Path = DEFAULT_MODEL,
        *,
        engine: EngineName = "onnx",
        device: str = "cpu",
        threads: int = 1,
    ) -> Detector:
        """Load weights by zoo name or path.

        The ONNX engine exports the graph first where the cache lacks it, which takes some seconds once.

        Raises:
            UnknownModel: no such weights; the message lists the known ones.
            BadWeights: card or weights are broken or do not fit each other.
            BadSetting: the engine or device is not available, or `threads` is out of range.
            ExportFailed: the graph could not be made.
        """
        files, card = find(model), load_card(model)
        return cls(card, _engine(engine, card, files, device, threads), files.digest())

    def initial_state(self, batch: int = 1) -> State:
        """The zero state of `batch` streams."""
        return self.engine.initial_state(batch)

    def step(self, counts: NDArray[np.uint16], state: State) -> StepOutput:
        """One step of every row.

        Shape:
            counts (B, 2, H, W) uint16 on the card's grid, OFF then ON.

        Raises:
            BadCounts: another shape or type.
            BadState: the state belongs to another network, grid or batch.
        """
        return self.engine.step(counts, state)

    def window(self, counts: NDArray[np.uint16]) -> StepOutput:
        """T steps from the zero state at once. Shape: counts (B, T, 2, H, W) uint16; raises as `step`."""
        return self.engine.window(counts)

    def detections(
        self,
        maps: Sequence[NDArray[np.floating]],
        *,
        threshold: float | None = None,
        iou: float | None = None,
    ) -> list[Detections]:
        """Boxes of each row in grid cells, best first; thresholds are the card's unless given.

        Raises:
            BadSetting: a threshold is NaN or outside 0..1.
            BadMaps: maps hold NaN or are not this network's.
        """
        return detections(
            maps,
            self._anchors,
            self._strides,
            self.card.classes,
            threshold=self.card.threshold if threshold is None else threshold,
            iou=self.card.iou if iou is None else iou,
        )

    def energy(self, activity: Activity) -> NDArray[np.float64]:
        """(B,) millijoule that these steps would cost on neuromorphic hardware; see `model.energy`.

        0.9 pJ a synaptic operation and 4.6 pJ a multiply-accumulate, 45 nm, 32 bit (EMS-YOLO, eq. 6).
        """
        energy: NDArray[np.float64] = (AC_PJ * activity.synops + MAC_PJ * activity.macs) / PJ_PER_MJ
        return energy

    def save_state(self, state: State) -> bytes:
        """The state as bytes that only these weights read back."""
        return to_bytes(state, self._tag)

    def restore_state(self, data: bytes) -> State:
        """What `save_state` wrote. Raises BadState: broken bytes, other weights or another grid."""
        return from_bytes(data, self.initial_state(1), self._tag)

    @property
    def _tag(self) -> str:
        return f"{self.card.name} {self.digest[:16]}"


def _engine(name: str, card: Card, files: ModelFiles, device: str, threads: int) -> Engine:
    # Each engine is imported where it is asked for: torch costs 200 MB that the ONNX engine does not need.
    if name == "onnx":
        from model.engines.onnx import OnnxEngine

        return OnnxEngine(card, files, device=device, threads=threads)
    if name == "torch":
        from model.engines.torch import TorchEngine
        from model.weights import load_runnable

        return TorchEngine(load_runnable(files.card), card, device=device, threads=threads)
    raise BadSetting(f"engine is {name!r}; known are onnx, torch")
