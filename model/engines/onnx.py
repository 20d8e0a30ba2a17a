"""`OnnxEngine`: ONNX Runtime on graphs of our own export; torch is not imported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from model.card import Card, ModelFiles
from model.engines.base import Meter, StepOutput, check_batch, check_counts
from model.engines.cache import Kind, ensure_graph
from model.errors import BadSetting, ExportFailed
from model.state import State, require_match

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
MAX_THREADS = 256


class OnnxEngine:
    """Runs a network's graphs; arrays are numpy on any device.

    Windows of the card's T steps run in one graph of their own, which is loaded when first asked for; windows
    of other lengths, and those of converted networks, run step by step.
    """

    def __init__(self, card: Card, files: ModelFiles, *, device: str = "cpu", threads: int = 1) -> None:
        """Load the step graph, exporting it first where the cache lacks it.

        Raises:
            BadSetting: the device is not available, or `threads` is not 1..256.
            ExportFailed: the graph could not be made or loaded.
        """
        if not 1 <= threads <= MAX_THREADS:
            raise BadSetting(f"threads is {threads}; allowed are 1..{MAX_THREADS}")
        self.name, self.device = "onnx", device
        self._card, self._files, self._threads = card, files, threads
        self._provider = _provider(device)
        self._meter = Meter(card)
        self._step = self._graph("step")
        self._window: _Graph | None = None
        self._zero = self._zero_row()

    def initial_state(self, batch: int) -> State:
        """The zero state of so many rows. Raises BadSetting for a batch outside 1..1024."""
        check_batch(batch)
        return self._state(
            [np.zeros((batch, *a.shape[1:]), np.float32) for a in self._zero.arrays],
            np.zeros(batch, np.int64),
        )

    def step(self, counts: NDArray[np.uint16], state: State) -> StepOutput:
        """One step; see `Engine`."""
        check_counts(counts, self._card, state.batch, window=False)
        require_match(state, self._zero)
        return self._output(*self._stepped(counts, state), 1)

    def window(self, counts: NDArray[np.uint16]) -> StepOutput:
        """A window from the zero state; see `Engine`."""
        check_counts(counts, self._card, None, window=True)
        length = counts.shape[1]
        if length == self._card.steps and self._card.ticks == 1:
            self._window = self._window or self._graph("window")
            outputs = self._window.run([counts])
            return self._output(outputs, np.full(len(counts), length, np.int64), length)
        state, raw = self.initial_state(len(counts)), np.float32(0)
        for t in range(length):
            outputs, steps = self._stepped(counts[:, t], state)
            raw = raw + outputs[self._step.levels]
            state = self._state(outputs[self._step.levels + 1 :], steps)
        outputs[self._step.levels] = np.asarray(raw)
        return self._output(outputs, state.steps, length)

    def _stepped(
        self, counts: NDArray[np.uint16], state: State
    ) -> tuple[list[NDArray[Any]], NDArray[np.int64]]:
        levels, arrays, raw = self._step.levels, list(state.arrays), np.float32(0)
        for _ in range(self._card.ticks):
            outputs = self._step.run([counts, state.steps, *arrays])
            arrays, raw = outputs[levels + 1 :], raw + outputs[levels]
        outputs[levels] = np.asarray(raw)
        return outputs, state.steps + 1

    def _graph(self, kind: Kind) -> _Graph:
        path = ensure_graph(self._card, self._files, kind)
        return _Graph(path, self._provider, self._threads)

    def _output(self, outputs: list[NDArray[Any]], steps: NDArray[np.int64], count: int) -> StepOutput:
        levels = self._step.levels
        activity = self._meter.activity(outputs[levels], count)
        return StepOutput(tuple(outputs[:levels]), self._state(outputs[levels + 1 :], steps), activity)

    def _state(self, arrays: list[NDArray[Any]], steps: NDArray[np.int64]) -> State:
        layers = len(arrays) - self._step.levels
        return State(tuple(arrays[:layers]), tuple(arrays[layers:]), steps)

    def _zero_row(self) -> State:
        shapes = [i.shape[1:] for i in self._step.session.get_inputs()[2:]]
        return self._state([np.zeros((1, *shape), np.float32) for shape in shapes], np.zeros(1, np.int64))


class _Graph:
    """One graph in one session."""

    def __init__(self, path: Path, provider: str, threads: int) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self.session = ort.InferenceSession(path, options, providers=[provider])
        except Exception as error:
            # ONNX Runtime raises a dozen classes of its own, which share no base but Exception.
            raise ExportFailed(f"ONNX Runtime does not load {path}: {error}; delete the file") from error
        self.inputs = [i.name for i in self.session.get_inputs()]
        self.levels = sum(o.name.startswith("map.") for o in self.session.get_outputs())

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        fed = {name: np.ascontiguousarray(a) for name, a in zip(self.inputs, inputs, strict=True)}
        outputs: list[NDArray[Any]] = self.session.run(None, fed)
        return outputs


def _provider(device: str) -> str:
    provider = _PROVIDERS.get(device, "")
    if provider not in ort.get_available_providers():
        have = [name for name, p in _PROVIDERS.items() if p in ort.get_available_providers()]
        raise BadSetting(
            f"device is {device!r}; this ONNX Runtime offers {', '.join(have)} (for cuda: pip install "
            f"'spikesight[gpu]')"
        )
    return provider
