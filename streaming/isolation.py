"""`Child`: what parses hostile files, or waits for live events, runs in a process of its own under limits.

Parsers of hostile files hang while they hold the GIL, take all memory, abort or crash; drivers of live
sources may block for good. None of that may touch the process that serves, so each recording and each live
source is read in a child that the kernel stops at its limits (`streaming/limits.py`). A function sends
messages through its `Outlet` (`streaming/outlet.py`), the parent iterates over them::

    def read(outlet: Outlet, path: Path) -> None:
        outlet.limits.check_size(path)
        outlet.send(info)

    with Child(read, (path,), limits=Limits(), admits=(SourceInfo,)) as child:
        for message in child: ...
"""

from __future__ import annotations

import io
import multiprocessing
import pickle
import signal
import sys
import threading
from collections.abc import Callable
from functools import cache
from multiprocessing.context import ForkServerContext, ForkServerProcess
from types import ModuleType
from typing import Any, Self

from streaming import errors
from streaming.errors import LimitExceeded, ReaderDied, StreamingError
from streaming.limits import Limits
from streaming.outlet import Outlet, run_child

PRELOAD = (
    "streaming.filters.chain",
    "streaming.readers.es",
    "streaming.readers.evt2",
    "streaming.readers.evt21",
    "streaming.readers.evt3",
    "streaming.ring",
    "streaming.sensor_health.watch",
    "streaming.slicing",
    "streaming.sources",
    "streaming.writers.evt3",
)
"""Imported once in the forkserver: children inherit the compiled kernels and start in milliseconds."""
BACKSTOP_S = 5.0
"""A child silent for this much longer than its wall limit ignores its own alarm, and is killed."""
MAX_MESSAGE_BYTES = 16 << 20
REAP_S = 10.0

_starting = threading.Lock()


@cache
def context() -> ForkServerContext:
    """The one multiprocessing context of child processes: a forkserver with the kernels preloaded."""
    forkserver = multiprocessing.get_context("forkserver")
    forkserver.set_forkserver_preload(list(PRELOAD))
    return forkserver


def warm() -> None:
    """Starts the forkserver and waits until it answers (about a second), so that the first child is fast."""
    with Child(_nothing, limits=Limits(), name="warm-up") as child:
        for _ in child:
            pass


