"""The live page in a real browser: what is drawn, what an upload shows, what a broken file says."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from tests.servers import RunningServer

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

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"needs Debian's chromium at {CHROMIUM}: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, server: RunningServer) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(server.url)
    yield page
    context.close()
    assert not faults, f"the page raised {faults}"


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three windows of a bar that moves to the right."""
    rng = np.random.default_rng(5)
    t_us = np.sort(rng.integers(0, 120_000, 30_000))
    x = 60 + t_us // 1000 + rng.integers(0, 4, len(t_us))
    y = rng.integers(60, 200, len(t_us))
    path = tmp_path_factory.mktemp("page") / "bar.npy"
    np.save(path, np.stack([t_us, x, y, rng.integers(0, 2, len(t_us))], 1))
    return path


# How many pixels of the view differ from its background.
LIT_PIXELS = """() => {
    const canvas = document.getElementById("view");
    const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    let lit = 0;
    for (let i = 0; i < data.length; i += 4) lit += data[i] + data[i + 1] + data[i + 2] > 120;
    return lit;
}"""


def eventually(page: Page, expression: str, patience_ms: int = PATIENCE_MS) -> None:
    """Waits until `expression` is true; asks from outside, because the page's own policy forbids `eval`."""
    deadline = time.monotonic() + patience_ms / 1000
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, f"never true: {expression}"
        page.wait_for_timeout(50)


def choose_upload(page: Page, path: Path) -> None:
    page.get_by_role("tab", name="Upload").click()
    page.locator("#file").set_input_files(path)


def test_live_events_and_boxes_are_drawn(page: Page) -> None:
    expect(page.locator("#status")).to_have_text("Live", timeout=PATIENCE_MS)
    eventually(page, "Number(document.getElementById('view').dataset.boxes) > 0")
    eventually(page, f"({LIT_PIXELS})() > 1000")
    expect(page.locator("#legend li").first).to_be_visible()
    for figure in ("rate", "behind", "firing", "energy", "answers"):
        expect(page.locator(f"#{figure}")).not_to_have_text("\u2013")


def test_the_threshold_takes_effect_at_once(page: Page) -> None:
    page.locator("#threshold").fill("0.05")
    eventually(page, "Number(document.getElementById('view').dataset.boxes) > 0")
    page.locator("#threshold").fill("0.95")
    expect(page.locator("#threshold-value")).to_have_text("0.95")
    eventually(page, "Number(document.getElementById('view').dataset.boxes) === 0", 2_000)


def test_an_upload_is_analysed_and_can_be_scrubbed(page: Page, recording: Path) -> None:
    choose_upload(page, recording)
    expect(page.locator("#status")).to_have_text("Analysed")
    expect(page.locator("#answers")).to_have_text("3")
    page.locator("#scrub").fill("2")
    expect(page.locator("#clock")).to_have_text("0.120 s")
    eventually(page, f"({LIT_PIXELS})() > 500")


def test_a_source_that_starts_late_does_not_take_the_view(page: Page, recording: Path) -> None:
    expect(page.locator("#status")).to_have_text("Live")
    page.locator("#seed").fill("77")
    held: list[Route] = []
    page.route("**/streams", lambda route: held.append(route) if is_start(route) else route.continue_())
    page.locator("#start-sim").click()
    choose_upload(page, recording)
    expect(page.locator("#status")).to_have_text("Analysed")
    with page.expect_response(lambda response: response.request.method == "POST"):
        held[0].continue_()
    page.wait_for_timeout(1_000)
    expect(page.locator("#status")).to_have_text("Analysed")
    expect(page.locator("#scrub")).to_be_visible()


def is_start(route: Route) -> bool:
    return route.request.method == "POST" and route.request.url.endswith("/streams")


def test_a_recording_once_uploaded_can_be_replayed(page: Page, recording: Path) -> None:
    choose_upload(page, recording)
    expect(page.locator("#status")).to_have_text("Analysed")
    page.get_by_role("tab", name="Replay").click()
    page.locator("#recordings li", has_text="bar.npy").first.get_by_role("button", name="Replay").click()
    expect(page.locator("#status")).to_have_text("Live")
    expect(page.locator("#caption")).to_contain_text("bar.npy, replayed")
    eventually(page, "Number(document.getElementById('answers').textContent) > 3")


def test_a_broken_file_says_what_is_wrong(page: Page, tmp_path: Path) -> None:
    broken = tmp_path / "holiday.raw"
    broken.write_bytes(b"this is no recording at all\n" * 20)
    choose_upload(page, broken)
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.locator("#problem-title")).to_have_text("The format is unknown")
    expect(page.locator("#problem-detail")).to_contain_text("aedat4", ignore_case=True)
    page.get_by_role("button", name="Dismiss").click()
    expect(page.get_by_role("alert")).to_be_hidden()


def test_it_fits_a_phone(browser: Browser, server: RunningServer) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    page = context.new_page()
    page.goto(server.url)
    expect(page.locator("#status")).to_have_text("Live", timeout=PATIENCE_MS)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()
