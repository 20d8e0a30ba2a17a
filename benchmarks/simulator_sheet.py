"""Simulated windows as pictures, and their statistics against real clips.

`python -m benchmarks.simulator_sheet` writes docs/images/simulator.png and prints the table;
`--recordings FOLDER` adds real DAVIS346 clips (walker_*.npy with VOC boxes) to the table, and `--beside FILE`
draws both kinds side by side, to be looked at and not published.
"""

from __future__ import annotations

import argparse
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from streaming.picture import Boxes, Picture, draw_boxes, draw_counts, encode_png
from streaming.simulate.windows import Windows, WindowSettings, simulate_windows

NAMES = ("person", "car", "two-wheeler")
BATCH = 16
COLUMNS = 4
GAP_PX = 6
OUT = Path(__file__).parents[1] / "docs" / "images" / "simulator.png"


@dataclass(frozen=True)
class Statistics:
    """What a 40 ms window of events looks like in numbers; shares are of active pixels unless said.

    Attributes:
        kev: thousand events.
        active: share of the sensor's pixels with events.
        per_pixel: events per active pixel.
        three: with three or more events.
        isolated: without an active neighbour among eight.
        both: with both polarities.
        agree: share of neighbouring pairs of pixels whose polarities agree.
    """

    kev: float
    active: float
    per_pixel: float
    three: float
    isolated: float
    both: float
    agree: float


def measure(counts: NDArray[Any]) -> Statistics:
    """Statistics of (2, H, W) counts, OFF then ON, with at least one event."""
    off, on = counts[0].astype(np.int64), counts[1].astype(np.int64)
    total, active = off + on, off + on > 0
    pixels = int(active.sum())
    return Statistics(
        float(total.sum()) / 1e3, float(active.mean()), float(total.sum()) / pixels,
        float((total >= 3).sum()) / pixels, float((active & ~_has_neighbour(active)).sum()) / pixels,
        float(((on > 0) & (off > 0)).sum()) / pixels, _agreement(np.sign(on - off)),
    )  # fmt: skip


def _has_neighbour(active: NDArray[np.bool_]) -> NDArray[np.bool_]:
    height, width = active.shape
    framed = np.pad(active, 1)
    around = [
        framed[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]
        for dy in (-1, 0, 1)
        for dx in (-1, 0, 1)
        if dy or dx
    ]
    return np.any(around, axis=0)


def _agreement(sign: NDArray[np.int64]) -> float:
    pairs = [(sign[:, :-1], sign[:, 1:]), (sign[:-1], sign[1:])]
    shares = [(a == b)[(a != 0) & (b != 0)] for a, b in pairs]
    return float(np.concatenate(shares).mean()) if sum(map(len, shares)) else 1.0


def simulate(batches: int) -> list[Windows]:
    return [simulate_windows(WindowSettings(), seed=1000 + seed, batch=BATCH) for seed in range(batches)]


def simulated_statistics(batches: list[Windows]) -> list[Statistics]:
    """Of windows with at least 500 events; fewer are a camera at rest before nothing."""
    counts = [window.numpy() for windows in batches for window in windows.counts.sum(1)]
    return [measure(window) for window in counts if window.sum() >= 500]


def read_clip(path: Path) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """(2, 260, 346) counts and (N, 4) xyxy of a real clip."""
    events = np.load(path)
    counts = np.zeros((2, 260, 346), np.int64)
    np.add.at(counts, (events[:, 3], events[:, 2], events[:, 1]), 1)
    tree = ElementTree.parse(path.with_suffix(".xml"))
    sides = ("xmin", "ymin", "xmax", "ymax")
    boxes = [[float(box.findtext(side, "0")) for side in sides] for box in tree.iter("bndbox")]
    return counts, np.array(boxes, np.float32).reshape(-1, 4)


def draw_window(windows: Windows, index: int) -> Picture:
    counts = windows.counts[index].sum(0).numpy()
    boxes, labels = windows.boxes[index].numpy(), windows.labels[index].numpy()
    return draw_boxes(draw_counts(counts), Boxes(boxes, labels, None, NAMES))


def draw_clip(path: Path) -> Picture:
    counts, xyxy = read_clip(path)
    return draw_boxes(draw_counts(counts), Boxes(xyxy, np.zeros(len(xyxy), np.int64), None, NAMES))


def sheet(pictures: list[Picture]) -> Picture:
    """Pictures of one size in rows of COLUMNS."""
    framed = [np.pad(picture, ((0, GAP_PX), (0, GAP_PX), (0, 0))) for picture in pictures]
    framed += [np.zeros_like(framed[0])] * (-len(framed) % COLUMNS)
    rows = [np.hstack(framed[start : start + COLUMNS]) for start in range(0, len(framed), COLUMNS)]
    return np.vstack(rows)


def print_table(console: Console, rows: dict[str, list[Statistics]]) -> None:
    table = Table("median over windows", *(field.name for field in fields(Statistics)))
    for name, statistics in rows.items():
        middle = np.median([astuple(one) for one in statistics], axis=0)
        table.add_row(f"{name} ({len(statistics)})", *(f"{value:.3f}" for value in middle))
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--batches", type=int, default=8)
    parser.add_argument("--recordings", type=Path)
    parser.add_argument("--beside", type=Path)
    arguments = parser.parse_args()
    batches = simulate(arguments.batches)
    clips = sorted(arguments.recordings.glob("walker_*.npy")) if arguments.recordings else []
    rows = {"simulated": simulated_statistics(batches)}
    rows |= {clip.stem: [measure(read_clip(clip)[0])] for clip in clips}
    print_table(Console(), rows)
    shown = [
        draw_window(windows, index) for windows in batches for index in range(BATCH) if _shows(windows, index)
    ]
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_bytes(encode_png(sheet(shown[: 4 * COLUMNS])))
    if arguments.beside:
        arguments.beside.write_bytes(encode_png(sheet([draw_clip(clip) for clip in clips] + shown[:30])))


def _shows(windows: Windows, index: int) -> bool:
    """Whether somebody is in the window."""
    return len(windows.labels[index]) > 0


if __name__ == "__main__":
    main()