class Child:
    """A running child process, and an iterator over its messages.

    The iterator ends when the function returned or `kill` was called. An error of `streaming/errors.py` in
    the child is raised again as itself. Iterating blocks: on an event loop, do it in a thread. Messages are
    unpickled with plain values and the classes of `admits` alone, so that even a child that was taken over
    can run nothing here.

    Attributes:
        pid: process id of the child.

    Args:
        function: importable by name; called in the child as `function(outlet, *arguments)`.
        arguments: picklable; connections and `RingWriter`s are handed over.
        limits: what the child may take.
        admits: classes that messages may hold, besides plain Python values.
        name: shown in process lists and logs.

    Raises:
        LimitExceeded: from the iterator; a limit was passed, by the reader's word or the kernel's.
        ReaderDied: from the iterator; the child ended without a word, or failed with no error of ours.
        StreamingError: from the iterator; what the child's function raised.
    """

    def __init__(
        self,
        function: Callable[..., None],
        arguments: tuple[Any, ...] = (),
        *,
        limits: Limits,
        admits: tuple[type, ...] = (),
        name: str = "reader",
    ) -> None:
        self._limits, self._admits = limits, {(kind.__module__, kind.__qualname__): kind for kind in admits}
        self._killed = self._overdue = self._ended = self._closed = False
        self._ending = threading.Lock()
        self._pipe, sender = context().Pipe(duplex=False)
        self._process = context().Process(
            target=run_child, args=(sender, limits, function, arguments), name=name, daemon=True
        )
        try:
            _start(self._process)
        except BaseException:
            self._pipe.close()
            raise
        finally:
            sender.close()
        self.pid = self._process.pid or 0

    def kill(self) -> None:
        """Ends the child at once, from any thread; its iterator then ends without an error."""
        with self._ending:
            self._killed = True
            if not self._closed:
                self._process.kill()

    def close(self) -> None:
        """Kills the child where it still runs and frees what it held. The iterator must not be running."""
        with self._ending:
            if self._closed:
                return
            self._ended = self._closed = True
            self._process.kill()
            self._process.join(REAP_S)
            self._pipe.close()
            self._process.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        if self._ended:
            raise StopIteration
        frame = self._receive()
        if frame[0] == "message":
            return frame[1]
        if frame[0] == "error":
            raise _error(*frame[1:])
        raise StopIteration

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _receive(self) -> tuple[Any, ...]:
        try:
            self._await_bytes()
            self._ended = True  # unless this turns out to be a message
            frame = _load(self._pipe.recv_bytes(MAX_MESSAGE_BYTES), self._admits)
        except (EOFError, OSError) as error:
            if self._killed:
                return ("done",)
            if self._pipe.closed:  # by recv_bytes, at a length beyond the allowed
                raise ReaderDied(f"the reader sent more than {MAX_MESSAGE_BYTES} bytes at once") from error
            raise self._cause_of_death() from error
        self._ended = frame[0] != "message"
        return frame

    def _await_bytes(self) -> None:
        wall_s = self._limits.wall_s
        if not self._pipe.poll(None if wall_s is None else wall_s + BACKSTOP_S):
            self._overdue = True
            self._process.kill()
            self._process.join(REAP_S)

    def _cause_of_death(self) -> StreamingError:
        self._process.join(REAP_S)
        code = self._process.exitcode
        if self._overdue or code == -signal.SIGALRM:
            return LimitExceeded(
                f"reading took longer than {self._limits.wall_s} s and was stopped; the recording is "
                "damaged, or too large for this limit"
            )
        if code == -signal.SIGXCPU:
            return LimitExceeded(
                f"reading took more than {self._limits.cpu_s} s of CPU time and was stopped; the recording "
                "is damaged, or too large for this limit"
            )
        return ReaderDied(
            f"the process that read it {_how_it_ended(code)}; a damaged recording or a broken "
            "peer is the likely cause"
        )


class _Messages(pickle.Unpickler):
    """An unpickler that makes plain values and admitted classes, and calls nothing else."""

    def __init__(self, data: bytes, admits: dict[tuple[str, str], type]) -> None:
        super().__init__(io.BytesIO(data))
        self._admits = admits

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self._admits[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name} is not admitted") from None


def _load(data: bytes, admits: dict[tuple[str, str], type]) -> tuple[Any, ...]:
    try:
        frame: object = _Messages(data, admits).load()
    except Exception as error:  # what a broken process wrote may raise anything
        raise ReaderDied(f"the reader sent something that is no message: {error}") from error
    match frame:
        case ("message", _) | ("done",) | ("error", str(), str(), str()) if isinstance(frame, tuple):
            return frame
        case _:
            raise ReaderDied("the reader sent something that is no message")


def _start(process: ForkServerProcess) -> None:
    """Starts `process` without the parent's main script.

    A child would otherwise import that script (the whole command line, with the service behind it) before it
    does anything; what runs in our children is importable by its own name.
    """
    with _starting:
        main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
        try:
            process.start()
        finally:
            sys.modules["__main__"] = main


def _error(name: str, reason: str, trace: str) -> StreamingError:
    kind = getattr(errors, name, ReaderDied)
    error: StreamingError = (kind if issubclass(kind, StreamingError) else ReaderDied)(reason)
    if trace:
        error.add_note(f"In the reader's process:\n{trace}")
    return error


def _how_it_ended(code: int | None) -> str:
    if code is None:
        return "closed its pipe and went on"
    if code >= 0:
        return f"ended by itself with status {code}"
    hint = {signal.SIGKILL: " (out of memory?)", signal.SIGABRT: " (past its memory limit?)"}
    return f"died of {signal.Signals(-code).name}{hint.get(signal.Signals(-code), '')}"


def _nothing(_outlet: Outlet) -> None:
    """What the warm-up child does."""
