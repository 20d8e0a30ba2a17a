"""Any folder of recordings, with boxes in each of the four formats."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training.datasets.made import HEIGHT, WIDTH, events_of, write
from tests.training.datasets.test_pedro import voc
from training.datasets import BoxRule, Cut, Split
from training.datasets.folder import RecordingFolder
from training.errors import BadDataset

CUT = Cut(steps=2, step_us=5_000, rule=BoxRule(0, 0, 0))
BOX_DTYPE = [("t", "<i8"), ("x", "<f4"), ("y", "<f4"), ("w", "<f4"), ("h", "<f4"), ("class_id", "u1")]


def recordings(root: Path, *names: str) -> list[Path]:
    return [write(events_of(seed), root / name) for seed, name in enumerate(names)]


def labels_of(data: RecordingFolder, split: Split) -> dict[str, list[Any]]:
    """Boxes and names of the classes of every window of each recording."""
    return {
        part.name: [
            (w.xyxy.tolist(), [data.classes[k] for k in w.label], w.ignore.tolist())
            for w in part.windows(CUT)
        ]
        for part in data.parts(split)
    }


def test_voc(tmp_path: Path) -> None:
    recordings(tmp_path, "train/a.raw", "val/deep/b.aedat4")
    size = (WIDTH, HEIGHT)
    both = voc((1, 2, 30, 40), name="dog", size=size).replace("</annotation>", "")
    hard = voc((5, 5, 20, 20), name="cat", size=size).replace("<difficult>0", "<difficult>1")
    (tmp_path / "train/a.xml").write_text(both + hard[hard.index("<object>") :])
    (tmp_path / "val/deep/b.xml").write_text(voc(size=size))
    data = RecordingFolder(tmp_path)
    assert data.classes == ("cat", "dog")
    assert labels_of(data, "train") == {"train/a.raw": [([[1, 2, 30, 40]], ["dog"], [[5, 5, 20, 20]])]}
    assert labels_of(data, "val") == {"val/deep/b.aedat4": [([], [], [])]}
    assert labels_of(data, "test") == {}


def test_yolo(tmp_path: Path) -> None:
    recordings(tmp_path, "train/a.npy", "val/b.npy")
    (tmp_path / "classes.txt").write_text("person\ncar\n")
    (tmp_path / "train/a.txt").write_text("1 0.5 0.5 0.25 0.5\n\n0 0 0 0.5 0.5\n")
    (tmp_path / "val/b.txt").write_text("")
    data = RecordingFolder(tmp_path)
    expected = ([[36, 16, 60, 48], [0, 0, 24, 16]], ["car", "person"], [])
    assert labels_of(data, "train") == {"train/a.npy": [expected]}
    assert labels_of(data, "val") == {"val/b.npy": [([], [], [])]}


def test_prophesee(tmp_path: Path) -> None:
    recordings(tmp_path, "train/a.raw", "val/b_td.npy")
    (tmp_path / "classes.txt").write_text("car\nperson")
    rows = np.array([(40_000, 1, 2, 30, 20, 1), (80_000, 3, 2, 30, 20, 0)], BOX_DTYPE)
    np.save(tmp_path / "train/a_bbox.npy", rows)
    np.save(tmp_path / "val/b_bbox.npy", rows[:1])
    data = RecordingFolder(tmp_path)
    assert labels_of(data, "train") == {
        "train/a.raw": [([[1, 2, 31, 22]], ["person"], []), ([[3, 2, 33, 22]], ["car"], [])]
    }
    assert labels_of(data, "val") == {"val/b_td.npy": [([[1, 2, 31, 22]], ["person"], [])]}


def coco(images: list[dict[str, Any]], annotations: list[dict[str, Any]]) -> str:
    categories = [{"id": 3, "name": "car"}, {"id": 1, "name": "person"}]
    return json.dumps({"images": images, "annotations": annotations, "categories": categories})


def box(image: int, bbox: list[float], category: int = 1, **more: Any) -> dict[str, Any]:
    return {"id": 10 * image, "image_id": image, "bbox": bbox, "category_id": category, **more}


def test_coco_with_and_without_times(tmp_path: Path) -> None:
    recordings(tmp_path, "train/a.raw", "train/b.raw", "val/c.raw", "val/d.raw")
    size = {"width": WIDTH, "height": HEIGHT}
    images = [
        {"id": 1, "file_name": "train/a.raw", "t_us": 50_000, **size},
        {"id": 2, "file_name": "train/a.raw", "t_us": 70_000, **size},
        {"id": 3, "file_name": "b.raw"},
    ]
    (tmp_path / "annotations").mkdir()
    boxes = [box(2, [1, 2, 30, 20], 3), box(3, [5, 5, 10, 10]), box(3, [50, 5, 10, 10], iscrowd=1)]
    (tmp_path / "annotations/train.json").write_text(coco(images, boxes))
    timed = [box(1, [5, 5, 10, 10], t_us=90_000), box(1, [4, 5, 10, 10], t_us=30_000)]
    held_out = [{"id": 1, "file_name": "c.raw"}, {"id": 2, "file_name": "d.raw"}]
    (tmp_path / "annotations/val.json").write_text(coco(held_out, timed))
    data = RecordingFolder(tmp_path)
    assert data.classes == ("person", "car")
    assert labels_of(data, "train") == {
        "train/a.raw": [([], [], []), ([[1, 2, 31, 22]], ["car"], [])],
        "train/b.raw": [([[5, 5, 15, 15]], ["person"], [[50, 5, 60, 15]])],
    }
    assert labels_of(data, "val") == {
        "val/c.raw": [([[4, 5, 14, 15]], ["person"], []), ([[5, 5, 15, 15]], ["person"], [])],
        "val/d.raw": [([], [], [])],
    }


def test_without_folders_a_tenth_is_held_out_and_stays_so(tmp_path: Path) -> None:
    for path in recordings(tmp_path, *(f"r{k}.npy" for k in range(40))):
        path.with_suffix(".xml").write_text(voc((1, 2, 30, 40), size=(WIDTH, HEIGHT)))
    data = RecordingFolder(tmp_path)
    val = {part.name for part in data.parts("val")}
    train = {part.name for part in data.parts("train")}
    assert 1 <= len(val) <= 8
    assert len(val | train) == 40
    assert not val & train
    for name in sorted(train)[:20]:
        (tmp_path / name).unlink()
    assert {part.name for part in RecordingFolder(tmp_path).parts("val")} == val


def test_a_class_list_fixes_the_order(tmp_path: Path) -> None:
    for path in recordings(tmp_path, "a.npy", "b.npy"):
        path.with_suffix(".xml").write_text(voc((1, 2, 30, 40), size=(WIDTH, HEIGHT)))
    (tmp_path / "classes.txt").write_text("car\nperson\n")
    assert RecordingFolder(tmp_path).classes == ("car", "person")
    assert len(RecordingFolder(tmp_path).parts("val")) == 1


GOOD = voc((1, 2, 30, 40), size=(WIDTH, HEIGHT))


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({}, r"a\.npy: has no labels; one of a\.xml \(VOC\), a\.txt \(YOLO\), a_bbox\.npy"),
        ({"train/a.xml": GOOD}, r"b\.npy: has no labels; b\.xml is expected beside it"),
        ({"train/a.xml": GOOD, "train/a.txt": ""}, r"a\.npy: has labels of several formats"),
        (
            {"train/a.txt": "", "train/b.txt": ""},
            r"classes\.txt: found no such file; YOLO boxes have numbers",
        ),
        ({"train/a.txt": "", "classes.txt": "car\ncar"}, r"holds 2 names of classes; .* each once"),
        ({"a.json": coco([{"id": 1, "file_name": "a.npy"}], [])}, r"b\.npy: has no labels; none of the COCO"),
        ({"a.json": coco([{"id": 1, "file_name": "z.npy"}], [])}, r"a\.json: lists the recording z\.npy"),
        ({"a.json": coco([], [box(7, [1, 2, 3, 4])])}, "has annotations of image 7, which is not"),
        ({"a.json": "{"}, "is no COCO file of instances"),
        ({"a.json": '{"images": []}'}, "needs images, annotations and categories"),
        ({"a.json": coco([{"id": 1, "file_name": "a.npy", "t_us": 0.5}], [])}, "t_us is 0.5; whole micro"),
    ],
)
def test_bad_folders_are_named(files: dict[str, str], says: str, tmp_path: Path) -> None:
    recordings(tmp_path, "train/a.npy", "train/b.npy")
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(BadDataset, match=says):
        RecordingFolder(tmp_path).parts("train")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0 0.5 0.5 0.2", "line 1 is '0 0.5 0.5 0.2'; five numbers"),
        ("2 0.5 0.5 0.2 0.2", "class 0 to 1"),
        ("car 0.5 0.5 0.2 0.2", "five numbers are needed"),
        ("0 0.5 0.5 0.2 0.2\n0 48 32 20 20", "line 2 is .* shares of the frame, 0 to 1, not pixels"),
        ("0 1.5 0.5 0.2 0.2", "lies outside the 96 x 64 sensor"),
    ],
)
def test_bad_yolo_lines_are_named(text: str, says: str, tmp_path: Path) -> None:
    recordings(tmp_path, "train/a.npy")
    (tmp_path / "train/a.txt").write_text(text)
    (tmp_path / "classes.txt").write_text("person\ncar\n")
    with pytest.raises(BadDataset, match=says) as caught:
        labels_of(RecordingFolder(tmp_path), "train")
    assert "a.txt" in str(caught.value)


@pytest.mark.parametrize(
    ("image", "annotation", "says"),
    [
        (
            {"width": 304, "height": 240},
            {},
            r"a\.raw: its sensor has 96 x 64 pixels, but .*json is of 304 x 240",
        ),
        ({}, {"category_id": 9}, "annotation 10 is of category 9; known are 3 car, 1 person"),
        ({}, {"bbox": [1, 2, 3]}, r"annotation 10 has the bbox \[1, 2, 3\]"),
        ({}, {"bbox": [100, 2, 30, 30]}, "outside the 96 x 64 sensor"),
    ],
)
def test_bad_coco_entries_are_named(
    image: dict[str, Any], annotation: dict[str, Any], says: str, tmp_path: Path
) -> None:
    recordings(tmp_path, "train/a.raw")
    images = [{"id": 1, "file_name": "a.raw", **image}]
    (tmp_path / "train/boxes.json").write_text(coco(images, [box(1, [1, 2, 30, 30]) | annotation]))
    with pytest.raises(BadDataset, match=says):
        labels_of(RecordingFolder(tmp_path), "train")


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadDataset, match="holds no recording"):
        RecordingFolder(tmp_path).parts("train")
