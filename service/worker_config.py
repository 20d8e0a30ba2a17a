"""`WorkerConfig`: what the inference worker is started with."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """Plain values that cross to the worker as its first message.

    Attributes:
        models: loaded and warmed up before the worker is ready.
        models_dir: folder of models besides the zoo's, None for none.
        engine: "onnx" or "torch".
        device: "cpu", "cuda", "cuda:N".
        threads: of the engine.
        max_batch: most rows of a batch.
        max_models: most models held at a time.
        parent_pid: the API process.
    """

    models: tuple[str, ...]
    models_dir: str | None
    engine: str
    device: str
    threads: int
    max_batch: int
    max_models: int
    parent_pid: int


def config_to_wire(config: WorkerConfig) -> dict[str, Any]:
    return asdict(config)
