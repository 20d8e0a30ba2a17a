"""History over HTTP: what was seen comes back as JSON, in pages, as counts and as files."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import threading
from collections.abc import Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from service import problems
from service.history import History
from service.routes import history as routes
from service.store.area import Area
from service.store.entries import Boxes, Happened, TrackEnd, Watched
from tests.servers import free_port
from tests.service.store.world import Home

NOON_US = 4_000_000_000_000_000
NOON = "2096-10-02T07:06:40"
HALL, STREET = Watched("a1", "hall", 640, 480), Watched("b2", 'street, "old"\n=1+1', 346, 260)
DOOR = Area(((0.0, 0.0), (20.0, 0.0), (20.0, 30.0), (0.0, 30.0)))


def at(second: float) -> int:
    return NOON_US + round(1_000_000 * second)


def boxes(second: float, stream: Watched, *found: tuple[str, int | None]) -> Boxes:
    """The first box is in the door, the second is not."""
    n = len(found)
    sides = [(1000 * k + 25, 0, 1000 * k + 1050, 2000) for k in range(n)]
    names, ids = zip(*found, strict=True)
    scores = [9000 - 1000 * k for k in range(n)]
    return Boxes(stream, at(second), round(1e6 * second), names, scores, sides, ids, [False] * n)


PATH = [(0, 5.4, 10.0), (29_000, 5.4, 10.0)]
ENTRIES = [
    *(boxes(second, HALL, ("person", 7), ("car", None)) for second in range(30)),
    *(boxes(second + 0.5, STREET, ("bicycle", 1)) for second in range(10)),
    TrackEnd(
        HALL,
        7,
        at(30),
        at(0),
        0,
        30_000_000,
        "person",
        {"person": 1.0},
        30,
        9000,
        [(0, 5.4, 10.0), (29_000, 5.4, 10.0)],
    ),
    Happened(HALL, at(3), "zone", {"type": "zone", "zone": "door", "event": "enter", "track_id": 7}),
    Happened(STREET, at(4), "alarm", {"type": "alarm", "words": "bicycle in the street"}),
]


@dataclass
class Served:
    client: httpx.Client
    history: History
    folder: Path

    def get(self, path: str, **query: Any) -> Any:
        answer = self.client.get(path, params=query or None)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The routes of history alone, on a real port, over a database that holds `ENTRIES`."""
    home = Home(tmp_path_factory.mktemp("history"))
    home.put(*ENTRIES)
    settings = home.settings(disk_reserve_bytes=0)
    opened: list[History] = []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> Any:
        async with await History.open(settings, home.folder) as history:
            history.zone_of = lambda stream, zone: DOOR if (stream, zone) == ("hall", "door") else None
            app.state.context = SimpleNamespace(settings=settings, history=history)
            opened.append(history)
            yield

    app = FastAPI(lifespan=lifespan)
    problems.install(app)
    app.include_router(routes.router)
    server = uvicorn.Server(uvicorn.Config(app, port=free_port(), log_config=None, access_log=False))
    thread = threading.Thread(target=asyncio.run, args=(server.serve(),))
    thread.start()
    while not server.started and thread.is_alive():
        thread.join(0.01)
    with httpx.Client(base_url=f"http://127.0.0.1:{server.config.port}", timeout=60) as client:
        yield Served(client, opened[0], home.folder)
    server.should_exit = True
    thread.join(20)
    assert not thread.is_alive()


def test_the_newest_boxes_come_first(served: Served) -> None:
    found = served.get("/detections", stream="hall", limit=3)
    assert found["detections"][0] == {
        "time": "2096-10-02T07:07:09.000000Z",
        "stream": "a1",
        "name": "hall",
        "t_us": 29_000_000,
        "label": "car",
        "score": 0.8,
        "xyxy": [10.25, 0.0, 20.5, 20.0],
        "track_id": None,
    }
    assert [box["t_us"] for box in found["detections"]] == [29_000_000, 29_000_000, 28_000_000]


@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_next_leads_through_all_pages(served: Served, order: str) -> None:
    path, times = "/detections?class=person&class=bicycle&limit=7&order=" + order, []
    for _ in range(6):
        page = served.get(path)
        times += [box["time"] for box in page["detections"]]
        path = page["next"]
    assert path is None
    assert len(times) == 40
    assert times == sorted(times, reverse=order == "newest")


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({}, 70),
        ({"stream": ["a1", "b2"]}, 70),
        ({"stream": "b2"}, 10),
        ({"class": "car"}, 30),
        ({"class": ["car", "bicycle"]}, 40),
        ({"from": f"{NOON}Z", "to": "2096-10-02T07:06:41Z"}, 3),
        ({"from": NOON, "to": "4000000000.5"}, 2),
        ({"from": "2096-10-02T09:06:41+02:00", "to": 4_000_000_002}, 3),
        ({"from": "2096-10-02"}, 70),
        ({"to": "2096-10-02"}, 0),
        ({"min_score": 0.85}, 40),
        ({"track_id": 7}, 30),
        ({"stream": "hall", "zone": "door"}, 60),
    ],
    ids=str,
)
def test_conditions_of_boxes(served: Served, query: dict[str, Any], count: int) -> None:
    assert len(served.get("/detections", limit=1000, **query)["detections"]) == count


