"""`spikesight export` as a process, beside a service that writes."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from service.cli import main
from service.history import History
from service.store.entries import Watched
from tests.service.store.world import FakeStream, Home, answer, boxes_at

NOON_US = 4_000_000_000_000_000
HALL = Watched("a1", "hall", 640, 480)
SPIKESIGHT = str(Path(sys.executable).with_name("spikesight"))


def ended(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> object:
    """The exit code of the same command in this process."""
    monkeypatch.setattr(sys, "argv", ["spikesight", "export", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        main()
    return caught.value.code


def spikesight(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [SPIKESIGHT, "export", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("home"))
    times = range(NOON_US, NOON_US + 10_000_000, 1_000_000)
    home.put(*(boxes_at(wall_us, ["person", "car"], HALL, lambda _: (1, 2, 3, 4)) for wall_us in times))
    return home


def test_a_file_is_written_by_its_name(home: Home, tmp_path: Path) -> None:
    out = tmp_path / "person.csv"
    asked = ["--stream", "hall", "--class", "person", "--from", "4000000005", "--to", "2096-10-02T07:06:49Z"]
    done = spikesight(out, *asked, "--data-dir", home.folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.replace("\n", "") in (f"wrote 4 boxes to {out}", f"wrote 4 boxes to{out}")
    with out.open(newline="") as file:
        assert [row["time"][-10:-8] for row in csv.DictReader(file)] == ["45", "46", "47", "48"]
    assert list(tmp_path.iterdir()) == [out]


def test_the_folder_may_come_from_the_settings(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "all.json"
    monkeypatch.setenv("SPIKESIGHT_DATA_DIR", str(home.folder))
    assert ended(monkeypatch, out) == 0
    assert len(json.loads(out.read_text())["annotations"]) == 20


def test_the_service_may_run_meanwhile(sqlite_home_of_ours: Home, tmp_path: Path) -> None:
    async def watch(history: History) -> int:
        observer = history.observe(FakeStream())
        observer.answered(answer(1, [("car", 0.5, (1, 2, 3, 4), 0)]))
        while not history.health()["rows"]:
            await history.documents.all("x")
        return spikesight(tmp_path / "x.csv", "--data-dir", sqlite_home_of_ours.folder).returncode

    assert sqlite_home_of_ours.run(watch) == 0
    assert len((tmp_path / "x.csv").read_text().splitlines()) == 2


@pytest.fixture
def sqlite_home_of_ours(tmp_path: Path) -> Home:
    return Home(tmp_path / "data")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["x.txt"], "known are --format csv, parquet, coco and names that end in .csv, .parquet, .json"),
        (["x.csv", "--format", "xml"], "found 'xml'"),
        (
            ["x.csv", "--from", "yesterday"],
            "--from is 'yesterday'; it must be a time like 2026-01-31",
        ),
        (["x.csv", "--stream", "cellar"], "no stream 'cellar' is in the history"),
        (["x.csv", "--data-dir", "/nowhere"], "found no database /nowhere/spikesight.db"),
        (["no/folder/x.csv"], "could not be written to"),
    ],
)
def test_refusals(
    home: Home,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.setenv("SPIKESIGHT_DATA_DIR", str(home.folder))
    assert ended(monkeypatch, tmp_path / arguments[0], *arguments[1:]) == 2
    assert words in capsys.readouterr().err.replace("\n", " ")
    assert list(tmp_path.iterdir()) == []
