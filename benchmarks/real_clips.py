"""Real people: run a model on the labelled 40 ms clips beside the checkout and say what it finds.

    python -m benchmarks.real_clips [MODEL] [--clips FOLDER] [--out FOLDER]

The clips (`walker_*.npy` with VOC boxes, 346 x 260) are not ours to publish; the program says so where they
are missing. The threshold is the card's own, chosen on simulated windows: nothing is chosen on these clips.
"""

from __future__ import annotations

import argparse
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from model.card import Card, load_card
from model.detections import Detections
from model.networks import Network
from model.postprocess import detections
from model.weights import load
from training.augment import plain_view, render
from training.batches import collate
from training.datasets import LabelledWindow
from training.metrics import Truth
from training.metrics.matching import match
from training.optim import forward

CLIPS = Path(__file__).parents[2] / "shared" / "recordings"
WIDTH, HEIGHT = 346, 260
ENLARGED = 3

Picture: TypeAlias = NDArray[np.integer[Any] | np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Clip:
    """One labelled clip; `window` holds its boxes in sensor pixels."""

    name: str
    window: LabelledWindow


def read_clip(path: Path, card: Card) -> Clip:
    """The first T steps of an (N, 4) NPY of t us, x, y, polarity, stepped as `spikesight detect` does."""
    t_us, x, y, p = np.load(path, allow_pickle=False).T
    step = (t_us - t_us.min()) // card.step_us
    inside = step < card.steps
    counts = np.zeros((card.steps, 2, HEIGHT, WIDTH), np.int64)
    np.add.at(counts, (step[inside], p[inside], y[inside], x[inside]), 1)
    xyxy = _boxes(path.with_suffix(".xml"))
    labels = np.full(len(xyxy), card.classes.index("person"), np.int64)
    return Clip(path.stem, LabelledWindow.of(counts, xyxy, labels, np.zeros((0, 4), np.float32)))


def _boxes(path: Path) -> NDArray[np.float32]:
    rows = [
        [float(box.findtext(side, "nan")) for side in ("xmin", "ymin", "xmax", "ymax")]
        for box in ElementTree.parse(path).getroot().iter("bndbox")
    ]
    return np.array(rows, np.float32).reshape(-1, 4)


def run(network: Network, card: Card, clip: Clip) -> tuple[Detections, Truth, NDArray[np.uint8]]:
    """What the model finds, what is there, and the counts, all on the grid."""
    view = plain_view(clip.window.shape, card.grid)
    sample = render(clip.window, view, card.grid, min_events=0)
    with torch.inference_mode():
        maps = [m.numpy() for m in forward(network, collate([sample]).counts, "float32")]
    layout = network.layout
    found = detections(
        maps, layout.anchors, layout.strides, card.classes, threshold=card.threshold, iou=card.iou
    )[0]
    return found, Truth(sample.xyxy, sample.label, sample.ignore), sample.counts


def draw(counts: NDArray[np.uint8], found: Detections, truth: Truth) -> Picture:
    """Events, true boxes green, found ones orange with their scores."""
    events = counts.sum(0, dtype=np.int64)
    picture: Picture = np.full((*events.shape[1:], 3), 255, np.uint8)
    picture[events[0] > 0] = (220, 150, 90)
    picture[events[1] > 0] = (60, 60, 200)
    size = (picture.shape[1] * ENLARGED, picture.shape[0] * ENLARGED)
    picture = cv2.resize(picture, size, interpolation=cv2.INTER_NEAREST)
    for box in truth.xyxy:
        _rectangle(picture, box, (0, 160, 0))
    for box, score, label in zip(found.xyxy, found.score, found.label, strict=True):
        _rectangle(picture, box, (0, 140, 255))
        corner = (int(box[0] * ENLARGED), int(box[1] * ENLARGED) - 4)
        text = f"{found.classes[label]} {score:.2f}"
        cv2.putText(picture, text, corner, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 90, 200), 1, cv2.LINE_AA)
    return picture


def _rectangle(picture: Picture, box: NDArray[np.float32], colour: tuple[int, int, int]) -> None:
    x0, y0, x1, y1 = (int(side * ENLARGED) for side in box)
    cv2.rectangle(picture, (x0, y0), (x1, y1), colour, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description="Run a model on real labelled clips of people.")
    parser.add_argument("model", nargs="?", default="ems-nano")
    parser.add_argument("--clips", type=Path, default=CLIPS)
    parser.add_argument("--out", type=Path, default=Path("runs/real-clips"))
    options = parser.parse_args()
    paths = sorted(options.clips.glob("walker_*.npy"))
    if not paths:
        raise SystemExit(f"no walker_*.npy in {options.clips}: the clips are not part of the repository")
    card, network = load_card(options.model), load(options.model)
    options.out.mkdir(parents=True, exist_ok=True)
    for path in paths:
        clip = read_clip(path, card)
        found, truth, counts = run(network, card, clip)
        partner, _ = match(found, truth)
        right = int((partner >= 0).sum())
        print(
            f"{clip.name}: {right} of {len(truth.label)} people found at IoU 0.5, "
            f"{len(found) - right} false boxes, threshold {card.threshold}"
        )
        for box, score, label in zip(found.xyxy, found.score, found.label, strict=True):
            print(f"    {found.classes[label]} {score:.2f} {box.round().astype(int).tolist()}")
        cv2.imwrite(str(options.out / f"{clip.name}.png"), draw(counts, found, truth))


if __name__ == "__main__":
    main()