@pytest.mark.parametrize(
    ("path", "status", "code", "words"),
    [
        ("/detections?stream=cellar", 404, "unknown-stream", "'cellar' is in the history"),
        ("/detections?from=yesterday", 422, "bad-request", "2026-01-31T12:00:00Z"),
        ("/detections?from=1e30", 422, "bad-request", "seconds since 1970"),
        ("/detections?from=nan", 422, "bad-request", "seconds since 1970"),
        ("/detections?from=1969-01-01", 422, "bad-request", "seconds since 1970"),
        ("/detections?min_score=2", 422, "bad-request", "a number from 0 to 1"),
        ("/detections?track_id=0", 422, "bad-request", "from 1"),
        ("/detections?limit=1001", 422, "bad-request", "from 1 to 1000"),
        ("/detections?cursor=x", 422, "bad-request", "take it from the `next`"),
        ("/detections?colour=red", 422, "bad-request", ""),
        ("/detections?zone=door", 422, "bad-request", "0 streams are named"),
        ("/detections?stream=hall&zone=roof", 422, "bad-request", "no zone 'roof'"),
        ("/detections/counts?bucket=0m", 422, "bad-request", "10s, 1m, 6h, 1d"),
        ("/detections/counts?bucket=1s&from=0", 422, "bad-request", "10000 are allowed"),
        ("/detections/export?format=xml", 422, "bad-request", "'csv', 'parquet' or 'coco'"),
        ("/detections/export?stream=cellar", 404, "unknown-stream", "'cellar'"),
        ("/detections?stream=%00", 422, "bad-request", ""),
        ("/tracks?class=", 422, "bad-request", "at least 1 character"),
        ("/happenings?stream=cellar", 404, "unknown-stream", "'cellar'"),
    ],
)
def test_refusals(served: Served, path: str, status: int, code: str, words: str) -> None:
    answer = served.client.get(path)
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:spikesight:problem:{code}")
    assert words in answer.text


def test_tracks(served: Served) -> None:
    (track,) = served.get("/tracks", stream="hall", **{"class": "person"})["tracks"]
    assert (track["track_id"], track["boxes"], track["begun"]) == (7, 30, f"{NOON}.000000Z")
    assert track["path"] == [[0, 5.4, 10.0], [29_000_000, 5.4, 10.0]]
    assert served.get("/tracks", track_id=8) == {"tracks": [], "next": None}


def test_happenings(served: Served) -> None:
    found = served.get("/happenings")["happenings"]
    assert [(one["name"], one["kind"], one["body"]["type"]) for one in found] == [
        (STREET.name, "alarm", "alarm"),
        ("hall", "zone", "zone"),
    ]
    assert len(served.get("/happenings", kind="alarm")["happenings"]) == 1
    first = served.get("/happenings", limit=1)
    assert served.get(first["next"])["happenings"][0]["kind"] == "zone"


def test_counts(served: Served) -> None:
    found = served.get("/detections/counts", bucket="20s", **{"from": NOON, "to": "2096-10-02T08:00:00Z"})
    assert found["bucket_s"] == 20
    assert found["begin"] == f"{NOON}.000000Z"
    assert [bucket["boxes"] for bucket in found["buckets"]] == [
        {"person": 20, "car": 20, "bicycle": 10},
        {"person": 10, "car": 10},
    ]
    single = served.get("/detections/counts", bucket="1h", track_id=7, **{"from": NOON, "to": 4_000_000_100})
    assert [(bucket["boxes"], bucket["tracks"]) for bucket in single["buckets"]] == [
        ({"person": 30}, {"person": 1})
    ]


def test_counts_are_of_the_last_buckets_where_nothing_is_said(served: Served) -> None:
    found = served.get("/detections/counts", bucket="5m")
    begin, end = (datetime.fromisoformat(found[name]) for name in ("begin", "end"))
    assert 120 * 300 <= (end - begin).total_seconds() < 121 * 300
    assert abs((datetime.now(UTC) - end).total_seconds()) < 60
    assert found["buckets"] == []


# ---------------------------------------------------------------- files


def exported(served: Served, form: str, **query: Any) -> bytes:
    answer = served.client.get("/detections/export", params={"format": form, **query})
    assert answer.status_code == 200, answer.text
    suffix = {"csv": "csv", "parquet": "parquet", "coco": "json"}[form]
    assert answer.headers["Content-Disposition"] == f'attachment; filename="detections.{suffix}"'
    assert list((served.folder / "exports").iterdir()) == []
    return answer.content


def all_boxes(served: Served) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = served.get("/detections", limit=1000, order="oldest")["detections"]
    return found


def test_csv_holds_what_the_api_says(served: Served) -> None:
    rows = list(csv.DictReader(io.StringIO(exported(served, "csv").decode(), newline="")))
    read = [
        {
            **{name: row[name] for name in ("time", "stream", "name", "label")},
            "t_us": int(row["t_us"]),
            "score": float(row["score"]),
            "xyxy": [float(row[side]) for side in ("left", "top", "right", "bottom")],
            "track_id": int(row["track_id"]) if row["track_id"] else None,
        }
        for row in rows
    ]
    assert read == all_boxes(served)


