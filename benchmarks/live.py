"""What a live stream costs: idle, and watched in windows and rolling."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table
from websockets.exceptions import ConnectionClosed

from service.client import Client
from streaming.sources import open_source
from streaming.writers import write_recording
from tests.servers import RunningServer, free_port, running_server

SCENE = "sim://street?people=4&seed=1&duration_s=10&speed=max"
SECONDS = 20.0
SETTLE_S = 8.0
IDLE_STREAMS = 4


@dataclass(frozen=True, slots=True)
class Cost:
    """Shares of one core, 0..1, and messages a second to one viewer.

    Attributes:
        api, worker, children: CPU time over wall time, of the API process, the worker, all sources' children.
        messages: by their type.
    """

    api: float
    worker: float
    children: float
    messages: dict[str, float]

    @property
    def total(self) -> float:
        return self.api + self.worker + self.children


def run(console: Console, *, seconds: float = SECONDS) -> None:
    """Prints shares of a core; see docs/benchmarks.md."""
    table = Table(
        "one core, %", "API", "worker", "source", "all", "answers/s", "status/s", title="live streams"
    )
    with TemporaryDirectory() as folder:
        street = Path(folder) / "street.npy"
        with open_source(SCENE) as source:
            write_recording(source, street)
        with running_server(Path(folder) / "data", recordings_dir=folder) as service:
            meter = _Meter(service, seconds)
            nothing = meter.cost({})
            table.add_row("no stream", *_cells(nothing))
            idle = [f"udp://127.0.0.1:{free_port()}?width=346&height=260" for _ in range(IDLE_STREAMS)]
            silent = meter.cost({f"idle-{n}": {"source": uri} for n, uri in enumerate(idle)}, watch="idle-0")
            table.add_row(
                f"an idle stream, a {IDLE_STREAMS}th of {IDLE_STREAMS}",
                *_cells(silent, nothing, IDLE_STREAMS),
            )
            for model in ("ems-nano", "ems-nano-rolling"):
                spec = {"source": f"file://{street}?speed=1&loop=1", "model": model}
                table.add_row(
                    f"a street, {model}", *_cells(meter.cost({"street": spec}, watch="street"), nothing)
                )
    console.print(table)


def _cells(cost: Cost, less: Cost | None = None, streams: int = 1) -> list[str]:
    def share(of: Callable[[Cost], float]) -> str:
        return f"{100 * (of(cost) - (of(less) if less else 0.0)) / streams:.2f}"

    shares = [
        share(lambda c: c.api),
        share(lambda c: c.worker),
        share(lambda c: c.children),
        share(lambda c: c.total),
    ]
    return [*shares, *(f"{cost.messages.get(kind, 0.0):.1f}" for kind in ("detections", "status"))]


class _Meter:
    """Runs streams in a service for a while."""

    def __init__(self, service: RunningServer, seconds: float) -> None:
        self._service, self._seconds = service, seconds
        self._api = psutil.Process(service.pid)

    def cost(self, specs: dict[str, dict[str, Any]], watch: str | None = None) -> Cost:
        with Client(self._service.url) as client:
            worker = psutil.Process(client.health()["worker"]["pid"])
            for name, spec in specs.items():
                client.start_stream(spec.pop("source"), name=name, keep=False, **spec)
            seen: dict[str, int] = {}
            if watch is not None:
                threading.Thread(target=self._watch, args=(watch, seen), daemon=True).start()
            time.sleep(SETTLE_S)
            before, counted, begun_s = self._times(worker), dict(seen), time.monotonic()
            time.sleep(self._seconds)
            took_s, after = time.monotonic() - begun_s, self._times(worker)
            for name in specs:
                client.stop_stream(name)
        messages = {kind: (seen[kind] - counted.get(kind, 0)) / took_s for kind in seen}
        return Cost(*((late - early) / took_s for early, late in zip(before, after, strict=True)), messages)

    def _times(self, worker: psutil.Process) -> tuple[float, float, float]:
        others = [child for child in self._api.children(recursive=True) if child.pid != worker.pid]
        return _cpu_s(self._api), _cpu_s(worker), sum(map(_cpu_s, others))

    def _watch(self, stream: str, seen: dict[str, int]) -> None:
        with Client(self._service.url) as client, suppress(ConnectionClosed):
            for message in client.watch(stream):
                seen[message["type"]] = seen.get(message["type"], 0) + 1


def _cpu_s(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess):
        return float(sum(process.cpu_times()[:2]))
    return 0.0
