"""`python -m benchmarks.soak`: ten minutes with four cameras over TCP, one of them killed every half minute.

The cameras are simulated streets, each served as AEDAT4 over TCP by a `spikesight camera` of its own; the
service reads them as `dv://`. Printed: how long each stream took to be live again, whether memory and
processes grow, and whether every event that came is in an answer or in a drop counter.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from websockets.exceptions import ConnectionClosed

from benchmarks.processes import family_mb, resident_mb
from service.client import Client
from streaming.sources import open_source
from streaming.writers import write_recording
from tests.servers import free_port, running_server

COMMAND = str(Path(sys.executable).with_name("spikesight"))
SETTLE_S = 4.0


@dataclass(frozen=True, slots=True)
class SoakSettings:
    """How long, how many, how often.

    Attributes:
        seconds: of the whole run.
        cameras: simulated cameras, a stream each.
        kill_s: time between two kills, one camera after the other.
        down_s: how long a killed camera stays away.
        scene_s: length of the simulated scene that each camera repeats.
        first_s: start of the run that memory is not judged in.
        scene: what is simulated, without seed, duration and speed.
    """

    seconds: float = 600.0
    cameras: int = 4
    kill_s: float = 30.0
    down_s: float = 2.0
    scene_s: float = 20.0
    first_s: float = 60.0
    scene: str = "sim://street?people=4"


@dataclass(slots=True)
class SoakReport:
    """What came out.

    Attributes:
        reconnects_s: from a camera listening again to the first answer from it, of each kill.
        growth: resident memory at the end over that after the first part, -1: API process, worker, all (PSS).
        megabytes: of the same at the end.
        processes: of the service when all streams ran first, and at the end.
        unaccounted: events that came less those in answers and drop counters, by stream.
        answers, events, dropped: by stream.
        behind_ms: median over answers, by stream.
    """

    reconnects_s: list[float] = field(default_factory=list)
    growth: dict[str, float] = field(default_factory=dict)
    megabytes: dict[str, float] = field(default_factory=dict)
    processes: tuple[int, int] = (0, 0)
    unaccounted: dict[str, int] = field(default_factory=dict)
    answers: dict[str, int] = field(default_factory=dict)
    events: dict[str, int] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    behind_ms: dict[str, float] = field(default_factory=dict)


class Camera:
    """One simulated camera on a port of its own; killed and started again."""

    def __init__(self, scene: Path, number: int) -> None:
        self.name, self.port = f"camera-{number}", free_port()
        self._scene = scene
        self._process: psutil.Popen | None = None

    def start(self) -> None:
        """Returns when it listens."""
        source = f"file://{self._scene}?speed=1&loop=1"
        command = [COMMAND, "camera", source, "--listen", f"127.0.0.1:{self.port}"]
        quiet = subprocess.DEVNULL
        self._process = psutil.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet)
        while not self._listens():
            if self._process.poll() is not None:
                raise RuntimeError(f"{' '.join(command)} ended with {self._process.returncode}")
            time.sleep(0.02)

    def kill(self) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        for process in [*self._process.children(recursive=True), self._process]:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()

    def _listens(self) -> bool:
        # Looked up, not tried: a connection that says nothing is a client to the camera.
        assert self._process is not None
        with suppress(psutil.NoSuchProcess):
            for process in [self._process, *self._process.children(recursive=True)]:
                listening = [c for c in process.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
                if any(connection.laddr.port == self.port for connection in listening):
                    return True
        return False


class Watcher:
    """Counts what one stream answers, as a viewer of it."""

    def __init__(self, url: str, stream: str) -> None:
        self.events = self.answers = 0
        self.behind_ms: list[float] = []
        self.last_s = 0.0
        self.lost = 0
        self.news = threading.Condition()
        self.watches = threading.Event()
        self._thread = threading.Thread(target=self._watch, args=(url, stream), daemon=True)
        self._thread.start()

    def wait_for_answer(self, after_s: float, patience_s: float) -> float | None:
        """When the first answer after `after_s` came, `time.monotonic()`; None where none does."""
        with self.news:
            there = self.news.wait_for(lambda: self.last_s > after_s, patience_s)
        return self.last_s if there else None

    def _watch(self, url: str, stream: str) -> None:
        # The service stops before its viewers do: a close is an end.
        with Client(url) as client, suppress(ConnectionClosed):
            for message in client.watch(stream):
                self.watches.set()
                if message["type"] == "detections":
                    self._count(message)
                elif message["type"] == "status":
                    self.lost = message.get("viewer", {}).get("dropped_frames", 0)

    def _count(self, message: dict[str, Any]) -> None:
        with self.news:
            self.events += message["events"]
            self.answers += 1
            self.behind_ms.append(message["behind_ms"])
            self.last_s = time.monotonic()
            self.news.notify_all()


class Memory:
    """Samples what the service holds, once a second."""

    def __init__(self, pid: int, worker_pid: int) -> None:
        self._api, self._worker = psutil.Process(pid), psutil.Process(worker_pid)
        self.samples: list[tuple[float, dict[str, float]]] = []
        self._begun_s = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def between(self, begin_s: float, end_s: float) -> dict[str, float]:
        """Medians over a part of the run, MB."""
        part = [sample for at_s, sample in self.samples if begin_s <= at_s <= end_s]
        if not part:
            raise RuntimeError(f"no sample of memory between {begin_s:g} and {end_s:g} s")
        return {name: statistics.median(sample[name] for sample in part) for name in part[0]}

    def _sample(self) -> None:
        while not self._stop.wait(1.0):
            with suppress(psutil.NoSuchProcess):
                sample = {
                    "API": resident_mb(self._api),
                    "worker": resident_mb(self._worker),
                    "all": family_mb(self._api),
                }
                self.samples.append((time.monotonic() - self._begun_s, sample))


def soak(settings: SoakSettings, console: Console) -> SoakReport:
    """Runs it and measures."""
    with TemporaryDirectory() as folder, ExitStack() as stack:
        scenes = [_scene(Path(folder), number, settings) for number in range(settings.cameras)]
        cameras = [Camera(scene, number) for number, scene in enumerate(scenes)]
        for camera in cameras:
            stack.callback(camera.kill)
        service = stack.enter_context(running_server(Path(folder) / "data"))
        client = stack.enter_context(Client(service.url))
        streams = {camera.name: _start(client, camera) for camera in cameras}
        watchers = {name: Watcher(service.url, stream) for name, stream in streams.items()}
        for camera in cameras:
            watchers[camera.name].watches.wait()
            camera.start()  # after its viewer, who counts every answer
        for watcher in watchers.values():
            if watcher.wait_for_answer(0.0, 60.0) is None:
                raise RuntimeError("a stream gave no answer within a minute")
        process = psutil.Process(service.pid)
        worker_pid = client.health()["worker"]["pid"]
        report = SoakReport()
        before = len(process.children(recursive=True))
        with Memory(service.pid, worker_pid) as memory:
            _torment(settings, cameras, watchers, report, console)
        report.processes = (before, len(process.children(recursive=True)))
        tail_s = min(settings.first_s, settings.seconds / 4)
        first = memory.between(settings.first_s, settings.first_s + tail_s)
        last = memory.between(settings.seconds - tail_s, settings.seconds)
        report.growth = {name: last[name] / first[name] - 1 for name in first}
        report.megabytes = last
        for camera in cameras:
            camera.kill()
        time.sleep(SETTLE_S)  # until what was under way is answered
        for name, stream in streams.items():
            _account(report, name, client.stream(stream), watchers[name])
        return report


def _torment(
    settings: SoakSettings,
    cameras: Sequence[Camera],
    watchers: dict[str, Watcher],
    report: SoakReport,
    console: Console,
) -> None:
    begun_s = time.monotonic()
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("soaking", total=settings.seconds)
        for number in itertools.count():
            next_s = (number + 1) * settings.kill_s
            if next_s + settings.down_s + 5 > settings.seconds:
                break
            while (elapsed_s := time.monotonic() - begun_s) < next_s:
                progress.update(task, completed=elapsed_s)
                time.sleep(min(1.0, next_s - elapsed_s))
            report.reconnects_s.append(_kill_one(settings, cameras[number % len(cameras)], watchers))
        while (elapsed_s := time.monotonic() - begun_s) < settings.seconds:
            progress.update(task, completed=elapsed_s)
            time.sleep(min(1.0, settings.seconds - elapsed_s))


def _kill_one(settings: SoakSettings, camera: Camera, watchers: dict[str, Watcher]) -> float:
    """Seconds from the camera listening again to the first answer."""
    camera.kill()
    time.sleep(settings.down_s)
    camera.start()
    back_s = time.monotonic()
    answered_s = watchers[camera.name].wait_for_answer(back_s, 60.0)
    return float("inf") if answered_s is None else answered_s - back_s


def _account(report: SoakReport, name: str, said: dict[str, Any], watcher: Watcher) -> None:
    dropped = said["dropped"]["events"]
    if watcher.lost:
        raise RuntimeError(
            f"the viewer of {name} lost {watcher.lost} answers; the machine is too busy to count"
        )
    report.unaccounted[name] = said["events"] - watcher.events - dropped
    report.answers[name], report.events[name], report.dropped[name] = watcher.answers, said["events"], dropped
    report.behind_ms[name] = statistics.median(watcher.behind_ms)


def _scene(folder: Path, number: int, settings: SoakSettings) -> Path:
    """A street simulated once and repeated: the simulator's own work would fill two cores."""
    path = folder / f"street-{number}.npy"
    with open_source(
        f"{settings.scene}&seed={number + 1}&duration_s={settings.scene_s:g}&speed=max"
    ) as street:
        write_recording(street, path)
    return path


