"""Two pages on one stream: what one of them does is nothing to the other."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browsing import eventually, lan_stream, listen, open_stream, stop_all
from tests.servers import RunningServer

pytestmark = pytest.mark.browser

WATCHED = 100  # answers of the service while one page is held up
LEAST_SHARE = 0.95
WIDE = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
NARROW = {**WIDE, "downloadThroughput": 2_000}  # bytes a second; boxes alone are more

# Counts what comes through the page's own socket; sockets made later are counted together. `seen` answers had
# come when the service said how many it had `made`.
COUNTER = """
window.counted = { answers: 0, seen: 0, made: 0, dropped: 0 };
const Native = WebSocket;
window.WebSocket = class extends Native {
    constructor(...given) {
        super(...given);
        this.addEventListener("message", ({ data }) => {
            if (typeof data !== "string") return;
            const message = JSON.parse(data);
            if (message.type === "detections") window.counted.answers += 1;
            if (message.type !== "status") return;
            window.counted.made = message.answers;
            window.counted.seen = window.counted.answers;
            window.counted.dropped = message.viewer.dropped_frames;
        });
    }
};
"""


def viewer(browser: Browser, server: RunningServer, stream: str, faults: list[str]) -> Page:
    context = browser.new_context(viewport={"width": 900, "height": 700})
    context.add_init_script(COUNTER)
    page = context.new_page()
    listen(page, faults)
    page.goto(server.url)
    open_stream(page, stream)
    eventually(page, "counted.made > 0")
    return page


def counted(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate("({...counted})")
    return found


def test_a_page_that_is_held_up_costs_the_other_nothing(
    browser: Browser, server: RunningServer, faults: list[str]
) -> None:
    stop_all(server)
    with lan_stream(server, "lan") as stream:
        quick = viewer(browser, server, stream, faults)
        slow = viewer(browser, server, stream, faults)
        session = slow.context.new_cdp_session(slow)
        session.send("Network.enable")
        session.send("Network.emulateNetworkConditions", NARROW)
        before_slow, before = counted(slow), counted(quick)
        eventually(quick, f"counted.made >= {before['made'] + WATCHED}")
        after_slow, after = counted(slow), counted(quick)
        made = after["made"] - before["made"]
        assert (after["seen"] - before["seen"]) / made >= LEAST_SHARE
        assert after["dropped"] == before["dropped"]
        assert after_slow["answers"] - before_slow["answers"] < made / 2, "the slow page was not slow"
        session.send("Network.emulateNetworkConditions", WIDE)
        eventually(slow, f"counted.answers > {after_slow['answers']}")
        expect(slow.locator("#status")).to_have_text("Live")
        quick.context.close()
        slow.context.close()
