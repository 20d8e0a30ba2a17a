"""Children under limits: real processes that hang, balloon, crash and lie."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from streaming import errors, isolation
from streaming.errors import LimitExceeded, ReaderDied
from streaming.isolation import Child, context, warm
from streaming.limits import Limits
from tests.streaming import children
from tests.streaming.children import Note

TIGHT = Limits(memory_bytes=512 << 20, cpu_s=20, wall_s=20)


@pytest.fixture(scope="module", autouse=True)
def _forkserver() -> None:
    warm()


def run(function: Callable[..., None], *arguments: Any, limits: Limits = TIGHT) -> list[Any]:
    with Child(function, arguments, limits=limits, admits=(Note,)) as child:
        return list(child)


def fails(function: Callable[..., None], *arguments: Any, limits: Limits = TIGHT) -> errors.StreamingError:
    with pytest.raises(errors.StreamingError) as caught:
        run(function, *arguments, limits=limits)
    return caught.value


def test_messages_arrive_typed_and_in_order() -> None:
    assert run(children.send_notes, 500) == [Note(f"note {i}", (i, i * i)) for i in range(500)]
    assert run(children.send_plain) == [{"a": [1, 2.5, None, True, b"x", "y"]}]


@pytest.mark.parametrize(
    "kind",
    [kind for kind in vars(errors).values() if isinstance(kind, type)],
    ids=lambda kind: kind.__name__,
)
def test_our_errors_come_back_as_themselves(kind: type[errors.StreamingError]) -> None:
    error = fails(children.raise_by_name, kind.__name__, "found 7, allowed 1..5")
    assert type(error) is kind
    assert str(error) == "found 7, allowed 1..5"


@pytest.mark.parametrize("name", ["ValueError", "PanicException", "KeyboardInterrupt", "OSError"])
def test_other_errors_are_a_dead_reader_with_its_traceback(name: str) -> None:
    error = fails(children.raise_by_name, name, "capacity overflow")
    assert type(error) is ReaderDied
    assert f"{name}: capacity overflow" in str(error)
    assert "raise_by_name" in error.__notes__[0]


def test_long_reasons_are_cut() -> None:
    assert len(str(fails(children.raise_by_name, "BadSource", "x" * 1_000_000))) == 2_000


def test_a_spin_that_holds_the_gil_is_stopped_by_the_wall_clock() -> None:
    error = fails(children.spin_holding_the_gil, limits=Limits(wall_s=0.3))
    assert type(error) is LimitExceeded
    assert "longer than 0.3 s" in str(error)


def test_a_spin_is_stopped_by_its_cpu_time() -> None:
    error = fails(children.spin_holding_the_gil, limits=Limits(cpu_s=0.5))
    assert type(error) is LimitExceeded
    assert "0.5 s of CPU time" in str(error)


def test_a_child_that_ignores_its_alarm_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "BACKSTOP_S", 0.1)
    error = fails(children.ignore_the_alarm, limits=Limits(wall_s=0.2))
    assert type(error) is LimitExceeded


def test_memory_is_limited() -> None:
    error = fails(children.take_memory)
    assert type(error) is LimitExceeded
    assert "512 MiB" in str(error)


@pytest.mark.parametrize(
    "number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL, signal.SIGBUS, signal.SIGTERM]
)
def test_death_by_a_signal_names_it(number: signal.Signals) -> None:
    error = fails(children.kill_itself, number.value)
    assert type(error) is ReaderDied
    assert number.name in str(error)


@pytest.mark.parametrize(
    ("function", "says"), [(children.exit_politely, "status 3"), (children.exit_at_once, "status 3")]
)
def test_an_exit_is_a_dead_reader(function: Callable[..., None], says: str) -> None:
    error = fails(function, 3)
    assert type(error) is ReaderDied
    assert says in str(error)


def test_what_was_sent_before_death_is_still_read() -> None:
    with Child(children.exit_at_once, (0,), limits=TIGHT) as child:
        assert next(child) == "last words"
        with pytest.raises(ReaderDied):
            next(child)
        assert list(child) == []


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (children.send_forbidden, "not admitted"),
        (children.send_rubbish, "no message"),
        (children.send_an_unknown_frame, "no message"),
        (children.send_too_much, "bytes at once"),
    ],
)
def test_frames_of_a_broken_child_are_refused(function: Callable[..., None], says: str) -> None:
    error = fails(function)
    assert type(error) is ReaderDied
    assert says in str(error)


def test_a_child_that_closes_its_pipe_and_stays_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "REAP_S", 0.2)
    with Child(children.close_the_pipe_and_stay, limits=TIGHT) as child:
        pid = child.pid
        with pytest.raises(ReaderDied, match="closed its pipe"):
            next(child)
    assert not psutil.pid_exists(pid)


def test_waiting_for_a_slow_consumer_does_not_count_as_wall_time() -> None:
    with Child(children.send_without_end, (60_000,), limits=Limits(wall_s=0.5)) as child:
        assert len(next(child)) == 60_000
        threading.Event().wait(0.9)  # the child fills the pipe and waits; its alarm is past
        for _ in range(4):
            assert len(next(child)) == 60_000


def test_leaving_the_block_ends_a_child_that_still_runs() -> None:
    with Child(children.sleep_for_ever, limits=TIGHT) as child:
        assert next(child) == child.pid
    assert not psutil.pid_exists(child.pid)
    child.close()
    child.kill()
    assert list(child) == []


def test_kill_from_another_thread_ends_the_iterator_quietly() -> None:
    with Child(children.sleep_for_ever, limits=TIGHT) as child:
        next(child)
        killer = threading.Timer(0.1, child.kill)
        killer.start()
        assert list(child) == []
        killer.join()


def test_a_function_that_cannot_be_handed_over_leaves_nothing() -> None:
    before = open_files()
    with pytest.raises(Exception, match=r"pickle|local"):
        Child(lambda outlet: None, limits=TIGHT)
    assert open_files() == before


def test_fifty_children_leave_nothing_behind() -> None:
    run(children.send_plain)
    files, processes = open_files(), own_children()
    for i in range(50):
        with Child(children.send_notes, (i,), limits=TIGHT, admits=(Note,)) as child:
            if i % 2:
                assert len(list(child)) == i
    assert open_files() == files
    assert own_children() == processes


def test_a_child_does_not_import_the_parents_main_script(tmp_path: Path) -> None:
    script = tmp_path / "main_script.py"
    script.write_text(
        textwrap.dedent(
            """
            import sys
            from streaming.isolation import Child
            from streaming.limits import Limits
            from tests.streaming import children
            print("imported as", __name__, flush=True)
            if __name__ == "__main__":
                with Child(children.send_plain, limits=Limits()) as child:
                    print(len(list(child)))
            """
        )
    )
    assert run_script(script) == ["imported as __main__", "1"]


def test_children_end_with_a_killed_parent(tmp_path: Path) -> None:
    script = tmp_path / "killed_parent.py"
    script.write_text(
        textwrap.dedent(
            """
            import os, signal
            from streaming.isolation import Child
            from streaming.limits import Limits
            from tests.streaming import children
            child = Child(children.sleep_for_ever, limits=Limits.live())
            print(next(child), flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
            """
        )
    )
    (pid,) = run_script(script, expect=-signal.SIGKILL)
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(int(pid)).wait(timeout=20)
    assert not psutil.pid_exists(int(pid))


def run_script(script: Path, expect: int = 0) -> list[str]:
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (expect, "")
    return done.stdout.split("\n")[:-1]


def open_files() -> int:
    return psutil.Process().num_fds()


def own_children() -> set[int]:
    return {process.pid for process in psutil.Process().children(recursive=True)}


def test_the_context_is_one() -> None:
    assert context() is context()