def _start(client: Client, camera: Camera) -> str:
    stream: str = client.start_stream(f"dv://127.0.0.1:{camera.port}", name=camera.name)["id"]
    return stream


def show(report: SoakReport, settings: SoakSettings, console: Console) -> None:
    """The tables of docs/benchmarks.md."""
    growth = Table("memory", "MB at the end", "growth after the first minute", "target < 2 %")
    for name, share in report.growth.items():
        growth.add_row(name, f"{report.megabytes[name]:.0f}", f"{share:+.1%}", _mark(share < 0.02))
    console.print(growth)
    streams = Table("stream", "answers", "events", "dropped", "unaccounted", "behind ms, median")
    for name in report.answers:
        streams.add_row(
            name,
            str(report.answers[name]),
            str(report.events[name]),
            str(report.dropped[name]),
            str(report.unaccounted[name]),
            f"{report.behind_ms[name]:.0f}",
        )
    console.print(streams)
    worst = max(report.reconnects_s, default=0.0)
    console.print(
        f"{len(report.reconnects_s)} kills in {settings.seconds:g} s: live again after "
        f"{statistics.median(report.reconnects_s or [0.0]):.2f} s (median), {worst:.2f} s at worst "
        f"(target < 5 s, {_mark(worst < 5)})"
    )
    console.print(
        f"processes of the service: {report.processes[0]} at the start, {report.processes[1]} at the end "
        f"{_mark(report.processes[0] == report.processes[1])}"
    )


def _mark(met: bool) -> str:
    return "met" if met else "missed"


def main() -> None:
    usual = SoakSettings()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=usual.seconds)
    parser.add_argument("--cameras", type=int, default=usual.cameras)
    parser.add_argument("--kill", type=float, default=usual.kill_s, help="seconds between kills")
    options = parser.parse_args()
    first_s = min(usual.first_s, options.seconds / 3)
    settings = SoakSettings(options.seconds, options.cameras, options.kill, first_s=first_s)
    console = Console(width=120)
    show(soak(settings, console), settings, console)


if __name__ == "__main__":
    main()
