"""The child's side of `streaming/isolation.py`: `Outlet`, and what runs a function under its limits."""

from __future__ import annotations

import os
import signal
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import parent_process
from typing import Any, TypeAlias

from streaming.errors import LimitExceeded, ReaderDied, StreamingError
from streaming.limits import Limits, limit_process, wall_clock_paused

Pipe: TypeAlias = "Connection[Any, Any]"
LONGEST_REASON = 2_000
"""Characters of an error's text that are passed on; parsers quote what they were fed."""


class Outlet:
    """What a child's function sends its messages through.

    Attributes:
        limits: the limits this child runs under.
    """

    def __init__(self, pipe: Pipe, limits: Limits) -> None:
        self._pipe = pipe
        self.limits = limits
        self._sending = threading.Lock()

    def send(self, message: object) -> None:
        """Sends plain Python values, or classes that the parent admits; waits while the pipe is full.

        Any thread may send.

        Raises:
            BrokenPipeError: the parent is gone. Let it pass: the child then ends without a word.
        """
        with self._sending, wall_clock_paused():
            self._pipe.send(("message", message))


def run_child(pipe: Pipe, limits: Limits, function: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    """Runs `function(outlet, *arguments)` to its end and sends how it ended; the main function of a child."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then ends its children
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        limit_process(limits)
        function(Outlet(pipe, limits), *arguments)
        last: tuple[str, ...] = ("done",)
    except BrokenPipeError:
        return
    except BaseException as error:  # noqa: BLE001  # the process ends here; panics of readers are no Exception
        last = _as_message(error, limits)
    with suppress(BrokenPipeError), wall_clock_paused():
        pipe.send(last)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _as_message(error: BaseException, limits: Limits) -> tuple[str, ...]:
    """("error", name of a class of `streaming.errors`, its message, the traceback for logs)."""
    if isinstance(error, StreamingError):
        return ("error", type(error).__name__, str(error)[:LONGEST_REASON], "")
    if isinstance(error, MemoryError):
        allowed = "" if limits.memory_bytes is None else f" of {limits.memory_bytes >> 20} MiB"
        reason = (
            f"reading it takes more memory than the limit{allowed}; the recording is damaged or too large"
        )
        return ("error", LimitExceeded.__name__, reason, "")
    if isinstance(error, SystemExit):
        return ("error", ReaderDied.__name__, f"the reader ended itself with status {error.code}", "")
    reason = f"the reader failed with {type(error).__name__}: {error}"[:LONGEST_REASON]
    trace = "".join(traceback.format_exception(error, limit=-8))
    return ("error", ReaderDied.__name__, reason, trace[-4 * LONGEST_REASON :])
