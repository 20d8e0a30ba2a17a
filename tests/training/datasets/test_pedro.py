"""PEDRo in its published layout: made clips, and the two real ones."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.training.datasets.made import counted, events_of
from training.datasets import Cut
from training.datasets.pedro import HEIGHT, RULE, WIDTH, Pedro
from training.errors import BadDataset

CUT = Cut(steps=5, step_us=8_000, rule=RULE)
OBJECT = """<object><name>{name}</name><difficult>0</difficult><bndbox>
<xmin>{0}</xmin><ymin>{1}</ymin><xmax>{2}</xmax><ymax>{3}</ymax></bndbox></object>"""


def voc(
    *boxes: tuple[int, int, int, int], name: str = "person", size: tuple[int, int] = (WIDTH, HEIGHT)
) -> str:
    objects = "".join(OBJECT.format(*box, name=name) for box in boxes)
    width, height = size
    return (
        f"<annotation><size><width>{width}</width><height>{height}</height><depth>1</depth></size>"
        f"{objects}</annotation>"
    )


def make_clip(root: Path, split: str, number: int, xml: str) -> Path:
    """A clip of 40 ms and its boxes."""
    events = events_of(number, count=2_000, begin_us=1_676_562_141_437_616, us=40_000, size=(200, 150))
    rows = np.stack([events.t_us, events.x, events.y, events.p], axis=1).astype(np.int64)
    name = f"frame{number:07d}"
    for kind in ("numpy", "xml"):
        (root / kind / split).mkdir(parents=True, exist_ok=True)
    np.save(root / "numpy" / split / f"{name}.npy", rows)
    path = root / "xml" / split / f"{name}.xml"
    path.write_text(xml)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for number in range(70):
        make_clip(tmp_path, "train", number, voc((10, 20, 40 + number, 90)))
    make_clip(tmp_path, "val", 100, voc((10, 20, 40, 90), (100, 20, 140, 90)))
    make_clip(tmp_path, "test", 101, voc())
    return tmp_path


def test_clips_are_windows_that_end_with_them(root: Path) -> None:
    data = Pedro(root)
    parts = data.parts("train")
    assert [part.name for part in parts] == ["train/frame0000000", "train/frame0000064"]
    assert [len(part.files) for part in parts] == [128, 12]
    windows = [window for part in parts for window in part.windows(CUT)]
    assert [w.xyxy.tolist() for w in windows] == [[[10, 20, 40 + k, 90]] for k in range(70)]
    events = events_of(3, count=2_000, begin_us=1_676_562_141_437_616, us=40_000, size=(200, 150))
    expected = counted(events, int(events.t_us[-1]) + 1, 5, 8_000, (WIDTH, HEIGHT))
    np.testing.assert_array_equal(windows[3].dense(), expected)
    assert [w.label.tolist() for w in data.parts("val")[0].windows(CUT)] == [[0, 0]]
    assert [w.label.tolist() for w in data.parts("test")[0].windows(CUT)] == [[]]
    assert data.describe()["recordings"] == {"train": 70, "val": 1, "test": 1}


def test_it_says_what_is_missing(root: Path, tmp_path: Path) -> None:
    (root / "xml" / "val" / "frame0000100.xml").unlink()
    with pytest.raises(BadDataset, match=r"numpy/val/frame0000100: has no counterpart in .*xml/val"):
        Pedro(root).parts("val")
    with pytest.raises(BadDataset, match="holds no folder numpy; PEDRo has"):
        Pedro(tmp_path / "numpy").parts("train")


@pytest.mark.parametrize(
    ("xml", "says"),
    [
        (voc((10, 20, 40, 90), name="dog"), "a box of class 'dog'; known are person"),
        (voc((350, 20, 380, 90)), "outside the 346 x 260 sensor"),
        (voc((40, 20, 10, 90)), "has no area"),
        (voc((10, 20, 40, 90), size=(640, 480)), "has 346 x 260 pixels, but .*xml is of 640 x 480"),
        ("<annotation><object>", "is no XML"),
        ("<html></html>", "begins with <html>"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><annotation/>", "declares a document type"),
        ("<annotation><object><name>person</name></object></annotation>", "an object without bndbox"),
        (voc((10, 20, 40, 90)).replace("<xmin>10", "<xmin>ten"), "<xmin> is 'ten'"),
        (voc((10, 20, 40, 90)).replace("<xmax>40</xmax>", ""), "has no <xmax>"),
    ],
)
def test_bad_labels_are_named(xml: str, says: str, root: Path) -> None:
    path = make_clip(root, "val", 100, xml)
    with pytest.raises(BadDataset, match=says) as caught:
        list(Pedro(root).parts("val")[0].windows(CUT))
    assert path.stem in str(caught.value)


def test_a_cut_clip_is_named(root: Path) -> None:
    path = root / "numpy" / "val" / "frame0000100.npy"
    path.write_bytes(path.read_bytes()[:-1_000])
    with pytest.raises(BadDataset, match=r"frame0000100\.npy: cannot be read: .* ends at row"):
        list(Pedro(root).parts("val")[0].windows(CUT))


@pytest.mark.shared
def test_real_clips_in_their_layout(recordings: Path, tmp_path: Path) -> None:
    for kind, suffix in (("numpy", "npy"), ("xml", "xml")):
        (tmp_path / kind / "train").mkdir(parents=True)
        for name in ("frame0013230", "frame0017525"):
            target = tmp_path / kind / "train" / f"{name}.{suffix}"
            shutil.copy(recordings / f"walker_{name}.{suffix}", target)
    (part,) = Pedro(tmp_path).parts("train")
    near, far = part.windows(CUT)
    assert near.xyxy.tolist() == [[76, 36, 120, 162], [212, 24, 268, 180]]
    assert (len(near.label), len(far.label)) == (2, 4)
    assert near.shape == far.shape == (5, 2, 260, 346)
    events = np.load(tmp_path / "numpy" / "train" / "frame0013230.npy")
    assert near.dense().sum() == (events[:, 0] > events[-1, 0] - 40_000).sum()
    inside = near.dense()[:, :, 36:162, 76:120].mean()
    assert inside > 1.5 * near.dense().mean()  # the boxes lie where the people are
