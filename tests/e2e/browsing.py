"""What the browser tests share: the browser's flags, waiting, pointers, and streams to look at."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from playwright.sync_api import Page, expect

from streaming.events import Events
from streaming.live.sending import open_sender
from tests.servers import RunningServer, free_port

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 60_000
# A page that starts nothing by itself.
NO_DEMO = "localStorage.getItem('spikesight') ?? localStorage.setItem('spikesight', '{\"demo\": false}')"
STREET = "sim://street?seed=1"
WIDTH, HEIGHT = 346, 260

# How many pixels of the view differ from its background.
LIT_PIXELS = """() => {
    const canvas = document.getElementById("view");
    const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    let lit = 0;
    for (let i = 0; i < data.length; i += 4) lit += data[i] + data[i + 1] + data[i + 2] > 120;
    return lit;
}"""
BOXES = "Number(document.getElementById('view').dataset.boxes)"


def eventually(page: Page, expression: str, patience_ms: int = PATIENCE_MS) -> Any:
    """Waits until `expression` is true; asks from outside, because the page's own policy forbids `eval`."""
    deadline = time.monotonic() + patience_ms / 1000
    while not (found := page.evaluate(expression)):
        assert time.monotonic() < deadline, f"never true: {expression}"
        page.wait_for_timeout(50)
    return found


def listen(page: Page, faults: list[str]) -> None:
    """Collects what the page throws and what its console calls an error."""
    page.set_default_timeout(PATIENCE_MS)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)


def start_stream(server: RunningServer, source: str, name: str, **settings: Any) -> str:
    """Id of a stream that ends when nobody watches, unless `keep` is set."""
    body = {"source": source, "name": name, "keep": False, **settings}
    answer = httpx.post(f"{server.url}/streams", json=body, timeout=60)
    assert answer.status_code == 201, answer.text
    found: str = answer.json()["id"]
    return found


def stop_all(server: RunningServer) -> None:
    for stream in httpx.get(f"{server.url}/streams", timeout=30).json()["streams"]:
        httpx.delete(f"{server.url}/streams/{stream['id']}", timeout=30)


def open_stream(page: Page, stream: str) -> None:
    """The full view of a stream, once it is live."""
    page.goto(page.url.split("#")[0] + f"#/stream/{stream}")
    expect(page.locator("#status")).to_have_text("Live")


@contextmanager
def lan_stream(server: RunningServer, name: str) -> Iterator[str]:
    """Id of a stream of datagrams that costs little: a bar that goes to and fro, 50 packets a second."""
    port = free_port()
    stream = start_stream(server, f"udp://127.0.0.1:{port}?width={WIDTH}&height={HEIGHT}", name)
    done = threading.Event()
    sender = threading.Thread(target=_send_bar, args=(port, done), daemon=True)
    sender.start()
    try:
        yield stream
    finally:
        done.set()
        sender.join()


def _send_bar(port: int, done: threading.Event) -> None:
    rng = np.random.default_rng(1)
    begin = time.monotonic()
    with open_sender(f"udp://127.0.0.1:{port}") as sender:
        while not done.wait(0.02):
            end_us = round((time.monotonic() - begin) * 1e6)
            t_us = np.sort(rng.integers(end_us - 15_000, end_us, 300))
            left = 120 + 100 * np.sin(end_us / 2e6)
            x = left + rng.integers(0, 12, 300)
            y = rng.integers(60, 220, 300)
            sender.send(Events.of(t_us + 1_000_000, x.astype(np.uint16), y.astype(np.uint16), t_us % 2))


class Pad:
    """The view of a stream, by fractions of its width and height."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where on the page a point of the picture is now."""
        place = self._page.locator("#view").bounding_box()
        assert place is not None
        return place["x"] + x * place["width"], place["y"] + y * place["height"]

    def click(self, x: float, y: float) -> None:
        self._page.mouse.click(*self.at(x, y))

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        self._page.mouse.move(*self.at(*start))
        self._page.mouse.down()
        self._page.mouse.move(*self.at((start[0] + end[0]) / 2, (start[1] + end[1]) / 2))
        self._page.mouse.move(*self.at(*end))
        self._page.mouse.up()

    def tap(self, x: float, y: float) -> None:
        self._page.touchscreen.tap(*self.at(x, y))

    def swipe(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """One finger, down at `start` and up at `end`."""
        session = self._page.context.new_cdp_session(self._page)
        middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
        for kind, points in (
            ("touchStart", [start]),
            ("touchMove", [middle]),
            ("touchMove", [end]),
            ("touchEnd", []),
        ):
            places = [dict(zip("xy", self.at(*point), strict=True)) for point in points]
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})
        session.detach()
