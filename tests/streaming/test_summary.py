"""Summaries against counting by hand."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from streaming.events import Events
from streaming.sources import open_recording
from streaming.summary import BIN_US, summarise
from tests.streaming.made import make_evt3, some_events
from tests.streaming.sources import ListSource


@pytest.mark.parametrize("pieces", [1, 7, 1000])
def test_rates_do_not_depend_on_packets(pieces: int) -> None:
    events = some_events(20_000, seed=8, rate_mev_s=0.2)
    borders = np.linspace(0, len(events), pieces + 1).astype(int)
    packets = [events[a:b] for a, b in pairwise(borders)]
    summary = summarise(ListSource(packets, 640, 480))
    since = events.t_us - events.t_us[0]
    assert summary.events == 20_000
    assert (summary.first_t_us, summary.last_t_us) == (events.t_us[0], events.t_us[-1])
    assert summary.duration_us == since[-1]
    assert summary.mean_mev_s == pytest.approx(20_000 / since[-1])
    assert summary.peak_mev_s == pytest.approx(np.bincount(since // BIN_US).max() / BIN_US)
    assert summary.on_fraction == pytest.approx(events.p.mean())


def test_no_events_and_one_instant() -> None:
    nothing = summarise(ListSource([Events.empty()], 640, 480))
    assert (nothing.events, nothing.first_t_us, nothing.duration_us, nothing.on_fraction) == (
        0,
        None,
        0,
        None,
    )
    instant = summarise(ListSource([Events.of([7] * 50, [1] * 50, [1] * 50, [1] * 50)], 640, 480))
    assert (instant.duration_us, instant.mean_mev_s, instant.on_fraction) == (0, 0.0, 1.0)
    assert instant.peak_mev_s == pytest.approx(50 / BIN_US)


def test_says_where_the_size_is_from(tmp_path: Path) -> None:
    with open_recording(make_evt3(tmp_path / "a.raw", some_events(1000))) as source:
        summary = summarise(source)
    assert (summary.format, summary.width, summary.height, summary.size_source) == ("evt3", 640, 480, "file")
