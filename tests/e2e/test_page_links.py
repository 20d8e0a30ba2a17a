"""A camera that goes away, on the page: lost where it was live, with the last picture, and live again."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsing import LIT_PIXELS, eventually, open_stream, start_stream
from tests.servers import RunningServer, free_port
from tests.streaming.live.dv_peers import Peer, camera

pytestmark = pytest.mark.browser

GONE = re.compile("Lost|Connecting")


@contextmanager
def running_camera(port: int) -> Iterator[None]:
    """A real `NetworkWriter` in a process of its own, killed at the end."""
    done = threading.Event()
    with camera(port) as peer:
        feeding = threading.Thread(target=feed, args=(peer, done), daemon=True)
        feeding.start()
        try:
            yield
        finally:
            done.set()
            feeding.join()


def feed(peer: Peer, done: threading.Event) -> None:
    for index in range(1_000_000):
        if done.wait(0.02):
            return
        now_us = round(time.time() * 1e6)
        peer.send(range(now_us, now_us + 10_000, 50), x=100 + index % 100, y=130)


def test_a_camera_that_is_killed_is_lost_until_it_is_back(page: Page, server: RunningServer) -> None:
    port = free_port()
    stream = start_stream(server, f"dv://127.0.0.1:{port}", "gate")
    tile = page.locator(".tile[data-name=gate]")
    expect(tile.locator(".veil")).to_contain_text(GONE)
    with running_camera(port):
        expect(tile).to_have_attribute("data-state", "live")
        open_stream(page, stream)
        eventually(page, f"({LIT_PIXELS})() > 3")
    expect(page.locator("#status")).to_have_text(GONE)
    expect(page.locator(".ribbon")).to_contain_text(GONE)
    expect(page.locator("#log li.bad").first).to_contain_text("Lost")
    assert page.evaluate(f"({LIT_PIXELS})() > 3"), "the last picture is gone"
    page.goto(f"{server.url}/#/")
    expect(tile.locator(".veil")).to_contain_text(GONE)
    expect(page.locator("#summary")).to_contain_text(re.compile("1 (lost|connecting)"))
    with running_camera(port):
        expect(tile).to_have_attribute("data-state", "live")
