"""History on the page: counts as a plot, rows of what was seen, files of it."""

from __future__ import annotations

import csv
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsing import STREET, eventually, open_stream, start_stream
from tests.servers import RunningServer

pytestmark = pytest.mark.browser

TOTAL = "Number(document.querySelector('.plot').dataset.total)"


def kept(server: RunningServer, stream: str) -> int:
    answer = httpx.get(f"{server.url}/detections", params={"stream": stream, "limit": 50}, timeout=30)
    return len(answer.json()["detections"]) if answer.is_success else 0


def test_what_was_seen_is_counted_listed_and_exported(page: Page, server: RunningServer) -> None:
    stream = start_stream(server, STREET, "street")
    open_stream(page, stream)
    expect(page.locator("#counts .legend li").first).to_be_visible()
    page.get_by_role("link", name="History", exact=True).last.click()
    eventually(page, f"{TOTAL} > 0")
    expect(page.locator("#history-stream")).to_have_value(stream)
    expect(page.locator("tbody tr").first).to_contain_text("street")
    page.locator("#history-what").select_option("boxes")
    eventually(page, f"{TOTAL} > 0")
    page.locator(".plot").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".plot-tip time")).to_be_visible()
    page.get_by_role("button", name="Tracks").click()
    expect(page.locator("thead")).to_contain_text("Seen for")
    with page.expect_download() as fetching:
        page.get_by_role("link", name="CSV").click()
    rows = list(csv.DictReader(Path(fetching.value.path()).read_text().splitlines()))
    assert len(rows) > 0
    page.locator("#history-class").select_option("car")
    page.get_by_role("button", name="Detections").click()
    eventually(
        page, "[...document.querySelectorAll('tbody tr')].every((row) => row.cells[2].textContent === 'car')"
    )


def test_a_time_with_nothing_in_it_says_so(page: Page, server: RunningServer) -> None:
    stream = start_stream(server, "sim://street?seed=5&width=64&height=64", "quiet")
    page.goto(f"{server.url}/#/history/{stream}")
    page.locator("#history-class").select_option("two-wheeler")
    page.locator("#history-range").select_option("0")
    expect(page.locator(".plot-foot")).to_contain_text("in this time")
