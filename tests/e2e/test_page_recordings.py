"""Recordings on the page: uploaded, scrubbed, replayed, fetched, refused; clips with their boxes."""

from __future__ import annotations

from pathlib import Path

import httpx
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsing import LIT_PIXELS, STREET, eventually, open_stream, start_stream
from tests.servers import RunningServer

pytestmark = pytest.mark.browser


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


@pytest.fixture
def empty(server: RunningServer) -> None:
    """No recordings are kept."""
    for one in httpx.get(f"{server.url}/recordings", timeout=30).json()["recordings"]:
        httpx.delete(f"{server.url}/recordings/{one['id']}", timeout=30)


def upload(page: Page, path: Path) -> None:
    page.locator(".nav").get_by_role("link", name="Recordings").click()
    page.locator("#file").set_input_files(path)


@pytest.mark.usefixtures("empty")
def test_an_upload_is_analysed_scrubbed_played_fetched_and_deleted(page: Page, recording: Path) -> None:
    upload(page, recording)
    expect(page.locator("#status")).to_have_text("3 answers")
    page.locator("#scrub").fill("2")
    expect(page.locator("#clock")).to_have_text("0.120 s")
    eventually(page, f"({LIT_PIXELS})() > 500")
    page.locator("h1").click()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#clock")).to_have_text("0.080 s")
    page.keyboard.press(" ")
    expect(page.locator("#clock")).to_have_text("0.120 s")
    with page.expect_download() as fetching:
        page.get_by_role("link", name="Download bar.npy").click()
    assert fetching.value.suggested_filename == "bar.npy"
    assert Path(fetching.value.path()).read_bytes() == recording.read_bytes()
    page.get_by_role("button", name="Delete bar.npy").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("No recordings yet")).to_be_visible()


@pytest.mark.usefixtures("empty")
def test_a_recording_once_uploaded_can_be_replayed_as_a_stream(page: Page, recording: Path) -> None:
    upload(page, recording)
    expect(page.locator("#status")).to_have_text("3 answers")
    page.get_by_role("button", name="Replay bar.npy as a stream").click()
    expect(page.locator("#status")).to_have_text("Live")
    eventually(page, "Number(document.getElementById('answers').textContent) > 3")


def test_a_broken_file_says_what_is_wrong(page: Page, tmp_path: Path, faults: list[str]) -> None:
    broken = tmp_path / "holiday.raw"
    broken.write_bytes(b"this is no recording at all\n" * 20)
    upload(page, broken)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("The format is unknown")
    expect(alert).to_contain_text("aedat4", ignore_case=True)
    alert.get_by_role("button", name="Dismiss").click()
    expect(alert).to_have_count(0)
    faults.clear()  # the refusal


def test_a_stream_is_recorded_and_its_clip_replayed_with_its_boxes(page: Page, server: RunningServer) -> None:
    open_stream(page, start_stream(server, STREET, "street"))
    eventually(page, "Number(document.getElementById('answers').textContent) > 10")
    record = page.get_by_role("region", name="Record")
    record.get_by_label("Seconds before now").fill("1")
    record.get_by_label("from now on").fill("1")
    record.get_by_role("button", name="Record").click()
    record.get_by_role("link", name="Open").click()
    expect(page.locator("#status")).to_contain_text("answers")
    eventually(page, "Number(document.getElementById('view').dataset.boxes) > 0")
    eventually(page, f"({LIT_PIXELS})() > 500")
    with page.expect_download() as fetching:
        page.get_by_role("link", name="Download boxes of").first.click()
    lines = Path(fetching.value.path()).read_text().splitlines()
    assert any('"type":"detections"' in line for line in lines)
