"""Servers for the tests of the HTTP surface: real sockets, a small fake or the real thing behind them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import uvicorn

from service.app import create_app
from service.routes.context import Context
from service.settings import Settings
from tests.servers import free_port
from tests.service.fakes import FakeRuntime
from tests.service.loops import RunningRuntime, running_runtime
from tests.service.recordings import write_recording

JOIN_S = 20


@dataclass(frozen=True, slots=True)
class Served:
    """An application on a real port, in a thread of this process, and what lies behind it."""

    url: str
    runtime: FakeRuntime
    context: Context
    data_dir: Path

    @property
    def ws(self) -> str:
        return self.url.replace("http", "ws", 1)

    def client(self, **options: object) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=20, **options)  # type: ignore[arg-type] # passed on

    def uploads(self) -> list[Path]:
        return list((self.data_dir / "uploads").iterdir())


Serve = Callable[..., Served]


@contextmanager
def served(data_dir: Path, **chosen: object) -> Iterator[Served]:
    settings = Settings(data_dir=data_dir, **{"disk_reserve_bytes": 0, **chosen})  # type: ignore[arg-type] # pydantic checks
    app = create_app(settings, FakeRuntime)  # type: ignore[arg-type] # a stand-in
    config = uvicorn.Config(
        app, port=free_port(), log_config=None, access_log=False, ws_max_size=2 * settings.max_frame_bytes
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=asyncio.run, args=(server.serve(),))
    thread.start()
    try:
        while not server.started and thread.is_alive():
            thread.join(0.01)
        assert thread.is_alive(), "the application did not start"
        context: Context = app.state.context
        yield Served(f"http://127.0.0.1:{config.port}", context.runtime, context, data_dir)  # type: ignore[arg-type]
    finally:
        server.should_exit = True
        thread.join(JOIN_S)
        assert not thread.is_alive(), "the application did not stop"


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """`serve(max_streams=1)`: a server of its own settings for one test."""
    with ExitStack() as stack:
        yield lambda **chosen: stack.enter_context(served(tmp_path / "data", **chosen))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server with the default settings for the tests of a file; each leaves it as it found it."""
    with served(tmp_path_factory.mktemp("served") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def running() -> Iterator[RunningRuntime]:
    """A real runtime with small limits, one for all tests of a file."""
    settings = Settings(max_streams=3, max_waiting_uploads=1, status_s=0.1, viewer_queue=4096)
    with running_runtime(settings) as runtime:
        yield runtime


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten windows of 20 000 events."""
    return write_recording(tmp_path_factory.mktemp("recordings") / "short.npy")
