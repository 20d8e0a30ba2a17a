"""Verdicts on objects, and boxes that leave out what is loose."""

from __future__ import annotations

import pytest
import torch

from streaming.simulate.brush import Ownership
from streaming.simulate.extents import silhouettes
from streaming.simulate.labels import IGNORE, LABEL, NOTHING, active_share, settle, weigh
from streaming.simulate.parts import PartList, Point
from streaming.simulate.placing import CAR, CROWD, LORRY, PERSON, THING


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        (PERSON, [LABEL, IGNORE, NOTHING]),
        (CAR, [LABEL, IGNORE, NOTHING]),
        (THING, [NOTHING, NOTHING, NOTHING]),
        (LORRY, [IGNORE, IGNORE, NOTHING]),
        (CROWD, [IGNORE, IGNORE, NOTHING]),
    ],
)
def test_things_are_nothing_and_lorries_and_crowds_at_most_ignored(label: int, expected: list[int]) -> None:
    verdict = torch.tensor([LABEL, IGNORE, NOTHING])
    assert settle(verdict, torch.full((3,), label)).tolist() == expected


def test_evidence_counts_what_is_seen_and_what_moved() -> None:
    owner = torch.full((1, 40, 60), -1, dtype=torch.int32)
    owner[0, 10:30, 10:20] = 0
    lively = torch.zeros(1, 40, 60, dtype=torch.bool)
    lively[0, 10:30, 10:12] = True
    ownership = Ownership(owner, torch.tensor([400], dtype=torch.int32))
    seen = weigh(torch.tensor([[10.0, 10.0, 30.0, 30.0]]), ownership, lively)
    assert float(seen.height) == pytest.approx(0.5)
    assert float(seen.visible) == pytest.approx(0.5)
    assert float(seen.events_px) == 40
    assert float(seen.lively) == pytest.approx(0.2)
    assert 0.3 < float(seen.rim) < 0.6


def test_active_share_counts_pixels_in_each_box_of_its_picture() -> None:
    active = torch.zeros(2, 20, 30)
    active[1, 5:10, 10:20] = 1
    boxes = torch.tensor([[10.0, 5.0, 20.0, 10.0], [10.0, 5.0, 20.0, 10.0], [0.0, 0.0, 30.0, 20.0]])
    share = active_share(active, boxes, torch.tensor([0, 1, 1]))
    assert share.tolist() == pytest.approx([0.0, 1.0, 50 / 600])


def box(loose: float) -> list[float]:
    parts = PartList(1, 1, torch.device("cpu"))
    parts.add(Point(0.0, 0.0), Point(0.0, 1.0), (0.2, 0.2), 0.5, flat=1.0)
    parts.add(Point(0.0, 0.5), Point(0.8, 0.5), (0.1, 0.1), 0.5, flat=1.0, loose=loose)
    edges: list[float] = silhouettes(parts.stack()[:, 0])[0].tolist()
    return edges


def test_loose_parts_widen_the_box_by_their_share() -> None:
    assert box(0.0) == pytest.approx([-0.2, 0.0, 0.8, 1.0])
    assert box(0.5) == pytest.approx([-0.2, 0.0, 0.5, 1.0])
    assert box(1.0) == pytest.approx([-0.2, 0.0, 0.2, 1.0])


def test_an_object_of_loose_parts_alone_has_its_own_box() -> None:
    parts = PartList(1, 1, torch.device("cpu"))
    parts.add(Point(0.0, 0.0), Point(0.0, 1.0), (0.2, 0.2), 0.5, flat=1.0, loose=1.0)
    assert silhouettes(parts.stack()[:, 0])[0].tolist() == pytest.approx([-0.2, 0.0, 0.2, 1.0])
