"""Functions that tests run in child processes; each is imported there by name."""

from __future__ import annotations

import builtins
import itertools
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streaming import errors
from streaming.events import Events
from streaming.letterbox import Letterbox
from streaming.outlet import Outlet
from streaming.ring import RingWriter
from streaming.slicing import Stepper
from streaming.sources import open_recording


@dataclass(frozen=True, slots=True)
class Note:
    text: str
    numbers: tuple[int, ...]


class PanicException(BaseException):
    """As Rust readers raise it: no `Exception`."""


def send_notes(outlet: Outlet, n: int) -> None:
    for i in range(n):
        outlet.send(Note(f"note {i}", (i, i * i)))


def send_plain(outlet: Outlet) -> None:
    outlet.send({"a": [1, 2.5, None, True, b"x", "y"]})


def raise_by_name(_outlet: Outlet, name: str, reason: str) -> None:
    raise {**vars(errors), **vars(builtins), "PanicException": PanicException}[name](reason)


def spin_holding_the_gil(outlet: Outlet) -> None:
    outlet.send("spinning")
    sum(itertools.repeat(1))  # one C loop without an end: no other thread, no Python signal handler runs


def sleep_for_ever(outlet: Outlet) -> None:
    outlet.send(os.getpid())
    time.sleep(3_600)


def ignore_the_alarm(outlet: Outlet) -> None:
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    sleep_for_ever(outlet)


def take_memory(_outlet: Outlet) -> None:
    blocks = [np.ones(1 << 20) for _ in range(1_000)]
    del blocks


def kill_itself(_outlet: Outlet, number: int) -> None:
    os.kill(os.getpid(), number)
    time.sleep(60)


def exit_politely(_outlet: Outlet, status: int) -> None:
    sys.exit(status)


def exit_at_once(outlet: Outlet, status: int) -> None:
    outlet.send("last words")
    os._exit(status)


def send_forbidden(outlet: Outlet) -> None:
    outlet.send(Path("/etc/passwd"))


def send_rubbish(outlet: Outlet) -> None:
    outlet._pipe.send_bytes(b"\x80\x04rubbish")


def send_an_unknown_frame(outlet: Outlet) -> None:
    outlet._pipe.send(("order", "of another kind"))


def send_too_much(outlet: Outlet) -> None:
    outlet.send(b"x" * (17 << 20))


def send_without_end(outlet: Outlet, chunk: int) -> None:
    while True:
        outlet.send(b"x" * chunk)


def close_the_pipe_and_stay(outlet: Outlet) -> None:
    outlet._pipe.close()
    time.sleep(3_600)


def feed_ring(outlet: Outlet, writer: RingWriter, n: int) -> None:
    """n steps of 10 us; step i holds i + 1 events in one pixel."""
    stepper = Stepper(Letterbox(4, 3, 4, 3), 10, allocate=writer.acquire)
    for i in range(n):
        count = i + 1
        events = Events.of([10 * i] * count, [1] * count, [2] * count, [i % 2] * count)
        for step in stepper.push(events):
            outlet.send(writer.message(step))
    last = stepper.flush()
    if last is not None:
        outlet.send(writer.message(last))


def hold_a_slot_and_die(outlet: Outlet, writer: RingWriter) -> None:
    writer.acquire()[:] = 7
    outlet.send("acquired")
    os.kill(os.getpid(), signal.SIGKILL)


def step_recording(outlet: Outlet, path: str, width: int, height: int) -> None:
    """Reads and steps a recording to its end as uploads are, and sends how many events there were."""
    outlet.limits.check_size(Path(path))
    with open_recording(path, width=width, height=height) as recording:
        info, events = recording.info, 0
        stepper = Stepper(Letterbox(info.width, info.height, 64, 48), 10_000)
        for packet in outlet.limits.enforced(recording.packets()):
            events += sum(step.events for step in stepper.push(packet))
        last = stepper.flush()
    outlet.send(events + (last.events if last is not None else 0))
