"""Steps through shared memory, between real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import psutil
import pytest

from streaming.errors import ReaderDied
from streaming.isolation import Child
from streaming.limits import Limits
from streaming.ring import StepMessage, StepRing, attach
from streaming.step import Step
from tests.streaming import children

SHAPE = (2, 3, 4)
TIGHT = Limits(cpu_s=20, wall_s=20)


def segments() -> set[str]:
    """Segments that this process made; other processes have theirs."""
    return {entry.name for entry in Path("/dev/shm").glob(f"spikesight-{os.getpid()}-*")}


def feed(ring: StepRing, n: int) -> Child:
    child = Child(children.feed_ring, (ring.writer(), n), limits=TIGHT, admits=(StepMessage,))
    ring.started()
    return child


def test_steps_cross_whole_and_in_order() -> None:
    with StepRing(SHAPE, 3) as ring, feed(ring, 40) as child:
        assert segments() == {ring.address.name}
        for i, message in enumerate(child):
            step = ring.step(message)
            assert (step.t_us, step.events) == ((10 * i, 10 * i + 10), i + 1)
            assert step.reset == ("start" if i == 0 else None)
            assert step.counts[i % 2, 2, 1] == i + 1
            assert int(step.counts.sum()) == i + 1
            ring.release(message.slot)
    assert i == 39


def test_a_writer_waits_for_free_slots() -> None:
    with StepRing(SHAPE, 2) as ring, feed(ring, 10) as child:
        first, second = next(child), next(child)
        assert {first.slot, second.slot} == {0, 1}
        assert not child._pipe.poll(0.2)
        assert ring.counts(first.slot).sum() == 1
        ring.release(second.slot)
        assert next(child).slot == second.slot
        assert ring.counts(first.slot).sum() == 1


def test_acquire_times_out_and_notices_a_closed_ring() -> None:
    ring = StepRing(SHAPE, 2)
    writer = ring.writer()
    assert writer.acquire().shape == SHAPE
    writer.acquire()
    with pytest.raises(TimeoutError, match="no slot of 2"):
        writer.acquire(0.01)
    ring.release(1)
    counts = writer.acquire(5)
    assert writer.message(Step(counts, (0, 10), 0, 0)).slot == 1
    ring.close()


def test_a_waiting_child_ends_when_the_ring_is_closed() -> None:
    ring = StepRing(SHAPE, 2)
    with feed(ring, 10) as child:
        next(child)
        next(child)
        ring.close()
        with pytest.raises(ReaderDied, match="status 0"):
            next(child)


def test_a_killed_writer_leaves_the_reader_whole() -> None:
    with StepRing(SHAPE, 2) as ring:
        with Child(children.hold_a_slot_and_die, (ring.writer(),), limits=TIGHT) as child:
            ring.started()
            assert next(child) == "acquired"
            with pytest.raises(ReaderDied, match="SIGKILL"):
                next(child)
        assert {int(ring.counts(0)[0, 0, 0]), int(ring.counts(1)[0, 0, 0])} == {0, 7}
        ring.release(0)


def test_views_outlive_the_ring_and_release_after_close_does_nothing() -> None:
    ring = StepRing(SHAPE, 2)
    view, other = ring.counts(1), attach(ring.address)
    view[:] = 5
    assert (other[1] == 5).all()
    ring.close()
    ring.close()
    ring.release(1)
    assert (view == 5).all()
    assert (other[1] == 5).all()
    with pytest.raises(FileNotFoundError):
        attach(ring.address)


def test_bad_messages_and_arrays_are_refused() -> None:
    with StepRing(SHAPE, 2) as ring:
        for slot in (-1, 2, 300):
            with pytest.raises(ValueError, match="ring of 2"):
                ring.step(StepMessage(slot, (0, 10), 0, 0, None))
        with pytest.raises(ValueError, match="no slot of this ring"):
            ring.writer().message(Step(np.zeros(SHAPE, np.uint16), (0, 10), 0, 0))


@pytest.mark.parametrize(("shape", "slots"), [(SHAPE, 1), (SHAPE, 256), ((2, 0, 4), 4)])
def test_bad_settings_are_refused(shape: tuple[int, int, int], slots: int) -> None:
    before = segments()
    with pytest.raises(ValueError, match="a ring has"):
        StepRing(shape, slots)
    assert segments() == before


def test_full_shared_memory_is_an_error_not_a_crash() -> None:
    before = segments()
    free = os.statvfs("/dev/shm")
    cells = 2 * free.f_frsize * free.f_blocks // (2 * 200) // 2
    with pytest.raises(OSError, match="enlarge /dev/shm"):
        StepRing((2, cells, 1), 200)
    assert segments() == before


def test_fifty_rings_leave_no_segments_files_or_warnings(capfd: pytest.CaptureFixture[str]) -> None:
    with StepRing(SHAPE, 4) as ring, feed(ring, 3) as child:
        list(child)
    files, before = psutil.Process().num_fds(), segments()
    for i in range(50):
        with StepRing(SHAPE, 4) as ring, feed(ring, 3) as child:
            next(child) if i % 2 else list(child)
    assert psutil.Process().num_fds() == files
    assert segments() == before
    assert capfd.readouterr().err == ""


def test_a_killed_owner_leaves_no_segment() -> None:
    script = (
        "import os, signal; from streaming.ring import StepRing; ring = StepRing((2, 3, 4), 2);"
        "print(ring.address.name, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert done.stdout.startswith("spikesight-")
    assert not (
        Path("/dev/shm") / done.stdout.strip()
    ).exists()  # the resource tracker held stderr open until it was done


def test_slots_are_released_by_any_thread() -> None:
    with StepRing(SHAPE, 4) as ring, feed(ring, 200) as child:
        seen = 0
        for message in child:
            seen += ring.step(message).events
            thread = threading.Thread(target=ring.release, args=(message.slot,))
            thread.start()
            thread.join()
    assert seen == 200 * 201 // 2
