"""`StepRing`: steps cross from a child process by shared memory, without copies and with back-pressure.

::

    child                                       parent
    RingWriter.acquire()  a free slot           StepRing(shape, slots)
      Stepper counts into it
    StepMessage over the caller's own pipe -->  StepRing.step(message): a view of the slot
    acquire() waits while none is free    <--   StepRing.release(slot)

Free slots travel back over a pipe of their own, one byte each, so that a writer wakes at once and either end
notices the other's death. The parent makes the segment and removes its name in `close`; where the parent is
killed, multiprocessing's resource tracker removes it. Writers and other attached processes never own it.
"""

from __future__ import annotations

import _posixshmem  # type: ignore[import-not-found]  # CPython's own, without stubs
import errno
import mmap
import os
import secrets
import threading
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.shared_memory import SharedMemory
from typing import Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from streaming.step import ResetReason, Step

MAX_SLOTS = 255
Counts: TypeAlias = NDArray[np.uint16]
Shape: TypeAlias = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class StepMessage:
    """A `Step` whose counts lie in a slot of a ring; small enough for a pipe."""

    slot: int
    t_us: tuple[int, int]
    events: int
    newest_us: int
    reset: ResetReason | None


@dataclass(frozen=True, slots=True)
class RingAddress:
    """What another process needs to see a ring's slots: `attach(address)[slot]`."""

    name: str
    shape: Shape
    slots: int


def attach(address: RingAddress) -> Counts:
    """(slots, 2, H, W) uint16 view of the ring's shared memory; lives as long as it is used.

    Raises:
        FileNotFoundError: the ring was closed.
    """
    fd = _open(address.name)
    try:
        memory = mmap.mmap(fd, _bytes(address))
    finally:
        os.close(fd)
    return np.frombuffer(memory, np.uint16, _bytes(address) // 2).reshape(address.slots, *address.shape)


class StepRing:
    """The parent's end: makes the ring, reads slots, gives them back.

    A slot is released by whoever is done with its step, in any thread.

    Args:
        shape: (2, H, W) of every step.
        slots: steps that may be on their way at the same time, 2..255.

    Raises:
        ValueError: `slots` or `shape` is out of range.
        OSError: shared memory is full.
    """

    def __init__(self, shape: Shape, slots: int = 8) -> None:
        if not 2 <= slots <= MAX_SLOTS or len(shape) != 3 or min(shape) < 1:
            raise ValueError(f"a ring has 2..{MAX_SLOTS} slots of (2, H, W), got {slots} of {shape}")
        self._lock = threading.Lock()
        self.address = RingAddress(f"spikesight-{os.getpid()}-{secrets.token_hex(4)}", shape, slots)
        self._owner: SharedMemory | None = _reserve(self.address)
        self._counts = attach(self.address)
        read_fd, write_fd = os.pipe()
        self._free_reader = Connection(read_fd, writable=False)
        self._free = Connection(write_fd, readable=False)
        for slot in range(slots):
            self.release(slot)

    def writer(self) -> RingWriter:
        """The child's end, to be passed once as an argument of the child's function."""
        return RingWriter(self.address, self._free_reader)

    def started(self) -> None:
        """Call once the child has its writer: from now on only the child's end keeps the ring open."""
        self._free_reader.close()

    def counts(self, slot: int) -> Counts:
        """(2, H, W) uint16 view of a slot, good until it is released."""
        counts: Counts = self._counts[slot]
        return counts

    def step(self, message: StepMessage) -> Step:
        """The step of a message; its counts are a view that is good until `release(message.slot)`.

        Raises:
            ValueError: the message names no slot of this ring.
        """
        if not 0 <= message.slot < self.address.slots:
            raise ValueError(f"found slot {message.slot} in a ring of {self.address.slots}")
        counts = self.counts(message.slot)
        return Step(counts, message.t_us, message.events, message.newest_us, message.reset)

    def release(self, slot: int) -> None:
        """Gives a slot back to the writer; nothing happens where the writer is dead or the ring closed."""
        with self._lock, suppress(OSError):
            os.write(self._free.fileno(), bytes([slot]))

    def close(self) -> None:
        """Removes the segment's name and wakes a waiting writer; views that are held stay readable."""
        with self._lock:
            owner, self._owner = self._owner, None
            self._free_reader.close()
            self._free.close()
        if owner is not None:
            owner.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class RingWriter:
    """The child's end: gives free slots, tells which one a step lies in. Picklable while a child starts."""

    def __init__(self, address: RingAddress, free: Connection[int, int]) -> None:
        self._address, self._free = address, free
        self._slots: Counts | None = None

    def acquire(self, timeout_s: float | None = None) -> Counts:
        """(2, H, W) uint16 array of a free slot, its content undefined; waits for one where none is free.

        Raises:
            TimeoutError: no slot became free within `timeout_s`.
            BrokenPipeError: the parent closed the ring or died.
        """
        if not self._free.poll(timeout_s):
            raise TimeoutError(f"no slot of {self._address.slots} became free within {timeout_s} s")
        freed = os.read(self._free.fileno(), 1)
        if not freed:
            raise BrokenPipeError("the reader of the ring is gone")
        counts: Counts = self._mapped()[freed[0]]
        return counts

    def message(self, step: Step) -> StepMessage:
        """The message of a step whose counts `acquire` gave; the slot is the parent's from here on.

        Raises:
            ValueError: the counts lie in no slot of this ring.
        """
        offset = _pointer(step.counts) - _pointer(self._mapped())
        slot, rest = divmod(offset, step.counts.nbytes)
        if rest or not 0 <= slot < self._address.slots:
            raise ValueError("the step's counts lie in no slot of this ring; give acquire to the Stepper")
        return StepMessage(slot, step.t_us, step.events, step.newest_us, step.reset)

    def _mapped(self) -> Counts:
        if self._slots is None:
            self._slots = attach(self._address)
        return self._slots


def _reserve(address: RingAddress) -> SharedMemory:
    """A new segment whose pages exist, closed: only its name is kept, so that views may outlive the ring."""
    size = _bytes(address)
    segment = SharedMemory(address.name, create=True, size=size)
    segment.close()
    fd = _open(address.name)
    try:
        os.posix_fallocate(fd, 0, size)  # else the first write to a full /dev/shm is a SIGBUS
    except OSError as error:
        segment.unlink()
        raise OSError(
            error.errno or errno.ENOSPC,
            f"no {size >> 20} MiB of shared memory for steps ({error.strerror}); enlarge /dev/shm "
            "(docker: --shm-size) or run fewer streams",
        ) from error
    finally:
        os.close(fd)
    return segment


def _open(name: str) -> int:
    # SharedMemory would register the name with the resource tracker, which then removes it (or warns)
    # when the attached process ends; the one owner is the process that made the ring.
    fd: int = _posixshmem.shm_open(f"/{name}", os.O_RDWR, mode=0o600)
    return fd


def _bytes(address: RingAddress) -> int:
    channels, height, width = address.shape
    return 2 * address.slots * channels * height * width


def _pointer(array: Counts) -> int:
    return int(array.__array_interface__["data"][0])
