"""Pascal VOC: an XML file a recording. Corners are pixels as they stand; difficult objects are ignored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from training.datasets import IGNORED, TimedBoxes
from training.datasets.labels import boxes_at_end, label_of, read_text
from training.errors import BadDataset

CORNERS = ("xmin", "ymin", "xmax", "ymax")


def read_voc(path: Path, classes: Sequence[str]) -> TimedBoxes:
    """The boxes of one file, at the end of its recording.

    Raises:
        BadDataset: no such file, no VOC annotation, or a class that is not in `classes`.
    """
    root = _root(path)
    xyxy, label = [], []
    for item in root.iter("object"):
        box = item.find("bndbox")
        if box is None:
            raise BadDataset(f"{path}: has an object without bndbox; mend or remove it")
        xyxy.append([_number(box, corner, path) for corner in CORNERS])
        known = label_of(_text(item, "name", path), classes, path)
        label.append(IGNORED if (item.findtext("difficult") or "0").strip() == "1" else known)
    return boxes_at_end(xyxy, label, _size(root, path))


def voc_names(path: Path) -> set[str]:
    """Names of the classes in one file.

    Raises:
        BadDataset: no such file, or no VOC annotation.
    """
    return {_text(item, "name", path) for item in _root(path).iter("object")}


def _root(path: Path) -> Element:
    text = read_text(path)
    if "<!DOCTYPE" in text:
        raise BadDataset(f"{path}: declares a document type, which no annotation needs; remove it")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise BadDataset(f"{path}: is no XML ({error}); it is damaged or of another format") from error
    if root.tag != "annotation":
        raise BadDataset(f"{path}: begins with <{root.tag}>; a VOC file begins with <annotation>")
    return root


def _size(root: Element, path: Path) -> tuple[int, int] | None:
    size = root.find("size")
    if size is None:
        return None
    return int(_number(size, "width", path)), int(_number(size, "height", path))


def _text(item: Element, name: str, path: Path) -> str:
    text = (item.findtext(name) or "").strip()
    if not text:
        raise BadDataset(f"{path}: its <{item.tag}> has no <{name}>; mend or remove it")
    return text


def _number(item: Element, name: str, path: Path) -> float:
    text = _text(item, name, path)
    try:
        return float(text)
    except ValueError as error:
        raise BadDataset(f"{path}: <{name}> is {text[:40]!r}; a number of pixels is needed") from error
