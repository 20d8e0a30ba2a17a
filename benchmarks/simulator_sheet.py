"""Simulated windows beside real ones: a sheet of pictures, and their statistics.

    python -m benchmarks.simulator_sheet [--recordings FOLDER] [--windows N] [--out FILE]

Writes docs/images/simulator.png and prints the table of docs/simulator.md. Without the recordings, which are
not part of the repository, there are only simulated windows.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.event_statistics import Statistics, measure
from streaming.events import Events
from streaming.picture import Boxes, Picture, draw_boxes, draw_counts, encode_png
from streaming.simulate.presets import PRESETS
from streaming.simulate.windows import Windows, WindowSettings, simulate_windows
from streaming.sources import open_recording

NAMES = ("person", "car", "two-wheeler")
BATCH = 16
FEWEST = 500
"""Windows with fewer events are of a camera at rest before nothing."""
FIRST_SEED = 1000
"""Of the first sensor; each has scenes of its own."""
COLUMNS = 4
PANEL_PX = (346, 260)
GAP_PX = 6
FOLDER = Path(__file__).parents[2] / "shared" / "recordings"
OUT = Path(__file__).parents[1] / "docs" / "images" / "simulator.png"


@dataclass(frozen=True)
class Match:
    """A sensor, and recordings made with such a one.

    Attributes:
        preset: whose pixels are simulated, by a sensor of `width` x `height`.
        window_us: length of a window, of which `windows` are simulated.
        recordings: files, each a row of the table; the first ones are drawn.
        drawn: how many rows of the sheet.
    """

    preset: str
    width: int
    height: int
    window_us: int
    recordings: tuple[str, ...]
    drawn: int

    @property
    def settings(self) -> WindowSettings:
        preset = PRESETS[self.preset]
        scale = preset.render_scale * preset.width / self.width
        sub_frames = max(4, self.window_us // 5_000)
        return WindowSettings(
            sensor_width=self.width, sensor_height=self.height, steps=1, step_us=self.window_us,
            sub_frames=sub_frames, render_scale=min(scale, 0.6), sensor=preset.sensor,
        )  # fmt: skip


MATCHES = (
    Match("davis346", 346, 260, 40_000, ("walker_frame0013230.npy", "walker_frame0017525.npy"), 2),
    Match("dvxplorer", 320, 240, 40_000, ("person_320x240.aedat4",), 1),
    Match("gen4", 1280, 720, 8_000, ("street_evt3_1280x720.raw",), 1),
    Match("gen1", 304, 240, 40_000, ("car_ncars_td.dat",), 0),
)


@dataclass(frozen=True)
class Seen:
    """A window: (2, H, W) counts, and its boxes where they are known."""

    counts: NDArray[Any]
    boxes: Boxes | None = None

    def panel(self, caption: str) -> Picture:
        """A picture of PANEL_PX with its caption."""
        picture = draw_counts(self.counts)
        if self.boxes is not None:
            picture = draw_boxes(picture, self.boxes)
        scale = min(PANEL_PX[0] / picture.shape[1], PANEL_PX[1] / picture.shape[0])
        size = round(picture.shape[1] * scale), round(picture.shape[0] * scale)
        panel = np.zeros((PANEL_PX[1], PANEL_PX[0], 3), np.uint8)
        panel[: size[1], : size[0]] = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        cv2.putText(
            panel,
            caption,
            (5, PANEL_PX[1] - 7),
            cv2.FONT_HERSHEY_SIMPLEX,
            0.42,
            (255, 255, 255),
            1,
            cv2.LINE_AA,
        )
        return panel


def simulated(match: Match, count: int) -> list[Seen]:
    """`count` windows with events, of seeds no training uses."""
    seen: list[Seen] = []
    seed = FIRST_SEED + 100 * MATCHES.index(match)
    while len(seen) < count:
        made = simulate_windows(match.settings, seed=seed, batch=min(BATCH, count))
        seen += [one for one in _windows(made) if one.counts.sum() >= FEWEST]
        seed += 1
    return seen[:count]


def _windows(made: Windows) -> Iterator[Seen]:
    for counts, boxes, labels in zip(made.counts, made.boxes, made.labels, strict=True):
        yield Seen(counts.sum(0).numpy(), Boxes(boxes.numpy(), labels.numpy(), None, NAMES))


def recorded(path: Path, match: Match) -> list[Seen]:
    """All windows of a recording with events."""
    with open_recording(path, width=None, height=None) as source:
        size = (2, source.info.height, source.info.width)
        events = Events.concatenate(source.packets())
    if path.name.startswith("walker"):
        size = (2, match.height, match.width)  # an NPY file states no size
    window = (events.t_us - events.t_us[0]) // match.window_us
    seen = [_count(events[window == index], size) for index in np.unique(window)]
    return [one for one in seen if one.counts.sum() >= FEWEST]


def _count(events: Events, size: tuple[int, int, int]) -> Seen:
    counts = np.zeros(size, np.int64)
    np.add.at(counts, (events.p, events.y, events.x), 1)
    return Seen(counts)


def statistics(seen: list[Seen], window_us: int) -> list[Statistics]:
    return [measure(one.counts, window_us) for one in seen]


def sheet(panels: list[Picture]) -> Picture:
    """Panels in rows of COLUMNS."""
    framed = [np.pad(panel, ((0, GAP_PX), (0, GAP_PX), (0, 0))) for panel in panels]
    framed += [np.zeros_like(framed[0])] * (-len(framed) % COLUMNS)
    rows = [np.hstack(framed[start : start + COLUMNS]) for start in range(0, len(framed), COLUMNS)]
    return np.vstack(rows)


def rows_of(match: Match, real: list[Seen], made: list[Seen]) -> list[Picture]:
    """Rows of the sheet: a real window where there is one, then simulated ones with somebody in them."""
    shown = iter([one for one in made if one.boxes is not None and len(one.boxes.label)])
    panels: list[Picture] = []
    for row in range(match.drawn):
        if row < len(real):
            panels.append(real[row].panel(f"real, {match.width} x {match.height}"))
        while len(panels) < (row + 1) * COLUMNS:
            panels.append(next(shown).panel(f"simulated, {match.preset}"))
    return panels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--windows", type=int, default=128, help="simulated windows of the DAVIS346")
    parser.add_argument("--recordings", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    table = Table("medians", *(field.name for field in fields(Statistics)))
    panels: list[Picture] = []
    for match in MATCHES:
        files = [arguments.recordings / name for name in match.recordings]
        real = {file.stem: recorded(file, match) for file in files if file.is_file()}
        # Large sensors cost as much more as they have pixels.
        share = PRESETS["davis346"].width * PRESETS["davis346"].height / (match.width * match.height)
        made = simulated(match, max(2 * COLUMNS, round(arguments.windows * min(1.0, share))))
        rows = {**real, f"simulated {match.preset}": made}
        for name, seen in rows.items():
            middle = Statistics.median(statistics(seen, match.window_us))
            figures = (f"{value:.3f}" for value in astuple(middle))
            table.add_row(f"{name} ({len(seen)} x {match.window_us // 1000} ms)", *figures)
        panels += rows_of(match, [seen[0] for seen in real.values()], made)
    Console(width=170).print(table)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_bytes(encode_png(sheet(panels)))


if __name__ == "__main__":
    main()
