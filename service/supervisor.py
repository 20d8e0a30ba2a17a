"""`Supervisor`: keeps one inference worker running and carries messages between it and the streams."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import structlog

from service.channel import AsyncChannel, ChannelClosed, Message, socket_pair
from service.errors import WorkerNotReady, from_wire
from service.settings import Settings
from service.worker_config import WorkerConfig, config_to_wire

WorkerState = Literal["starting", "ready", "restarting", "stopped"]

FIRST_BACKOFF_S = 0.1
LONGEST_BACKOFF_S = 10.0
STEADY_S = 30.0
"""A worker that was ready for this long is started again without delay."""

_log = structlog.get_logger("service.supervisor")


class Client(Protocol):
    """A stream, as the supervisor sees it. All calls come on the event loop and must not block."""

    id: str

    def worker_said(self, message: Message) -> None:
        """A message that names this stream."""

    def worker_lost(self) -> None:
        """The worker is gone, with everything it had."""

    def worker_back(self) -> None:
        """A worker is ready; streams must be opened again."""


@dataclass(frozen=True, slots=True)
class WorkerHealth:
    """What is known of the worker.

    Attributes:
        state: "starting", "ready", "restarting" or "stopped".
        pid: of the running process, None without one.
        engine, device: as the worker reports them; as configured until then.
        restarts: how often it was started again.
        models: those in memory when it last became ready.
        problem: why the last start failed, None where it did not.
    """

    state: WorkerState
    pid: int | None
    engine: str
    device: str
    restarts: int
    models: tuple[str, ...]
    problem: str | None


class Supervisor:
    """Starts the worker, notices its death at once, starts it again with growing delay.

    Args:
        settings: engine, device, threads and sizes.
        on_restart: called each time the worker has died.
    """

    def __init__(self, settings: Settings, on_restart: Callable[[], None]) -> None:
        self._settings, self._on_restart = settings, on_restart
        self._clients: dict[str, Client] = {}
        self._channel: AsyncChannel | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._task: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._state: WorkerState = "stopped"
        self._stopping = False
        self._engine, self._device = settings.engine, settings.device
        self._wanted_models: tuple[str, ...] = ()
        self._models: tuple[str, ...] = ()
        self._problem: str | None = None
        self._restarts = 0

    @property
    def ready(self) -> bool:
        """Warmed up and taking streams."""
        return self._ready.is_set()

    def health(self) -> WorkerHealth:
        pid = None if self._process is None else self._process.pid
        return WorkerHealth(
            self._state, pid, self._engine, self._device, self._restarts, self._models, self._problem
        )

    def start(self, models: tuple[str, ...]) -> None:
        """Begins to start the worker; `ready` turns true later, when it has these models."""
        self._wanted_models = tuple(dict.fromkeys(models))
        self._state = "starting"
        self._task = asyncio.create_task(self._supervise(), name="worker-supervisor")

    async def stop(self, timeout_s: float) -> None:
        """Ends the worker in order, or after `timeout_s` by force."""
        self._stopping, self._state = True, "stopped"
        self._ready.clear()
        if self._channel is not None:
            self._channel.send({"type": "stop"})
        if self._task is not None:
            await self._join(self._task, timeout_s)

    async def wait_ready(self, timeout_s: float) -> None:
        """Raises WorkerNotReady where the worker is not ready within `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._ready.wait()
        except TimeoutError:
            why = f" ({self._problem})" if self._problem else ""
            raise WorkerNotReady(
                f"the inference worker is {self._state} and was not ready within {timeout_s:g} s{why}; "
                "try again in some seconds"
            ) from None

    def attach(self, client: Client) -> None:
        """From now on `client` hears of the worker; it must open its stream itself when there is one."""
        self._clients[client.id] = client

    def detach(self, client: Client) -> None:
        """Forgets the client; the worker forgets its stream."""
        if self._clients.pop(client.id, None) is not None:
            self.send({"type": "close", "stream": client.id})

    def send(self, message: Message) -> None:
        """To the worker; lost without one (its clients hear of its death and begin anew)."""
        if self._channel is not None and self.ready:
            self._channel.send(message)

    async def _join(self, task: asyncio.Task[None], timeout_s: float) -> None:
        done, _ = await asyncio.wait([task], timeout=timeout_s)
        if not done:
            task.cancel()
            await asyncio.wait([task], timeout=timeout_s)

    async def _supervise(self) -> None:
        delay_s = 0.0
        while not self._stopping:
            await asyncio.sleep(delay_s)
            begun_s = time.monotonic()
            try:
                await self._live_once()
            except (ChannelClosed, OSError, TimeoutError, WorkerNotReady) as error:
                self._problem = None if self.ready else str(error)
            finally:
                await self._bury()
            if not self._stopping:
                delay_s = self._next_delay(delay_s, time.monotonic() - begun_s)

    def _next_delay(self, delay_s: float, lived_s: float) -> float:
        """Notes the death; how long to wait before the next start."""
        self._state, self._restarts = "restarting", self._restarts + 1
        self._on_restart()
        _log.warning("worker died", restarts=self._restarts, lived_s=round(lived_s, 1), problem=self._problem)
        if delay_s == 0.0 or lived_s > STEADY_S:
            return FIRST_BACKOFF_S
        return min(LONGEST_BACKOFF_S, delay_s * 2)

    async def _live_once(self) -> None:
        """One life of the worker, from its start to the end of its channel."""
        ours, theirs = socket_pair()
        with theirs:
            self._process = await asyncio.to_thread(_launch, theirs.fileno())
        self._channel = await AsyncChannel.open(ours)
        self._channel.send(config_to_wire(self._config()))
        async with asyncio.timeout(self._settings.worker_start_s):
            message, _ = await self._channel.recv()
        if message["type"] != "ready":
            raise WorkerNotReady(str(from_wire(message)))
        self._welcome(message)
        while True:
            message, _ = await self._channel.recv()
            client = self._clients.get(message["stream"])
            if client is not None:
                client.worker_said(message)

    def _welcome(self, ready: Message) -> None:
        self._engine, self._device = ready["engine"], ready["device"]
        self._models, self._problem = tuple(ready["models"]), None
        if self._stopping:
            return
        self._state = "ready"
        self._ready.set()
        _log.info("worker ready", pid=ready["pid"], engine=self._engine, device=self._device)
        for client in list(self._clients.values()):
            client.worker_back()

    async def _bury(self) -> None:
        """Makes sure the process is gone, and tells the streams."""
        was_ready = self.ready
        self._ready.clear()
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if self._process is not None:
            await asyncio.shield(asyncio.to_thread(_reap, self._process))
            self._process = None
        if was_ready:
            for client in list(self._clients.values()):
                client.worker_lost()

    def _config(self) -> WorkerConfig:
        wanted = self._settings
        return WorkerConfig(
            models=self._wanted_models,
            models_dir=None if wanted.models_dir is None else str(wanted.models_dir),
            engine=wanted.engine,
            device=wanted.device,
            threads=wanted.threads,
            max_batch=wanted.max_batch,
            max_models=wanted.max_models,
            parent_pid=os.getpid(),
        )


def _launch(fd: int) -> subprocess.Popen[bytes]:
    """The worker as a fresh interpreter: no lock, thread or module of this process is in it."""
    root = str(Path(__file__).parents[1])
    path = os.pathsep.join(part for part in (root, os.environ.get("PYTHONPATH", "")) if part)
    environment: dict[str, Any] = {**os.environ, "PYTHONPATH": path}
    command = [sys.executable, "-m", "service.worker", str(fd)]
    return subprocess.Popen(command, pass_fds=(fd,), env=environment, stdin=subprocess.DEVNULL)


def _reap(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(0.5)  # it closed its channel: an orderly end needs a moment
    process.kill()
    process.wait()
