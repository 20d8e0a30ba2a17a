"""`Group`: the trainers of one run, a process each, as torchrun starts them.

::

    torchrun --nproc-per-node 2 --no-python spikesight train --device cuda --minutes 60 --out runs/mine

Every trainer holds the same weights, sees chunks of windows of its own, and averages its gradients with the
others' at every step. Rank 0 alone keeps time, logs, saves and measures; the others do as it says.

The statistics of tdBN are of all trainers' views on CUDA (`SyncBatchNorm`, which knows no CPU). On the CPU
each trainer normalises by its own views, and the running statistics are averaged at every checkpoint.
"""

from __future__ import annotations

import contextlib
import os
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from model.networks import Network
from training.augment import Labelled
from training.datasets.pool import Chunks
from training.errors import BadTraining

T = TypeVar("T")

# Longer than any evaluation that the other trainers wait for.
PATIENCE = timedelta(hours=2)
RANK_CHUNKS = 32_768
"""Chunks between the first one of a trainer and that of the next."""


@dataclass(frozen=True, slots=True)
class Group:
    """The trainers of a run, seen by one of them; the only one by default.

    Attributes:
        rank: this trainer's number.
        size: how many there are.
    """

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this trainer keeps time, logs, saves and measures."""
        return self.rank == 0

    def agree(self, values: Sequence[float]) -> list[float]:
        """The leader's values, for all."""
        if self.size == 1:
            return list(values)
        tensor = torch.tensor(values, dtype=torch.float64)
        dist.broadcast(tensor, 0)
        agreed: list[float] = tensor.tolist()
        return agreed

    def any(self, flag: bool) -> bool:
        """Whether it is true of any trainer."""
        return flag if self.size == 1 else any(self.gather(flag))

    def gather(self, value: T) -> list[T]:
        """Every trainer's value, by rank."""
        if self.size == 1:
            return [value]
        found: list[T | None] = [None] * self.size
        dist.all_gather_object(found, value)
        return cast("list[T]", found)

    def average(self, tensors: Iterable[Tensor]) -> None:
        """Put the mean over all trainers into each tensor."""
        if self.size == 1:
            return
        for tensor in tensors:
            dist.all_reduce(tensor)
            tensor.div_(self.size)

    @contextlib.contextmanager
    def leader_first(self) -> Iterator[None]:
        """Others enter when the leader is through, and find what it made on disk."""
        if not self.leads:
            self.wait()
        yield
        if self.leads:
            self.wait()

    def wait(self) -> None:
        """Until all trainers are here."""
        self.gather(None)

    def synchronised(self, network: Network) -> Network:
        """The network, with the batch statistics of all trainers where the device can."""
        if self.size == 1 or next(network.parameters()).device.type != "cuda":
            return network
        convert = cast("Callable[[Network], Network]", nn.SyncBatchNorm.convert_sync_batchnorm)
        return convert(network)

    def spread(self, network: Network) -> nn.Module:
        """What to call in place of the network, so that gradients are averaged over all trainers."""
        if self.size == 1:
            return network
        with warnings.catch_warnings():
            # The name of this option in torch 2.6 to 2.13 and its new one do not overlap.
            warnings.simplefilter("ignore", FutureWarning)
            return DistributedDataParallel(network, broadcast_buffers=False)

    def first_chunk(self, number: int) -> int:
        """The data's number of this trainer's chunk `number`."""
        return number + self.rank * RANK_CHUNKS

    def own(self, chunks: Chunks) -> Chunks:
        """This trainer's chunks, numbered from 0."""
        return chunks if self.size == 1 else _OwnChunks(chunks, self)


ALONE = Group()
SETTLE_S = 0.5


@contextlib.contextmanager
def joined(device: str) -> Iterator[Group]:
    """The group that torchrun's variables (RANK, WORLD_SIZE, ...) tell of; left at the end.

    Raises:
        BadTraining: a CUDA device is asked for that is not there.
    """
    rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    if device == "cuda":
        _take_device(int(os.environ.get("LOCAL_RANK", "0")))
    if size == 1:
        yield ALONE
        return
    # Small things are agreed upon over the CPU, so that no GPU waits for them.
    dist.init_process_group("cpu:gloo,cuda:nccl" if device == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield Group(rank, size)
    finally:
        # Gloo's thread needs the GIL to free what was last exchanged. The destructor of the group, or of the
        # network that holds it, waits for that thread with the GIL in hand: let it be done before.
        time.sleep(SETTLE_S)
        dist.destroy_process_group()


def leads() -> bool:
    """Whether this process is the one that should talk."""
    return os.environ.get("RANK", "0") == "0"


def _take_device(local_rank: int) -> None:
    found = torch.cuda.device_count()
    if local_rank >= found:
        raise BadTraining(
            f"found {found} CUDA devices, trainer {local_rank} of this machine needs one of its own; "
            "start fewer, or take device cpu"
        )
    torch.cuda.set_device(local_rank)


@dataclass(frozen=True, slots=True)
class _OwnChunks:
    chunks: Chunks
    group: Group

    def ready(self, number: int) -> bool:
        return self.chunks.ready(self.group.first_chunk(number))

    def load(self, number: int) -> Sequence[Labelled]:
        return self.chunks.load(self.group.first_chunk(number))

    def release(self, number: int) -> None:
        self.chunks.release(self.group.first_chunk(number))
