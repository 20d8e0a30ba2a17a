"""What a window of events looks like in numbers."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Statistics:
    """Of one window; shares are of active pixels unless said.

    Attributes:
        kev: thousand events.
        meps: million events a second.
        active: share of the sensor's pixels with events.
        per_pixel: events per active pixel.
        three: with three or more events.
        isolated: without an active neighbour among eight.
        both: with both polarities.
        agree: share of neighbouring pairs of pixels whose polarities agree.
        on: share of ON among events.
        edge_px: how thick what is active is, isolated pixels left out: twice its area over its outline.
    """

    kev: float
    meps: float
    active: float
    per_pixel: float
    three: float
    isolated: float
    both: float
    agree: float
    on: float
    edge_px: float

    @classmethod
    def median(cls, rows: list[Statistics]) -> Statistics:
        """Each figure's median over windows."""
        return cls(*np.median([astuple(row) for row in rows], axis=0).tolist())


def measure(counts: NDArray[Any], window_us: int = 40_000) -> Statistics:
    """Statistics of (2, H, W) counts, OFF then ON, with at least one event in `window_us`."""
    off, on = counts[0].astype(np.int64), counts[1].astype(np.int64)
    total, active = off + on, off + on > 0
    pixels, together = int(active.sum()), active & _has_neighbour(active)
    return Statistics(
        float(total.sum()) / 1e3, float(total.sum()) / window_us, float(active.mean()),
        float(total.sum()) / pixels, float((total >= 3).sum()) / pixels,
        float((active & ~together).sum()) / pixels, float(((on > 0) & (off > 0)).sum()) / pixels,
        _agreement(np.sign(on - off)), float(on.sum()) / float(total.sum()), _thickness_px(together),
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


def _thickness_px(active: NDArray[np.bool_]) -> float:
    framed = np.pad(active, 1)
    outline = int((framed[1:] != framed[:-1]).sum() + (framed[:, 1:] != framed[:, :-1]).sum())
    return 2 * float(active.sum()) / outline if outline else 0.0
