"""Zones and lines drawn on the page: by mouse, by touch, by keys; kept, changed, refused, deleted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browsing import HEIGHT, NO_DEMO, WIDTH, Pad, lan_stream, listen, open_stream, stop_all
from tests.servers import RunningServer

pytestmark = pytest.mark.browser


@pytest.fixture
def stream(server: RunningServer) -> Iterator[str]:
    stop_all(server)
    with lan_stream(server, "lan") as stream:
        yield stream


@pytest.fixture
def drawing(browser: Browser, server: RunningServer, stream: str, faults: list[str]) -> Iterator[Page]:
    """A page that shows the stream in full."""
    context = browser.new_context(viewport={"width": 1280, "height": 860}, has_touch=True)
    context.add_init_script(NO_DEMO)
    page = context.new_page()
    listen(page, faults)
    page.goto(server.url)
    open_stream(page, stream)
    yield page
    context.close()


def zones_of(server: RunningServer, stream: str) -> list[dict[str, Any]]:
    answer = httpx.get(f"{server.url}/streams/{stream}/zones", timeout=30).raise_for_status()
    found: list[dict[str, Any]] = answer.json()["zones"]
    return found


def near(points: list[list[float]], fractions: list[tuple[float, float]]) -> bool:
    """Whether sensor pixels are what was pointed at, within two pixels of the screen."""
    wanted = [(x * WIDTH, y * HEIGHT) for x, y in fractions]
    pairs = zip(points, wanted, strict=True)
    return all(abs(a[0] - b[0]) < 2 and abs(a[1] - b[1]) < 2 for a, b in pairs)


def test_a_zone_drawn_by_mouse_outlives_the_page(drawing: Page, server: RunningServer, stream: str) -> None:
    corners = [(0.1, 0.2), (0.4, 0.2), (0.45, 0.8), (0.1, 0.7)]
    pad = Pad(drawing)
    drawing.keyboard.press("z")
    for corner in corners:
        pad.click(*corner)
    pad.click(*corners[0])  # closes it
    expect(drawing.locator("#zones")).to_contain_text("Zone 1")
    (zone,) = zones_of(server, stream)
    assert zone["kind"] == "zone"
    assert near(zone["points"], corners)
    drawing.reload()
    expect(drawing.locator(f".overlay [data-zone='{zone['id']}'] polygon.body")).to_have_count(1)
    expect(drawing.locator("#zones")).to_contain_text("inside")


def test_a_zone_and_a_line_drawn_by_touch(drawing: Page, server: RunningServer, stream: str) -> None:
    pad = Pad(drawing)
    drawing.get_by_role("button", name="Draw a zone (z)").tap()
    for corner in [(0.2, 0.3), (0.5, 0.3), (0.5, 0.7)]:
        pad.tap(*corner)
    drawing.get_by_role("button", name="Done").tap()
    expect(drawing.locator("#zones")).to_contain_text("Zone 1")
    drawing.get_by_role("toolbar").get_by_role("button", name="Close").tap()
    drawing.get_by_role("button", name="Draw a line (l)").tap()
    pad.swipe((0.7, 0.9), (0.7, 0.2))
    expect(drawing.locator("#zones")).to_contain_text("Line 1")
    zone, line = zones_of(server, stream)
    assert (zone["kind"], line["kind"]) == ("zone", "line")
    assert near(zone["points"], [(0.2, 0.3), (0.5, 0.3), (0.5, 0.7)])
    assert near(line["points"], [(0.7, 0.9), (0.7, 0.2)])


def test_a_rectangle_is_dragged_then_moved_and_a_corner_pulled(
    drawing: Page, server: RunningServer, stream: str
) -> None:
    pad = Pad(drawing)
    drawing.keyboard.press("z")
    pad.drag((0.2, 0.2), (0.4, 0.5))
    expect(drawing.locator(".overlay .corner")).to_have_count(4)
    with drawing.expect_response(lambda answer: answer.request.method == "PATCH"):
        pad.drag((0.3, 0.35), (0.4, 0.45))
    with drawing.expect_response(lambda answer: answer.request.method == "PATCH"):
        pad.drag((0.5, 0.6), (0.6, 0.8))
    (zone,) = zones_of(server, stream)
    assert near(zone["points"], [(0.3, 0.3), (0.5, 0.3), (0.6, 0.8), (0.3, 0.6)])


def test_a_zone_is_drawn_named_and_deleted_by_keys(drawing: Page, server: RunningServer, stream: str) -> None:
    drawing.keyboard.press("z")
    drawing.keyboard.press("Enter")
    corner = drawing.get_by_role("button", name="Point 1 of Zone 1")
    corner.focus()
    with drawing.expect_response(lambda answer: answer.request.method == "PATCH"):
        drawing.keyboard.press("ArrowLeft")
        drawing.keyboard.press("Shift+ArrowUp")
    (zone,) = zones_of(server, stream)
    assert zone["points"][0] == pytest.approx([0.3 * WIDTH - 1, 0.3 * HEIGHT - 10], abs=0.11)
    name = drawing.get_by_label("Name")
    name.fill("door")
    name.press("Enter")
    expect(drawing.locator(".zone-head")).to_have_text("door")
    drawing.get_by_role("button", name="Delete", exact=True).click()
    drawing.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(drawing.locator("#zones")).to_contain_text("None yet")
    assert zones_of(server, stream) == []


def test_a_zone_that_means_nothing_is_refused_in_the_service_s_words(
    drawing: Page, server: RunningServer, stream: str, faults: list[str]
) -> None:
    pad = Pad(drawing)
    drawing.keyboard.press("z")
    for corner in [(0.2, 0.2), (0.6, 0.7), (0.6, 0.2), (0.2, 0.7)]:
        pad.click(*corner)
    drawing.keyboard.press("Enter")
    expect(drawing.get_by_role("alert")).to_contain_text("crosses")
    assert zones_of(server, stream) == []
    drawing.keyboard.press("z")
    pad.click(0.5, 0.5)
    drawing.keyboard.press("Escape")
    expect(drawing.locator(".draft-dot")).to_have_count(0)
    faults.clear()  # the refusal
