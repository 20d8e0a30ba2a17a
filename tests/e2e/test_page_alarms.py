"""Alarms on the page: a rule written, raised, acknowledged, changed, deleted; what cannot be delivered."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsing import STREET, start_stream
from tests.servers import RunningServer

pytestmark = pytest.mark.browser


@pytest.fixture(autouse=True)
def _no_alarms(server: RunningServer) -> None:
    for alarm in alarms_of(server):
        httpx.delete(f"{server.url}/alarms/{alarm['id']}", timeout=30)
    httpx.post(f"{server.url}/alarms/raised/acknowledge", timeout=30)


def alarms_of(server: RunningServer) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = httpx.get(f"{server.url}/alarms", timeout=30).json()["alarms"]
    return found


def test_an_alarm_is_set_up_raised_acknowledged_switched_off_and_deleted(
    page: Page, server: RunningServer
) -> None:
    start_stream(server, STREET, "street")
    page.locator(".nav").get_by_role("link", name="Alarms").click()
    page.get_by_role("button", name="New alarm").click()
    dialog = page.get_by_role("dialog", name="New alarm")
    expect(dialog.get_by_role("textbox", name="Name")).to_be_focused()
    dialog.get_by_role("textbox", name="Name").fill("people")
    dialog.get_by_role("combobox", name="When").select_option("class")
    dialog.get_by_role("checkbox", name="person").check()
    dialog.get_by_role("button", name="Add").click()
    expect(page.locator("#rules tbody tr")).to_contain_text("person: seen")
    (alarm,) = alarms_of(server)
    assert (alarm["classes"], alarm["when"]["on"]) == (["person"], "class")
    row = page.locator("#raised tr.unseen").first
    expect(row).to_contain_text("street")
    expect(page.locator("#alarm-badge")).to_be_visible()
    page.get_by_role("checkbox", name="people is on").uncheck()
    page.get_by_role("button", name="Acknowledge all").click()
    expect(page.locator("#raised tr.unseen")).to_have_count(0)
    expect(page.locator("#alarm-badge")).to_be_hidden()
    assert alarms_of(server)[0]["enabled"] is False
    page.locator("#rules").get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.locator("#rules")).to_contain_text("None yet")
    assert alarms_of(server) == []


def test_an_alarm_that_means_nothing_is_refused_in_the_dialog(page: Page, faults: list[str]) -> None:
    page.locator(".nav").get_by_role("link", name="Alarms").click()
    page.keyboard.press("n")
    dialog = page.get_by_role("dialog", name="New alarm")
    dialog.get_by_role("textbox", name="Name").fill("nobody")
    dialog.get_by_role("combobox", name="When").select_option("health")
    dialog.get_by_role("button", name="Add").click()
    expect(dialog.get_by_role("alert")).to_contain_text("below")
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_have_count(0)
    faults.clear()  # the refusal
