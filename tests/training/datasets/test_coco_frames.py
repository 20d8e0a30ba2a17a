"""COCO on small files in its layout, views of its pictures, and what is said of bad ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from training.augment import NO_AUGMENT, AugmentSettings, View, draw_view, plain_view, render
from training.batches import Batches
from training.datasets.coco_frames import CocoFrames
from training.datasets.pictures import PAD, LabelledPicture
from training.datasets.pool import Pool
from training.errors import BadDataset
from training.settings import TrainSettings

SIZE = (64, 48)
GRID = (96, 64)
BOX = (8, 12, 40, 36)
RED, BLUE = (230, 20, 30), (10, 40, 220)
CATEGORIES = [{"id": 1, "name": "person"}, {"id": 3, "name": "car"}, {"id": 90, "name": "toothbrush"}]
SPLITS = {"train": 6, "val": 3}

Content = dict[str, Any]


def annotation(image: int, category: int, bbox: list[float], **more: Any) -> dict[str, Any]:
    return {"image_id": image, "category_id": category, "bbox": bbox, "iscrowd": 0, **more}


def picture(size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    """A red box on blue."""
    rgb = np.full((size[1], size[0], 3), BLUE, np.uint8)
    rgb[BOX[1] : BOX[3], BOX[0] : BOX[2]] = RED
    return rgb


def write_jpeg(path: Path, rgb: NDArray[np.uint8]) -> None:
    made, data = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 98])
    assert made
    path.write_bytes(data.tobytes())


def content(pictures: int) -> Content:
    """Every picture has a person; the first has a crowd, the second a car, the third a toothbrush."""
    width, height = BOX[2] - BOX[0], BOX[3] - BOX[1]
    boxes = [
        annotation(image, 1, [BOX[0], BOX[1], width, height], segmentation=[[1, 2, 3, 4]])
        for image in range(1, pictures + 1)
    ]
    boxes.append(annotation(1, 1, [0, 0, 30, 10], iscrowd=1, segmentation={"counts": [3], "size": [48, 64]}))
    boxes.append(annotation(2, 3, [50.5, 20, 20, 20]))  # over the right border
    boxes.append(annotation(3, 90, [5, 5, 0, 12]))  # without width
    boxes.append(annotation(3, 90, [5, 5, 10, 12]))
    images = [
        {"id": k, "file_name": f"{k:012d}.jpg", "width": SIZE[0], "height": SIZE[1]}
        for k in range(pictures, 0, -1)
    ]
    return {"categories": CATEGORIES, "images": images, "annotations": boxes}


def labels_file(root: Path, split: str) -> Path:
    return root / "annotations" / f"instances_{split}2017.json"


def make_coco(root: Path) -> Path:
    """COCO 2017 in small."""
    for split, pictures in SPLITS.items():
        folder = root / f"{split}2017"
        folder.mkdir(parents=True)
        for k in range(1, pictures + 1):
            write_jpeg(folder / f"{k:012d}.jpg", picture())
        labels_file(root, split).parent.mkdir(exist_ok=True)
        labels_file(root, split).write_text(json.dumps(content(pictures)))
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_coco(tmp_path)


def change(root: Path, split: str, edit: Callable[[Content], object]) -> None:
    path = labels_file(root, split)
    values = json.loads(path.read_text())
    edit(values)
    path.write_text(json.dumps(values))


def learnt(data: CocoFrames, first: int = 0) -> list[LabelledPicture]:
    with data.chunks(first) as chunks:
        return list(chunks.load(first))


def test_labels_are_those_of_the_file(root: Path) -> None:
    data = CocoFrames(root, steps=2)
    assert data.classes == ("person", "car", "toothbrush")
    one, two, three = data.held_out(10)
    assert one.shape == (2, 3, 48, 64)
    assert one.xyxy.tolist() == [list(BOX)]
    assert one.ignore.tolist() == [[0, 0, 30, 10]]
    assert two.xyxy.tolist() == [list(BOX), [50.5, 20, 64, 40]]
    assert two.label.tolist() == [0, 1]
    assert three.label.tolist() == [0, 2], "a box without width is no label"
    assert [p.path.name for p in data.held_out(2)] == ["000000000001.jpg", "000000000002.jpg"]
    assert data.describe()["pictures"] == 6


def test_labels_may_lie_beside_the_pictures(root: Path) -> None:
    for split in SPLITS:
        labels_file(root, split).rename(root / f"instances_{split}2017.json")
    assert len(CocoFrames(root).held_out(10)) == 3


def test_a_choice_of_classes_is_learnt_from_pictures_that_show_them(root: Path) -> None:
    data = CocoFrames(root, classes=("toothbrush", "car"))
    assert data.classes == ("toothbrush", "car")
    assert sorted(p.path.name for p in learnt(data)) == ["000000000002.jpg", "000000000003.jpg"]
    assert sorted(p.label.tolist() for p in learnt(data)) == [[0], [1]]
    assert [len(p.label) for p in data.held_out(10)] == [0, 1, 1]


def test_every_epoch_shows_all_pictures_in_another_order_that_the_seed_decides(root: Path) -> None:
    epochs = [[p.path.name for p in learnt(CocoFrames(root, seed=4), epoch)] for epoch in range(4)]
    assert all(sorted(epoch) == sorted(epochs[0]) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1
    assert [p.path.name for p in learnt(CocoFrames(root, seed=4), 2)] == epochs[2]


@pytest.mark.parametrize("grid", [(96, 64), (64, 48), (32, 32)])
def test_the_plain_view_is_the_letterboxed_picture_at_every_step(root: Path, grid: tuple[int, int]) -> None:
    shown = CocoFrames(root, steps=3).held_out(1)[0]
    view = plain_view(shown.shape, grid)
    sample = render(shown, view, grid)
    assert sample.counts.shape == (3, 3, grid[1], grid[0])
    assert np.array_equal(sample.counts[0], sample.counts[2])
    x0, y0, x1, y1 = sample.xyxy[0]
    assert [x0, y0, x1, y1] == pytest.approx(
        [v * view.scale + d for v, d in zip(BOX, _pad(view), strict=True)]
    )
    image = sample.counts[0].transpose(1, 2, 0).astype(int)
    inner = image[round(y0) + 2 : round(y1) - 2, round(x0) + 2 : round(x1) - 2]
    assert np.abs(inner - RED).max() < 30
    assert np.abs(image[int(view.top) + 1, int(view.left) + 1] - BLUE).max() < 30
    beside = np.delete(image, np.s_[int(view.top) : int(view.top + 48 * view.scale)], 0)
    assert (beside == PAD).all()


@pytest.mark.parametrize("seed", range(12))
def test_boxes_follow_their_objects_through_views(root: Path, seed: int) -> None:
    shown = CocoFrames(root).held_out(1)[0]
    view = draw_view(AugmentSettings(zoom=(0.7, 2.0)), shown.shape, GRID, np.random.default_rng(seed))
    sample = render(shown, view, GRID)
    reddish = sample.counts[0, 0].astype(int) - sample.counts[0, 2] > 0
    rows, columns = np.nonzero(reddish)
    boxes = sample.xyxy if len(sample.xyxy) else sample.ignore[-1:]
    found = [int(at) for at in (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)]
    assert found == pytest.approx(boxes[0].tolist(), abs=1.6)


def test_pictures_are_enlarged_where_a_view_asks(root: Path) -> None:
    shown = CocoFrames(root).held_out(1)[0]
    view = draw_view(replace(NO_AUGMENT, zoom=(2, 2)), shown.shape, SIZE, np.random.default_rng(0))
    sample = render(shown, view, SIZE)
    assert view.scale == pytest.approx(2)
    assert (sample.counts[0] != PAD).any(0).all()


def test_a_picture_beside_the_grid_leaves_it_grey(root: Path) -> None:
    sample = render(CocoFrames(root).held_out(1)[0], View(1.0, -500.0, 0.0), GRID)
    assert (sample.counts == PAD).all()
    assert len(sample.xyxy) == len(sample.ignore) == 0


def test_batches_take_pictures_mosaics_among_them(root: Path) -> None:
    settings = TrainSettings(
        out=root, steps=1, grid=GRID, window_steps=4, batch=4, pool=6, short_share=0.0,
        augment=AugmentSettings(mosaic=0.5, noise=1.0, clamp=1.0, still=1.0, leading_empty=1.0, hide=1.0),
    )  # fmt: skip
    with CocoFrames(root, seed=1).chunks(0) as chunks:
        pool = Pool(chunks, capacity=6, views=2, wait=False)
        batch = Batches(pool, settings, np.random.default_rng(3)).next(1.0)
    assert batch.counts.shape == (4, 4, 3, 64, 96)
    assert (batch.counts[0] == batch.counts[3]).all(), "what is for events alone does not touch pictures"
    assert batch.counts.max() > 200
    assert len(batch.targets.label) >= 4


def damage(edit: Callable[[Content], object], split: str = "val") -> Callable[[Path], None]:
    return lambda root: change(root, split, edit)


def add(**annotation_fields: Any) -> Callable[[Content], None]:
    values = {**annotation(1, 1, [1, 2, 3, 4]), **annotation_fields}
    return lambda found: found["annotations"].append(values)


def only_persons(found: Content) -> None:
    found["annotations"] = [a for a in found["annotations"] if a["category_id"] == 1]


@pytest.mark.parametrize(
    ("damaged", "said"),
    [
        (lambda root: labels_file(root, "val").unlink(), r"found neither annotations/instances_val2017.json"),
        (lambda root: labels_file(root, "train").unlink(), r"found neither .*instances_train2017.json"),
        (lambda root: labels_file(root, "val").write_text("{"), r"no whole JSON file"),
        (lambda root: labels_file(root, "val").write_text("[]"), r"holds a list"),
        (lambda root: labels_file(root, "val").write_text("{}"), r"no COCO file of instances .*categories"),
        (damage(lambda found: found["images"].clear()), r"lists 0 pictures of 3 classes"),
        (damage(lambda found: found["images"][0].pop("width")), r"no COCO file of instances .*'width'"),
        (lambda root: (root / "val2017/000000000002.jpg").unlink(), r"2.jpg: is missing, as are 1 of the 3"),
        (damage(add(bbox=[70, 2, 10, 10])), r"annotation 7 .*\(70, 2, 80, 12\), of 0{11}1.jpg, lies out"),
        (damage(add(bbox=[1, 2, -3, 4])), r"annotation 7 .*has no size"),
        (damage(add(bbox=[1, 2, float("nan"), 4])), r"annotation 7 .*has no size"),
        (damage(add(bbox=[1, 2, 3])), r"no COCO file of instances"),
        (damage(add(category_id=2)), r"1 annotations are of an unknown category, the first of category 2"),
        (damage(add(image_id=77)), r"1 annotations are of an unknown image, the first of image 77"),
        (damage(only_persons, "train"), r"no picture has a box of car, toothbrush.*classes=person$"),
    ],
)  # fmt: skip
def test_bad_labels_are_refused_by_name(root: Path, damaged: Callable[[Path], object], said: str) -> None:
    assert len(learnt(CocoFrames(root))) == 6
    damaged(root)
    with pytest.raises(BadDataset, match=said) as caught:
        learnt(CocoFrames(root))
    assert str(root) in str(caught.value)


def test_an_unknown_class_is_refused_with_a_near_match(root: Path) -> None:
    with pytest.raises(BadDataset, match=r"no class 'cars'; is 'car' meant\? Known are person, car, tooth"):
        CocoFrames(root, classes=["cars"])


@pytest.mark.parametrize(
    ("damaged", "said"),
    [
        (lambda path: path.unlink(), r"cannot be read \(No such file"),
        (lambda path: path.write_bytes(b""), r"0 bytes that are no whole picture"),
        (lambda path: path.write_bytes(b"GIF89a" * 9), r"54 bytes that are no whole picture"),
        (lambda path: path.write_bytes(path.read_bytes()[:400]), r"400 bytes that are no whole picture"),
        (lambda path: write_jpeg(path, picture((50, 48))), r"is 50 x 48 pixels, its labels .* of 64 x 48"),
    ],
)  # fmt: skip
def test_a_bad_picture_is_named_when_it_is_looked_at(
    root: Path, damaged: Callable[[Path], object], said: str
) -> None:
    shown = CocoFrames(root).held_out(1)[0]
    damaged(shown.path)
    with pytest.raises(BadDataset, match=f"{shown.path.name}: {said}"):
        render(shown, plain_view(shown.shape, GRID), GRID)


def _pad(view: View) -> tuple[float, float, float, float]:
    return view.left, view.top, view.left, view.top
