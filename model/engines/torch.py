"""`TorchEngine`: torch on CPU or CUDA; states hold torch tensors on its device."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.card import Card
from model.encodings import encode
from model.engines.base import Meter, StepOutput, check_batch, check_counts
from model.errors import BadSetting
from model.networks import Runnable, readout_weight
from model.state import State, require_match


class TorchEngine:
    """Runs a network with every tdBN folded into its convolution; float64 networks stay float64."""

    def __init__(
        self, network: Runnable, card: Card, *, device: str = "cpu", threads: int | None = None
    ) -> None:
        """Copy the network to the device.

        Args:
            network: of the card; left as it is.
            card: grid, encoding and steps.
            device: "cpu", "cuda" or "cuda:N".
            threads: of torch's CPU work, for the whole process; left as they are where None.

        Raises:
            BadSetting: the device is not available, or `threads` is below 1.
        """
        if threads is not None and threads < 1:
            raise BadSetting(f"threads is {threads}; give at least 1")
        self.name, self.device = "torch", device
        self._device = _device(device)
        if threads is not None and self._device.type == "cpu":
            torch.set_num_threads(threads)
        self._card, self._meter = card, Meter(card)
        self._network = _channels_last(network.fused().to(self._device))
        self._dtype = next(network.parameters()).dtype
        self._sum_shapes = self._head_shapes()
        self._zero = self.initial_state(1)

    def initial_state(self, batch: int) -> State:
        """The zero state of so many rows. Raises BadSetting for a batch outside 1..1024."""
        check_batch(batch)
        width, height = self._card.grid
        layers = self._network.initial_state(batch, height, width, device=self._device, dtype=self._dtype)
        membranes = tuple(map(_innermost, layers))
        sums = tuple(self._zeros(batch, shape) for shape in self._sum_shapes)
        return State(membranes, sums, np.zeros(batch, np.int64))

    @torch.inference_mode()
    def step(self, counts: NDArray[np.uint16], state: State) -> StepOutput:
        """One step; see `Engine`."""
        check_counts(counts, self._card, state.batch, window=False)
        require_match(state, self._zero)
        # A restored state may lie otherwise in memory, and the order of memory is the order of summing.
        before = tuple(map(_innermost, state.membranes))
        features, membranes, raw = self._network.step(self._input(counts), before)
        decay = self._network.layout.readout_decay
        sums = tuple(a + decay * _innermost(b) for a, b in zip(features, state.head_sums, strict=True))
        return self._output(membranes, sums, state.steps + 1, raw, 1)

    @torch.inference_mode()
    def window(self, counts: NDArray[np.uint16]) -> StepOutput:
        """A window from the zero state, convolutions over all its steps at once; see `Engine`."""
        check_counts(counts, self._card, None, window=True)
        batch, length = counts.shape[:2]
        x = self._input(np.swapaxes(counts, 0, 1))
        sums, membranes, raw = self._network.window(x)
        return self._output(membranes, sums, np.full(batch, length, np.int64), raw, length)

    def _output(
        self,
        membranes: tuple[Tensor, ...],
        sums: tuple[Tensor, ...],
        steps: NDArray[np.int64],
        raw: Tensor,
        length: int,
    ) -> StepOutput:
        count = torch.from_numpy(steps).to(self._device, self._dtype).reshape(-1, 1, 1, 1)
        weight = readout_weight(self._network.layout.readout_decay, count)
        maps = tuple(_numpy(m) for m in self._network.head(tuple(s / weight for s in sums)))
        return StepOutput(maps, State(membranes, sums, steps), self._meter.activity(_numpy(raw), length))

    def _input(self, counts: NDArray[np.uint16]) -> Tensor:
        # CUDA has few kernels for uint16, and float32 holds its whole range.
        values = torch.from_numpy(np.ascontiguousarray(counts, np.float32)).to(self._device, self._dtype)
        return encode(values, self._card.encoding, self._dtype)

    def _zeros(self, batch: int, shape: tuple[int, ...]) -> Tensor:
        return torch.zeros((batch, *shape), device=self._device, dtype=self._dtype)

    @torch.inference_mode()
    def _head_shapes(self) -> tuple[tuple[int, ...], ...]:
        width, height = self._card.grid
        membranes = self._network.initial_state(1, height, width, device=self._device, dtype=self._dtype)
        features, _, _ = self._network.step(
            self._zeros(1, (self._card.in_channels, height, width)), membranes
        )
        return tuple(tuple(f.shape[1:]) for f in features)


def _numpy(tensor: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = tensor.to("cpu", torch.float32).contiguous().numpy()
    return array


def _channels_last(network: Runnable) -> Runnable:
    """Kernels with their channels innermost; each layer's output follows. Up to twice as fast on CPUs."""
    for parameter in network.parameters():
        if parameter.dim() == 4:
            parameter.data = _innermost(parameter.data)
    return network


def _innermost(tensor: Tensor) -> Tensor:
    return tensor.contiguous(memory_format=torch.channels_last)


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise BadSetting(f"device is {name!r}; give cpu, cuda or cuda:N") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise BadSetting(f"device is {name!r}; torch sees {torch.cuda.device_count()} CUDA devices")
    if device.type not in ("cpu", "cuda"):
        raise BadSetting(f"device is {name!r}; give cpu, cuda or cuda:N")
    return device
