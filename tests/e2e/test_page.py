"""The operator's page in a real browser: the wall, one stream, keys, themes, phones, and what it may load."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browsing import (
    BOXES,
    LIT_PIXELS,
    STREET,
    eventually,
    lan_stream,
    listen,
    open_stream,
    start_stream,
    stop_all,
)
from tests.servers import RunningServer

pytestmark = pytest.mark.browser

ANSWERS = "Number(document.querySelector('[data-stream=\"{}\"]').dataset.answers)"
VIEWS = ("", "#/history", "#/alarms", "#/recordings", "#/settings")


def streams_of(server: RunningServer) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = httpx.get(f"{server.url}/streams", timeout=30).json()["streams"]
    return found


def test_the_first_page_starts_the_demo_and_whoever_stops_it_is_not_given_it_again(
    browser: Browser, server: RunningServer, faults: list[str]
) -> None:
    stop_all(server)
    page = browser.new_page()
    listen(page, faults)
    page.goto(server.url)
    tile = page.locator(".tile[data-name=demo]")
    expect(tile).to_have_attribute("data-state", "live")
    assert [stream["source"] for stream in streams_of(server)] == [STREET]
    page.get_by_role("button", name="Stop demo").click()
    page.get_by_role("dialog").get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_text("No streams yet")).to_be_visible()
    page.reload()
    expect(page.get_by_text("No streams yet")).to_be_visible()
    assert streams_of(server) == []
    page.context.close()


def test_two_streams_on_the_wall_each_with_its_own_boxes_and_keys(page: Page, server: RunningServer) -> None:
    with lan_stream(server, "lan") as lan:
        street = start_stream(server, STREET, "street")
        for stream in (lan, street):
            tile = page.locator(f".tile[data-stream='{stream}']")
            expect(tile).to_have_attribute("data-state", "live")
            eventually(page, ANSWERS.format(stream) + " > 2")
        expect(page.locator("#summary")).to_have_text("2 live")
        expect(page.locator(f".tile[data-stream='{street}'] .objects .swatch").first).to_be_visible()
        page.keyboard.press("ArrowRight")
        expect(page.get_by_role("link", name="lan: Live")).to_be_focused()
        page.keyboard.press("ArrowRight")
        expect(page.get_by_role("link", name="street: Live")).to_be_focused()
        page.keyboard.press("1")
        expect(page.get_by_role("heading", name="lan", exact=True)).to_be_visible()
        expect(page.get_by_role("button", name="Next stream")).to_be_enabled()
        page.keyboard.press("ArrowRight")
        expect(page.get_by_role("heading", name="street", exact=True)).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator(".tile")).to_have_count(2)


def test_a_stream_is_added_and_stopped_on_the_page(
    page: Page, server: RunningServer, faults: list[str]
) -> None:
    page.keyboard.press("n")
    dialog = page.get_by_role("dialog", name="Add a stream")
    source = dialog.get_by_role("textbox", name="Source", exact=True)
    dialog.get_by_role("button", name="Simulator").click()
    source.fill("nonsense://here")
    dialog.get_by_role("button", name="Start").click()
    expect(dialog.get_by_role("alert")).to_contain_text("nonsense")
    faults.clear()  # the refusal
    source.fill("sim://street?seed=3&width=64&height=64")
    dialog.get_by_label("Name").fill("corner")
    dialog.get_by_role("button", name="Start").click()
    tile = page.locator(".tile[data-name=corner]")
    expect(tile).to_have_attribute("data-state", "live")
    (stream,) = streams_of(server)
    assert (stream["name"], stream["keep"]) == ("corner", False)
    open_stream(page, stream["id"])
    page.get_by_role("button", name="Stop stream").click()
    page.get_by_role("dialog").get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_text("No streams yet")).to_be_visible()
    assert streams_of(server) == []


def test_events_boxes_tracks_and_figures_of_one_stream(page: Page, server: RunningServer) -> None:
    open_stream(page, start_stream(server, STREET, "street"))
    eventually(page, f"{BOXES} > 0")
    eventually(page, f"({LIT_PIXELS})() > 1000")
    expect(page.locator("#legend li").first).to_be_visible()
    for figure in ("rate", "behind", "firing", "energy", "answers", "waiting"):
        expect(page.locator(f"#{figure}")).not_to_have_text("\u2013")
    track = page.locator("#tracks tbody tr").first
    expect(track).to_contain_text("px/s")
    eventually(page, "/^#[1-9]/.test(document.querySelector('#tracks tbody td')?.textContent ?? '')")


def test_the_threshold_counts_at_once_and_reaches_the_service(page: Page, server: RunningServer) -> None:
    stream = start_stream(server, STREET, "street")
    open_stream(page, stream)
    with page.expect_response(lambda response: response.request.method == "PATCH"):
        page.locator("#threshold").fill("0.05")
    eventually(page, f"{BOXES} > 0")
    with page.expect_response(lambda response: response.request.method == "PATCH") as changed:
        page.locator("#threshold").fill("0.95")
        expect(page.locator("#threshold-value")).to_have_text("0.95")
        eventually(page, f"{BOXES} === 0", 2_000)
    assert changed.value.json()["threshold"] == 0.95


def test_keys_pause_help_and_full_screen(page: Page, server: RunningServer) -> None:
    with lan_stream(server, "lan") as stream:
        open_stream(page, stream)
        page.keyboard.press(" ")
        expect(page.locator("#status")).to_have_text("Paused")
        expect(page.get_by_role("button", name="Go on")).to_be_visible()
        page.locator("h1").click()  # away from the button, which would take the key itself
        page.keyboard.press(" ")
        expect(page.locator("#status")).to_have_text("Live")
        page.keyboard.press("?")
        expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
        page.keyboard.press("f")
        eventually(page, "document.fullscreenElement !== null")
        page.keyboard.press("f")
        eventually(page, "document.fullscreenElement === null")


def test_themes_follow_the_system_or_the_person(page: Page) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(ground)
    page.emulate_media(color_scheme="light")
    light = page.evaluate(ground)
    assert dark != light
    page.locator(".nav").get_by_role("link", name="Settings").click()
    page.get_by_role("button", name="Dark").click()
    assert page.evaluate(ground) == dark
    page.reload()
    expect(page.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")
    assert page.evaluate(ground) == dark
    page.get_by_role("button", name="As the system").click()
    assert page.evaluate(ground) == light


def test_motion_stops_for_those_who_ask_for_that(page: Page, server: RunningServer) -> None:
    page.emulate_media(reduced_motion="reduce")
    with lan_stream(server, "lan") as stream:
        open_stream(page, stream)
        assert page.evaluate("getComputedStyle(document.getElementById('view')).transitionDuration") == "0s"


def test_it_fits_a_phone_and_its_targets_fit_a_finger(
    browser: Browser, server: RunningServer, faults: list[str]
) -> None:
    stop_all(server)
    with lan_stream(server, "lan") as stream:
        context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
        page = context.new_page()
        listen(page, faults)
        for view in (*VIEWS, f"#/stream/{stream}"):
            page.goto(f"{server.url}/{view}")
            expect(page.locator("main h1").first).to_be_visible()
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, view
            small = page.evaluate(
                """() => [...document.querySelectorAll("button, .button, .nav a, select")]
                    .filter((one) => one.offsetParent && one.getBoundingClientRect().height < 39.5)
                    .map((one) => one.outerHTML)"""
            )
            assert not small, view
        context.close()


def test_every_control_has_a_name(page: Page, server: RunningServer) -> None:
    with lan_stream(server, "lan") as stream:
        session = page.context.new_cdp_session(page)
        for view in (*VIEWS, f"#/stream/{stream}"):
            page.goto(f"{server.url}/{view}")
            expect(page.locator("main h1").first).to_be_visible()
            nodes = session.send("Accessibility.getFullAXTree")["nodes"]
            controls = [node for node in nodes if not node["ignored"] and role_of(node) in CONTROLS]
            nameless = [role_of(node) for node in controls if not node.get("name", {}).get("value")]
            assert len(controls) > 6, view
            assert not nameless, view


CONTROLS = {"button", "link", "checkbox", "slider", "combobox", "textbox", "spinbutton"}


def role_of(node: dict[str, Any]) -> str:
    return str(node.get("role", {}).get("value", ""))


def test_nothing_comes_from_elsewhere_and_the_policy_holds(page: Page, server: RunningServer) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    answer = page.goto(server.url)
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
    assert "unsafe" not in policy
    with lan_stream(server, "lan") as stream:
        for view in (*VIEWS, f"#/stream/{stream}"):
            page.goto(f"{server.url}/{view}")
            expect(page.locator("main h1").first).to_be_visible()
    foreign = [url for url in asked if not url.startswith((server.url, "data:", "blob:"))]
    assert len(asked) > 20
    assert not foreign


def test_a_view_that_is_not_there_and_a_stream_that_is_gone_say_so(page: Page, faults: list[str]) -> None:
    page.goto(page.url + "#/nowhere")
    expect(page.get_by_role("heading", name="There is nothing here")).to_be_visible()
    page.goto(page.url.split("#")[0] + "#/stream/0123456789ab")
    expect(page.get_by_role("heading", name="This stream is gone")).to_be_visible()
    page.get_by_role("link", name="All streams", exact=True).click()
    expect(page.get_by_text("No streams yet")).to_be_visible()
    faults.clear()  # the 404


def test_a_service_that_goes_away_is_missed_and_welcomed_back(page: Page, faults: list[str]) -> None:
    expect(page.locator("#service")).to_have_text("Ready")
    page.context.set_offline(True)
    expect(page.locator("#service")).to_have_text("Unreachable", timeout=20_000)
    expect(page.get_by_role("alert")).to_contain_text("cannot be reached")
    page.context.set_offline(False)
    expect(page.locator("#service")).to_have_text("Ready")
    faults.clear()  # requests that found no network
