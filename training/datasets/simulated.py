"""Simulated scenes: endless chunks from a process of their own, and a held-out set that never changes.

A scene is its seed. Held-out scenes have the seeds 0..999,999; run `s` trains on the ten million seeds from
(s + 1) * 10,000,000. No run can meet a held-out scene, nor another run's.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from multiprocessing.process import BaseProcess
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any

import torch

from model.card import Encoding
from training.datasets import LabelledWindow, Split
from training.datasets.chunks import load_chunk, save_chunk
from training.datasets.fingerprint import SIMULATOR
from training.datasets.pool import Chunks, DirectChunks
from training.datasets.scenes import CALL, CALLS, SceneSettings, simulate
from training.errors import GeneratorDied

HELD_OUT_SEEDS = range(1_000_000)
HELD_OUT_NAME = "held-out simulated windows"
SEEDS_PER_RUN = 10_000_000


def training_seeds(run: int, chunk: int) -> range:
    """The seeds of the simulator's calls that make one chunk of a run."""
    first = (run + 1) * SEEDS_PER_RUN + chunk * CALLS
    return range(first, first + CALLS)


def make_chunk(settings: SceneSettings, run: int, number: int) -> list[LabelledWindow]:
    """The windows of one training chunk, here and now."""
    return [window for seed in training_seeds(run, number) for window in simulate(settings, seed)]


@dataclass(frozen=True, slots=True)
class SimulatedData:
    """Training data from the simulator.

    Attributes:
        folder: where chunks on their way to the trainer lie.
        cache: where held-out sets are kept.
        run: seed of the run.
        generators: processes that simulate; 0 simulates in the trainer.
        ahead: chunks that are made before they are asked for, at most.
        scenes: what is simulated.
    """

    folder: Path
    cache: Path
    run: int
    generators: int = 1
    ahead: int = 8
    scenes: SceneSettings = field(default_factory=SceneSettings)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.scenes.classes

    @property
    def encoding(self) -> Encoding | None:
        return None

    @property
    def split(self) -> Split | None:
        return None

    @contextlib.contextmanager
    def chunks(self, first: int) -> Iterator[Chunks]:
        """Chunks from `first` on; the processes end with the context."""
        if not self.generators:
            yield DirectChunks(lambda number: make_chunk(self.scenes, self.run, number))
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        context = multiprocessing.get_context("spawn")  # torch's thread pools do not survive a fork
        wanted = context.Value("q", first)
        workers = [
            context.Process(
                target=_generate,
                args=(self, first + k, wanted, os.getpid()),
                daemon=True,
                name=f"generator-{k}",
            )
            for k in range(self.generators)
        ]
        for worker in workers:
            worker.start()
        try:
            yield FileChunks(self, first, wanted, workers)
        finally:
            for worker in workers:
                worker.terminate()
            for worker in workers:
                worker.join()

    def path(self, number: int) -> Path:
        """The file of a training chunk."""
        return self.folder / f"chunk{number:07d}.npz"

    def held_out(self, count: int) -> Sequence[LabelledWindow]:
        """The first `count` held-out windows, simulated once and kept in `cache`."""
        self.cache.mkdir(parents=True, exist_ok=True)
        windows: list[LabelledWindow] = []
        for seed in HELD_OUT_SEEDS[: -(-count // CALL)]:
            windows += self._held_out_call(seed)
        return windows[:count]

    def _held_out_call(self, seed: int) -> list[LabelledWindow]:
        path = self.cache / f"held-out-{self.scenes.fingerprint()}-{SIMULATOR}-{seed:03d}.npz"
        if not path.exists():
            save_chunk(path, simulate(self.scenes, seed))
        return load_chunk(path)

    def describe(self) -> dict[str, Any]:
        return {
            "data": "simulated scenes, nothing else",
            "scenes": asdict(self.scenes),
            "held_out_seeds": [HELD_OUT_SEEDS.start, HELD_OUT_SEEDS.stop - 1],
            "training_seeds_from": training_seeds(self.run, 0).start,
        }


class FileChunks:
    """Chunks that generator processes write to a folder."""

    def __init__(
        self, data: SimulatedData, first: int, wanted: Synchronized[int], workers: Sequence[BaseProcess]
    ) -> None:
        self._data = data
        self._first = first
        self._wanted = wanted
        self._workers = workers

    def ready(self, number: int) -> bool:
        return self._data.path(number).exists()

    def load(self, number: int) -> list[LabelledWindow]:
        """The windows of a chunk.

        Raises:
            GeneratorDied: it is not there and a process that should write it has ended.
        """
        path = self._data.path(number)
        if number < self._first and not path.exists():
            return make_chunk(self._data.scenes, self._data.run, number)
        self._wanted.value = max(self._wanted.value, number + 1)
        while not path.exists():
            self._check_workers(number)
            time.sleep(0.05)
        return load_chunk(path)

    def release(self, number: int) -> None:
        self._data.path(number).unlink(missing_ok=True)

    def _check_workers(self, number: int) -> None:
        for worker in self._workers:
            if not worker.is_alive():
                raise GeneratorDied(
                    f"{worker.name} ended with exit code {worker.exitcode} before it wrote chunk {number}; "
                    "its reason stands above. Start again to go on from the last checkpoint."
                )


def _generate(data: SimulatedData, first: int, wanted: Synchronized[int], parent: int) -> None:
    """Write every `generators`-th chunk from `first` on, a few ahead of the trainer, until that ends."""
    torch.set_num_threads(1)
    number = first
    while os.getppid() == parent:
        if number >= wanted.value + data.ahead:
            time.sleep(0.2)
            continue
        if not data.path(number).exists():
            save_chunk(data.path(number), make_chunk(data.scenes, data.run, number))
        number += data.generators
