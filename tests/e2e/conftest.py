"""One server for all end-to-end tests, a browser for each file of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.e2e.browsing import CHROMIUM, FLAGS, NO_DEMO, PATIENCE_MS, listen, stop_all
from tests.servers import RunningServer, running_server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("e2e") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Gone after its file: while playwright runs, no other test can have an event loop."""
    if not CHROMIUM.exists():
        pytest.skip(f"needs Debian's chromium at {CHROMIUM}: apt-get install chromium")
    with sync_playwright() as playwright:
        expect.set_options(timeout=PATIENCE_MS)  # what is slow on a crowded machine is not wrong
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def faults() -> Iterator[list[str]]:
    """What the page's console called an error; a test that expects some clears them."""
    found: list[str] = []
    yield found
    assert not found, f"the page complained: {found}"


@pytest.fixture
def page(browser: Browser, server: RunningServer, faults: list[str]) -> Iterator[Page]:
    """A page at the service, which has no streams yet."""
    stop_all(server)
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    context.add_init_script(NO_DEMO)
    page = context.new_page()
    listen(page, faults)
    page.goto(server.url)
    expect(page.locator("main h1")).to_be_visible()
    yield page
    context.close()
