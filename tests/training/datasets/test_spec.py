"""Training data by a line of text, as `spikesight train --data` takes it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.training.datasets.made import HEIGHT, WIDTH, events_of, write
from tests.training.datasets.test_pedro import make_clip, voc
from training.datasets.cached import RecordedData
from training.datasets.mixture import Mixture
from training.datasets.simulated import SimulatedData
from training.datasets.spec import RULES, SOURCES, data_from_spec
from training.errors import BadDataset
from training.settings import TrainSettings


@pytest.fixture
def settings(tmp_path: Path) -> TrainSettings:
    return TrainSettings(out=tmp_path / "runs" / "one", steps=2, window_steps=3, step_us=10_000)


@pytest.fixture
def pedro(tmp_path: Path) -> Path:
    root = tmp_path / "my+data"  # a plus sign is no seam of a mixture
    for number, split in enumerate(("train", "train", "val", "test")):
        make_clip(root, split, number, voc((10, 20, 40, 90), (50, 20, 58, 30)))
    return root


def test_the_simulator(settings: TrainSettings) -> None:
    data = data_from_spec("sim:street", settings)
    assert isinstance(data, SimulatedData)
    assert (data.scenes.steps, data.scenes.step_us) == (3, 10_000)


def test_recordings_are_cut_to_the_settings(settings: TrainSettings, pedro: Path) -> None:
    data = data_from_spec(f"pedro:{pedro}", settings)
    with data.chunks(0) as chunks:
        windows = chunks.load(0)
    assert windows[0].shape == (3, 2, 260, 346)
    assert {len(w.label) for w in windows} == {2}
    assert data.classes == ("person",)
    assert data.describe()["train"]["windows"] == 2
    assert list((settings.out.parent / "cache").glob("pedro-*/*/train/*.pack"))


def test_options_change_the_rule(settings: TrainSettings, pedro: Path) -> None:
    data = data_from_spec(f"pedro:{pedro}?min_side=9&min_diagonal=20&skip_ms=0.5", settings)
    assert isinstance(data, RecordedData)
    assert (data.cut.rule.min_side_px, data.cut.rule.min_diagonal_px, data.cut.rule.skip_us) == (9, 20, 500)
    (window,) = data.held_out(9)
    assert (len(window.label), len(window.ignore)) == (1, 1)
    assert data.describe()["rule"]["skip_us"] == 500


def test_mixtures(settings: TrainSettings, pedro: Path) -> None:
    data = data_from_spec(f"sim:street*0.25+pedro:{pedro}?min_side=5*.75", settings)
    assert isinstance(data, Mixture)
    assert [(share.name, share.weight) for share in data.shares] == [("sim", 0.25), ("pedro", 0.75)]
    assert data.classes == ("person", "car", "two-wheeler")
    equal = data_from_spec(f"pedro:{pedro}+pedro:{pedro}?skip_ms=1", settings)
    assert isinstance(equal, Mixture)
    assert [share.weight for share in equal.shares] == [1, 1]


def test_a_folder_of_recordings(settings: TrainSettings, tmp_path: Path) -> None:
    for seed, name in enumerate(("a.raw", "b.npy", "c.aedat4")):
        path = write(events_of(seed), tmp_path / "mine" / name)
        path.with_suffix(".xml").write_text(voc((10, 20, 40, 50), name="dog", size=(WIDTH, HEIGHT)))
    data = data_from_spec(f"folder:{tmp_path / 'mine'}", settings)
    with data.chunks(0) as chunks:
        windows = chunks.load(0)
    assert data.classes == ("dog",)
    assert all(np.array_equal(w.xyxy, [[10, 20, 40, 50]]) for w in windows)
    assert data.describe()["held_out"]["windows"] == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("pedor:/x", r"'pedor:/x' \(is 'pedro' meant\?\); known are sim:street, gen1:FOLDER"),
        ("street", "known are sim:street"),
        ("", "known are sim:street"),
        ("sim:", "known are sim:street"),
        ("sim:beach", "the scene 'beach'; simulated are sim:street"),
        ("pedro:/no/such/folder", "found no folder /no/such/folder"),
        ("pedro:{root}?clases=3", "pedro has no option 'clases'; known are min_side, min_diagonal, skip_ms"),
        ("1mpx:{root}?clases=3", r"1mpx has no option 'clases' \(is 'classes' meant\?\)"),
        ("1mpx:{root}?classes=three", "the option classes is 'three'; a number is needed"),
        ("1mpx:{root}?classes=4", "found 4 classes for 1 Mpx"),
        ("sim:street*0+sim:street*1", "each needs a weight above 0"),
        ("sim:street*0.5+pedor:/x*0.5", "known are sim:street"),
    ],
)
def test_bad_lines_are_named(text: str, says: str, settings: TrainSettings, pedro: Path) -> None:
    with pytest.raises(BadDataset, match=says):
        data_from_spec(text.replace("{root}", str(pedro)), settings)


@pytest.mark.parametrize("name", list(SOURCES))
def test_every_source_says_that_an_empty_folder_is_none(
    name: str, settings: TrainSettings, tmp_path: Path
) -> None:
    with (
        pytest.raises(BadDataset, match=str(tmp_path)),
        data_from_spec(f"{name}:{tmp_path}", settings).chunks(0),
    ):
        pass


def test_the_docs_name_every_source_and_option() -> None:
    page = (Path(__file__).parents[3] / "docs" / "training.md").read_text(encoding="utf-8")
    for name, source in SOURCES.items():
        assert f"`{name}:FOLDER`" in page
        for option in source.options:
            assert f"`{option}=" in page
    for option in RULES:
        assert f"`{option}`" in page
