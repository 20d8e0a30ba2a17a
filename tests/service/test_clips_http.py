"""Clips over HTTP: begun, listed, looked at, downloaded, replayed, deleted."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.addresses import resolve, shown
from service.clips.clips import Clips
from service.happenings import Happening
from service.recordings import Recordings
from service.routes import clips as route
from service.settings import Settings
from streaming.events import Events
from streaming.sources import open_recording, open_source
from tests.service.clip_streams import ChildStream
from tests.service.recordings import HEIGHT, WIDTH
from tests.service.small_app import Streams, small_app
from tests.service.test_clips import Scene, packets, same


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Boxes that come late are not waited for as long as in earnest."""
    monkeypatch.setattr("service.clips.recording.GRACE_S", 0.3)


@dataclass
class Told(Happening):
    text: str

    def to_message(self) -> dict[str, Any]:
        return {"type": "told", "text": self.text}


@dataclass
class Served:
    scene: Scene
    client: httpx.AsyncClient
    folder: Path

    async def recorded(self, **asked: Any) -> dict[str, Any]:
        """A clip of twenty packets and one message, when it is over."""
        await self.scene.push(0, 20)
        self.scene.stream.happened(Told("hello"))
        answer = await self.client.post(
            "/streams/front/recordings", json={"before_s": 10, "after_s": 0, **asked}
        )
        assert answer.status_code == 202, answer.text
        begun = answer.json()
        assert answer.headers["location"] == f"/clips/{begun['id']}"
        await self.scene.over(begun["id"])
        clip: dict[str, Any] = (await self.client.get(f"/clips/{begun['id']}")).json()
        return clip


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[Served]:
    clips = await Clips.open(folder, Settings(disk_reserve_bytes=0))
    stream = ChildStream("push:", WIDTH, HEIGHT)
    stream.observers = [clips.observe(stream)]
    runtime = Streams(stream)  # type: ignore[arg-type]  # has an id and a name
    async with small_app(route.router, runtime=runtime, clips=clips) as client, stream:
        yield Served(Scene(folder, clips, stream), client, folder)
    await clips.close()


def run(folder: Path, scenario: Callable[[Served], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with served(folder) as there:
            await scenario(there)

    asyncio.run(whole())


def test_a_clip_is_recorded_looked_at_downloaded_and_deleted(tmp_path: Path) -> None:
    async def scenario(there: Served) -> None:
        clip = await there.recorded(format="aedat4")
        client, path = there.client, f"/clips/{clip['id']}"
        assert (clip["state"], clip["format"], clip["events"]) == ("done", "aedat4", 10_000)
        assert clip["name"].startswith("front 20")
        assert (await client.get("/clips?stream=front")).json()["clips"] == [clip]
        assert (await client.get("/clips?stream=back")).json()["clips"] == []
        events = await client.get(f"{path}/events")
        boxes = await client.get(f"{path}/boxes")
        both = await client.get(f"{path}/zip")
        assert '.aedat4"' in events.headers["content-disposition"]
        assert len(events.content) == clip["size_bytes"]
        assert json.loads(boxes.text) == {"type": "told", "text": "hello"}
        assert boxes.headers["content-type"].startswith("application/x-ndjson")
        with zipfile.ZipFile(io.BytesIO(both.content)) as archive:
            assert archive.testzip() is None
            contents = {Path(name).suffix: archive.read(name) for name in archive.namelist()}
        assert contents == {".aedat4": events.content, ".jsonl": boxes.content}
        saved = tmp_path / "downloaded.aedat4"
        saved.write_bytes(events.content)
        with open_recording(saved) as source:
            assert same(Events.concatenate(source.packets()), packets(0, 20))
        assert (await client.delete(path)).status_code == 204
        assert (await client.get(path)).status_code == 404
        assert [one for one in there.folder.iterdir() if one.is_file()] == []

    run(tmp_path / "clips", scenario)


def test_pictures_of_a_clip_are_those_of_a_recording(tmp_path: Path) -> None:
    async def scenario(there: Served) -> None:
        clip = await there.recorded()
        picture = await there.client.get(f"/clips/{clip['id']}/picture?t_us=100000&width=160")
        assert picture.status_code == 200, picture.text
        assert picture.headers["x-picture-t-us"] == "80000,120000"
        assert picture.content[8:12] == b"WEBP"
        last = await there.client.get(f"/clips/{clip['id']}/picture")
        assert last.headers["x-picture-t-us"] == "160000,200000"

    run(tmp_path, scenario)


def test_a_recording_tells_its_progress_and_is_stopped(tmp_path: Path) -> None:
    async def scenario(there: Served) -> None:
        client = there.client
        begun = (await client.post("/streams/front/recordings", json={"after_s": 60})).json()
        path = f"/clips/{begun['id']}"
        await there.scene.push(0, 20)
        await there.scene.stream.until(lambda: there.scene.clips.get(begun["id"]).events)
        during = (await client.get(path)).json()
        assert (during["state"], during["before_s"], during["after_s"]) == ("recording", 0, 60)
        assert 0 <= during["progress"] < 1
        for part in ("events", "boxes", "zip", "picture"):
            refused = await client.get(f"{path}/{part}")
            assert (refused.status_code, refused.json()["type"]) == (
                409,
                "urn:spikesight:problem:clip-unfinished",
            )
        assert (await client.delete(path)).status_code == 409
        assert (await client.post(f"{path}/stop")).status_code == 202
        assert (await there.scene.over(begun["id"])).state == "done"
        assert (await client.post(f"{path}/stop")).json()["state"] == "done"

    run(tmp_path, scenario)


def test_what_means_nothing_is_refused(tmp_path: Path) -> None:
    async def scenario(there: Served) -> None:
        client = there.client
        bodies: list[dict[str, Any]] = [
            {"before_s": 11}, {"before_s": -1}, {"after_s": 1e9}, {"after_s": 0}, {"format": "mp4"}, {"x": 1},
        ]  # fmt: skip
        for body in bodies:
            assert (await client.post("/streams/front/recordings", json=body)).status_code == 422, body
        assert (await client.post("/streams/nobody/recordings", json={})).status_code == 404
        missing = f"/clips/{'0' * 32}"
        for part in ("", "/events", "/boxes", "/zip", "/picture"):
            assert (await client.get(missing + part)).status_code == 404
        assert (await client.get("/clips/x")).status_code == 422
        assert (await client.delete(missing)).status_code == 404
        await there.scene.stream.lose()
        refused = await client.post("/streams/front/recordings", json={})
        assert (refused.status_code, refused.headers["retry-after"]) == (409, "5")

    run(tmp_path, scenario)


def test_a_clip_is_a_source_of_streams(tmp_path: Path) -> None:
    async def scenario(there: Served) -> None:
        clip = await there.recorded()
        recordings = await Recordings.open(tmp_path / "recordings", Settings())
        source = f"clip://{clip['id']}?speed=max"
        uri, kept = resolve(source, recordings, None, there.scene.clips)
        assert kept is not None
        assert (kept.width, kept.height, kept.events) == (WIDTH, HEIGHT, 10_000)
        assert shown(uri, recordings, there.scene.clips) == source
        with open_source(uri, width=kept.width, height=kept.height) as opened:
            assert same(Events.concatenate(opened.packets()), packets(0, 20))
        await recordings.close()

    run(tmp_path / "clips", scenario)
