"""`python -m benchmarks.page_pictures`: the pictures in docs/images of the page, of a service that runs.

Two simulated streets, a camera that is not there, a zone and a line, an alarm and a clip; then each view is
photographed in Debian's chromium.
"""

from __future__ import annotations

import argparse
import io
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.e2e.browsing import CHROMIUM, FLAGS, NO_DEMO, PATIENCE_MS
from tests.servers import free_port, running_server

MOST_BYTES = 200_000
ROOM = [[20, 150], [150, 140], [170, 250], [15, 250]]
KERB = [[235, 250], [235, 120]]


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture.

    Attributes:
        name: page-NAME.png.
        view: what follows the address's `/`; {street} is the id of a stream.
        ready: a selector of what must be there.
        theme: dark or light.
        width, height: of the window, CSS pixels.
        choose: a list and what to choose in it, before.
    """

    name: str
    view: str
    ready: str
    theme: str = "dark"
    width: int = 1280
    height: int = 800
    choose: tuple[str, str] | None = None


SHOTS = (
    Shot("wall", "", ".tile[data-state=live] .objects i"),
    Shot("stream", "#/stream/{street}", "#legend li", height=940),
    Shot("stream-light", "#/stream/{street}", "#legend li", theme="light", height=940),
    Shot("history", "#/history", ".plot-svg rect[style]", theme="light", choose=("#history-range", "0")),
    Shot("alarms", "#/alarms", "#raised tbody tr"),
    Shot("recording", "#/recordings/clip/{clip}", ".stage[data-state=live]", height=940),
    Shot("settings", "#/settings", "#health div", theme="light"),
    Shot("phone", "#/stream/{street}", "#legend li", width=390, height=844),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    parser.add_argument(
        "--seconds", type=float, default=90.0, help="how long streams run before the pictures"
    )
    given = parser.parse_args()
    with (
        TemporaryDirectory() as folder,
        running_server(Path(folder) / "data", live_model="ems-nano-rolling") as server,
    ):
        named = prepare(server.url, given.seconds)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
            for shot in SHOTS:
                path = given.out / f"page-{shot.name}.png"
                path.write_bytes(small(take(browser, server.url, shot, named)))
                print(f"{path} {path.stat().st_size / 1e3:.0f} kB")
            browser.close()


def prepare(url: str, seconds: float) -> dict[str, str]:
    """Streams, zones, an alarm and a clip; ids by the names that shots use."""
    with httpx.Client(base_url=url, timeout=60) as client:
        street = post(client, "/streams", source="sim://street?seed=1", name="street", keep=True)["id"]
        post(client, "/streams", source="sim://street?seed=4&night=1", name="street at night", keep=True)
        post(client, "/streams", source=f"dv://127.0.0.1:{free_port()}", name="north gate")
        post(client, f"/streams/{street}/zones", kind="zone", name="pavement", points=ROOM)
        post(client, f"/streams/{street}/zones", kind="line", name="kerb", points=KERB)
        when = {"on": "zone", "zone": "pavement", "event": "enter"}
        post(client, "/alarms", name="somebody on the pavement", when=when, classes=["person"], cooldown_s=20)
        post(client, "/alarms", name="camera gone", when={"on": "link", "for_s": 10})
        time.sleep(seconds)
        clip = post(client, f"/streams/{street}/recordings", before_s=5, after_s=3)["id"]
        while (state := client.get(f"/clips/{clip}").json()["state"]) == "recording":
            time.sleep(1)
        assert state == "done", client.get(f"/clips/{clip}").text
    return {"street": street, "clip": clip}


def post(client: httpx.Client, path: str, **body: Any) -> dict[str, Any]:
    answer = client.post(path, json=body)
    assert answer.is_success, answer.text
    found: dict[str, Any] = answer.json()
    return found


def take(browser: Browser, url: str, shot: Shot, named: dict[str, str]) -> bytes:
    """PNG of one view, once what it shows is there and has moved a while."""
    context = browser.new_context(
        viewport={"width": shot.width, "height": shot.height},
        color_scheme="light" if shot.theme == "light" else "dark",
        has_touch=shot.width < 500,
    )
    context.add_init_script(NO_DEMO)
    page: Page = context.new_page()
    page.goto(f"{url}/{shot.view.format(**named)}")
    expect(page.locator(shot.ready).first).to_be_attached(timeout=PATIENCE_MS)
    if shot.choose is not None:
        page.locator(shot.choose[0]).select_option(shot.choose[1])
    page.wait_for_timeout(6_000)
    png = page.screenshot()
    context.close()
    return png


def small(png: bytes) -> bytes:
    """The same in as many colours as fit `MOST_BYTES`."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    for colours in (256, 128, 64, 32):
        out = io.BytesIO()
        picture.quantize(colours, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
        if out.tell() <= MOST_BYTES:
            break
    return out.getvalue()


if __name__ == "__main__":
    main()
