"""Weights measured on a data set: classes by name, splits, protocols, and the card they go into."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model.card import load_card
from model.card_page import card_to_markdown
from tests.training.cards import tiny_weights
from tests.training.datasets.made import HEIGHT, WIDTH, events_of, write
from tests.training.datasets.test_coco_frames import make_coco
from tests.training.datasets.test_pedro import OBJECT, voc
from training.datasets import BoxRule
from training.errors import BadDataset, BadTraining
from training.evaluate import Evaluation, EvaluationSettings, evaluate, write_card

PERSON, DOG, SMALL = (10, 4, 40, 60), (50, 4, 90, 60), (60, 10, 66, 18)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Untrained ones whose threshold is so low that they find something everywhere."""
    path = tiny_weights(tmp_path)
    path.with_suffix(".json").write_text(replace(load_card(path), threshold=0.06).to_json())
    return path


def make_clips(root: Path, other: str = "dog") -> Path:
    """Clips of a large and a small person beside something else, one in train, two in val."""
    for number, name in enumerate(("train/a.raw", "val/b.raw", "val/c.raw")):
        path = write(events_of(number, count=20_000), root / name)
        xml = voc(PERSON, SMALL, name="person", size=(WIDTH, HEIGHT))
        objects = OBJECT.format(*DOG, name=other) + "</annotation>"
        path.with_suffix(".xml").write_text(xml.replace("</annotation>", objects))
    return root


def measured(weights: Path, data: str, **changes: Any) -> Evaluation:
    settings = EvaluationSettings(windows=10, data=data, cache=weights.parent / "runs" / "held-out")
    return evaluate(weights, ("data",), replace(settings, **changes))


def test_classes_are_matched_by_name(weights: Path, tmp_path: Path) -> None:
    found = measured(weights, f"folder:{make_clips(tmp_path / 'clips')}")
    assert set(found.metrics) == {"data_sets"}
    (block,) = found.metrics["data_sets"].values()
    assert (block["windows"], block["boxes"]) == (2, 4), "dogs do not count"
    assert block["ignored"] == ["dog"]
    assert block["not_measured"] == ["car", "two-wheeler"]
    assert block["scores"]["ap50"]["car"] is None
    rows = block["confusion"]["counts"]
    assert sum(sum(row) for row in rows) > 4, "it finds nothing, so that this test is of no worth"
    assert [row[1:3] for row in rows] == [[0, 0]] * 4, "answers of classes without labels are left out"
    assert found.card.threshold == 0.06 == block["operating"]["threshold"]


def test_what_is_found_on_an_unknown_class_does_not_count(weights: Path, tmp_path: Path) -> None:
    kinds = {"dog": "car", "car": "dog"}
    false = {}
    for other in kinds:
        root = make_clips(tmp_path / other, other)
        (block,) = measured(weights, f"folder:{root}").metrics["data_sets"].values()
        false[other] = block["confusion"]["counts"][-1][0]
    assert false["dog"] < false["car"], "persons found on a dog are forgiven, those on a car are not"


def test_the_protocol_leaves_out_small_boxes(weights: Path, tmp_path: Path) -> None:
    root = make_clips(tmp_path / "clips")
    (block,) = measured(weights, f"folder:{root}", rule=BoxRule()).metrics["data_sets"].values()
    assert block["boxes"] == 2
    (strict,) = measured(weights, f"folder:{root}?min_side=31", rule=BoxRule()).metrics["data_sets"].values()
    assert (strict["boxes"], strict["rule"]["min_side_px"]) == (0, 31)


def test_blocks_stand_beside_the_simulated_one(weights: Path, tmp_path: Path) -> None:
    simulated = {"on": "held-out simulated windows", "scores": {"map50": 0.5}}
    card = replace(load_card(weights), metrics=simulated)
    weights.with_suffix(".json").write_text(card.to_json())
    for name in ("here", "there"):
        write_card(weights, measured(weights, f"folder:{make_clips(tmp_path / name)}"))
    written = load_card(weights)
    assert list(written.metrics["data_sets"]) == ["folder:here val", "folder:there val"]
    assert {key: written.metrics[key] for key in simulated} == simulated
    assert written.threshold == card.threshold
    page = card_to_markdown(replace(written, metrics={"data_sets": written.metrics["data_sets"]}))
    for words in (
        "## On data sets", "### folder:here val", "On 2 windows with 4 boxes", "It does not know dog",
        "not measured: car, two-wheeler", "| person |",
        "spikesight evaluate tiny --data 'folder:here' --split val --windows 2 --write",
    ):  # fmt: skip
        assert words in page


def test_recordings_are_read_from_the_cache_of_training(weights: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    data = f"folder:{make_clips(tmp_path / 'clips')}"
    settings = EvaluationSettings(data=data, cache=tmp_path / "runs" / "held-out")
    evaluate(weights, ("data",), settings, lambda *progress: told.append(progress))
    assert told == [("data", 1, 2), ("data", 2, 2), ("data", 2, 2)]
    assert len(list((tmp_path / "runs" / "cache").glob("folder-*/*/val/*.pack"))) == 2
    assert not list((tmp_path / "runs" / "cache").glob("folder-*/*/train/*.pack"))


@pytest.mark.parametrize(
    ("data", "split", "error", "says"),
    [
        ("sim:street", "val", BadTraining, "which has no splits; name one data set alone"),
        ("folder:{clips}+sim:street", "val", BadTraining, "which has no splits"),
        ("folder:{clips}", "test", BadDataset, "no recording in test, .* name a split that has some"),
        ("coco:{coco}", "val", BadTraining, "tiny has the encoding 'log1p', coco:.* is read with frame"),
        ("coco:{coco}", "test", BadDataset, "labels for train and val alone"),
        ("folder:{dogs}", "val", BadTraining, "finds person, car, two-wheeler, folder:.* labels cat, dog"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    data: str, split: str, error: type[Exception], says: str, weights: Path, tmp_path: Path
) -> None:
    places = {"clips": make_clips(tmp_path / "clips"), "coco": make_coco(tmp_path / "coco")}
    places["dogs"] = make_clips(tmp_path / "dogs")
    for path in places["dogs"].rglob("*.xml"):
        path.write_text(path.read_text().replace("person", "cat"))
    with pytest.raises(error, match=says):
        measured(weights, data.format(**places), split=split)


def test_nothing_named_is_nothing_measured(weights: Path) -> None:
    with pytest.raises(BadTraining, match="no data is named; give a data set"):
        evaluate(weights, ("data",), EvaluationSettings())