def test_parquet_holds_what_the_api_says(served: Served, tmp_path: Path) -> None:
    path = tmp_path / "detections.parquet"
    path.write_bytes(exported(served, "parquet"))
    with duckdb.connect() as connection:
        table = connection.read_parquet(str(path))
        assert dict(zip(table.columns, map(str, table.types), strict=True)) == {
            "time": "TIMESTAMP WITH TIME ZONE",
            **dict.fromkeys(("stream", "name", "label"), "VARCHAR"),
            **dict.fromkeys(("score", "left", "top", "right", "bottom"), "DOUBLE"),
            **dict.fromkeys(("t_us", "track_id"), "BIGINT"),
        }
        columns = ["time", *(name for name in table.columns if name != "time")]
        rows = table.project("epoch_us(time) AS time, * EXCLUDE (time)").fetchall()
    read = [dict(zip(columns, row, strict=True)) for row in rows]
    expected = all_boxes(served)
    assert [one["time"] for one in read] == [
        round(1e6 * datetime.fromisoformat(box["time"]).timestamp()) for box in expected
    ]
    for one, box in zip(read, expected, strict=True):
        assert [one.pop(side) for side in ("left", "top", "right", "bottom")] == box.pop("xyxy")
        assert {**one, "time": None} == {**box, "time": None}


def test_coco_holds_what_the_api_says(served: Served) -> None:
    coco = json.loads(exported(served, "coco"))
    images = {image["id"]: image for image in coco["images"]}
    names = {category["id"]: category["name"] for category in coco["categories"]}
    assert len(images) == len(coco["images"]) == 40
    assert sorted(names.values()) == ["bicycle", "car", "person"]
    assert [one["id"] for one in coco["annotations"]] == list(range(1, 71))
    first = images[1]
    assert (first["width"], first["height"], first["file_name"]) == (640, 480, "a1/0")
    read = []
    for one in coco["annotations"]:
        image = images[one["image_id"]]
        left, top, width, height = one["bbox"]
        assert one["area"] == pytest.approx(width * height)
        read.append(
            {
                "time": image["date_captured"],
                "stream": image["stream"],
                "name": image["stream_name"],
                "t_us": image["t_us"],
                "label": names[one["category_id"]],
                "score": one["score"],
                "xyxy": [left, top, pytest.approx(left + width), pytest.approx(top + height)],
                "track_id": one["track_id"],
            }
        )
    assert read == all_boxes(served)


def test_coco_is_read_by_evaluators(served: Served, tmp_path: Path) -> None:
    from faster_coco_eval import COCO

    path = tmp_path / "detections.json"
    path.write_bytes(exported(served, "coco"))
    coco = COCO(str(path))
    assert len(coco.getImgIds()) == 40
    assert len(coco.getAnnIds(imgIds=[1])) == 2


@pytest.mark.parametrize("form", ["csv", "parquet", "coco"])
def test_an_export_of_nothing_is_a_whole_file(served: Served, form: str, tmp_path: Path) -> None:
    data = exported(served, form, to="2000-01-01")
    if form == "csv":
        assert data.decode() == "time,stream,name,t_us,label,score,left,top,right,bottom,track_id\n"
    elif form == "coco":
        assert json.loads(data) | {"info": 0} == {
            "info": 0,
            "images": [],
            "annotations": [],
            "categories": [],
        }
    else:
        (tmp_path / "x.parquet").write_bytes(data)
        with duckdb.connect() as connection:
            assert connection.read_parquet(str(tmp_path / "x.parquet")).fetchall() == []


def test_an_export_obeys_the_conditions(served: Served) -> None:
    rows = exported(served, "csv", stream="hall", zone="door", min_score=0.85, to="2096-10-02T07:06:45Z")
    assert len(rows.splitlines()) == 1 + 5


def test_an_export_that_fills_the_disk_is_refused(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served.history._exports, "_reserve_bytes", 1 << 60)
    answer = served.client.get("/detections/export")
    assert (answer.status_code, answer.json()["type"]) == (507, "urn:spikesight:problem:disk-full")
    assert "must stay" in answer.json()["detail"]
    assert list((served.folder / "exports").iterdir()) == []


def test_parquet_without_its_part_is_refused(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    answer = served.client.get("/detections/export?format=parquet")
    assert (answer.status_code, answer.json()["type"]) == (501, "urn:spikesight:problem:not-installed")
    assert "pip install 'spikesight[parquet]'" in answer.json()["detail"]


def test_an_export_whose_client_left_is_ended(served: Served) -> None:
    """Its turn is free again, and nothing of it is left."""
    for _ in range(3):
        with pytest.raises(httpx.ReadTimeout):
            served.client.get("/detections/export", timeout=0.01)
    assert len(exported(served, "csv").splitlines()) > 70
    assert served.history._exports._turns.running == 0
