"""Windows to calibrate a twin on, from what a command names.

A SOURCE is simulated scenes or a data set, as `spikesight train` takes them (`sim:street`,
`gen1:/data/gen1`), of which windows to learn from are taken and never the held-out ones; or a recording or
stream, as `spikesight detect` takes it (a path, `sim://street?seed=3`), cut into windows from its start.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from model.card import Card
from model.encodings import encode
from streaming.letterbox import Letterbox
from streaming.slicing import Stepper
from streaming.sources import open_source
from training.augment import Labelled, Sample, plain_view, render
from training.batches import collate
from training.command import without_folders
from training.converting.sweep import batches_of
from training.data import TrainingData
from training.datasets.spec import SOURCES, data_from_spec
from training.errors import BadTraining
from training.merging import merge_steps
from training.settings import TrainSettings

BATCH = 16
PARTS = 5
"""Steps that windows of data sets are cut into, as trained networks see them; a twin sees their sum."""


def calibration_windows(source: str, card: Card, count: int, seed: int, out: Path) -> list[Tensor]:
    """Encoded windows in batches, as the twin takes them. Shape: (B, C, H, W) each.

    Args:
        source: see the top of this file.
        card: of the twin.
        count: windows at most.
        seed: of scenes and of the order of a data set.
        out: folder of the conversion; caches lie beside it.

    Raises:
        BadTraining: there is no window, or the twin reads pictures.
        BadDataset, StreamingError: see `training.datasets.spec` and `streaming.sources`.
    """
    if card.count_channels != 2:
        raise BadTraining(f"{card.name} reads pictures; windows of events calibrate what reads events")
    if is_data_set(source):
        windows = list(_labelled(source, card, count, seed, out))
        found = [encoded(_samples(windows[k : k + BATCH], card), card) for k in range(0, len(windows), BATCH)]
    else:
        found = batches_of(_of_recording(source, card, count), BATCH)
    if not found:
        raise BadTraining(f"{source} holds no window of {card.step_us / 1000:g} ms; name a longer one")
    return found


def is_data_set(source: str) -> bool:
    """Whether a source is one that `spikesight train` takes."""
    name, colon, place = source.partition(":")
    return bool(colon) and not place.startswith("//") and name in ("sim", *SOURCES)


def named(source: str) -> str:
    """What a card calls a source; no folders of this machine."""
    if is_data_set(source):
        return without_folders(source)
    return source if "://" in source else Path(source).name


def data_of(source: str, card: Card, seed: int, out: Path) -> TrainingData:
    """The windows of a data set, cut into `PARTS` steps where that is possible."""
    parts = parts_of(card)
    settings = TrainSettings(
        out=out, data=source, steps=1, seed=seed, generators=0, grid=card.grid,
        window_steps=parts, step_us=card.step_us // parts,
    )  # fmt: skip
    return data_from_spec(source, settings)


def parts_of(card: Card) -> int:
    """Into how many steps windows for this twin are cut."""
    return PARTS if card.step_us % PARTS == 0 else 1


def encoded(samples: Sequence[Sample], card: Card, steps: int = 1) -> Tensor:
    """Views of windows as a network with windows of `steps` steps takes them, the first step first.

    Shape: (B, C, H, W) for one step, (steps, B, C, H, W) for more.
    """
    counts = merge_steps(collate(samples).counts, steps)
    x = encode(counts, card.encoding)
    return x[0] if steps == 1 else x


def _samples(windows: Sequence[Labelled], card: Card) -> list[Sample]:
    return [render(window, plain_view(window.shape, card.grid), card.grid) for window in windows]


def _labelled(source: str, card: Card, count: int, seed: int, out: Path) -> Iterator[Labelled]:
    data, found, number = data_of(source, card, seed, out), 0, 0
    with data.chunks(0) as chunks:
        while found < count:
            windows = chunks.load(number)
            chunks.release(number)
            yield from windows[: count - found]
            found, number = found + len(windows), number + 1


def _of_recording(source: str, card: Card, count: int) -> Tensor:
    """The first windows of a recording that hold events, encoded, (N, C, H, W)."""
    counts: list[Any] = []
    with open_source(source) as events:
        stepper = Stepper(Letterbox(events.info.width, events.info.height, *card.grid), card.step_us)
        steps = (step for packet in events.packets() for step in stepper.push(packet))
        for step in islice((step for step in steps if step.events), count):
            counts.append(np.array(step.counts))
    if not counts:
        return torch.zeros(0)
    stacked = torch.from_numpy(np.stack(counts).astype(np.float32))
    return encode(stacked, card.encoding)
