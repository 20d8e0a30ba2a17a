"""The soak in short: two cameras over TCP, each killed once; everything is accounted for."""

from __future__ import annotations

import math

import pytest
from rich.console import Console

from benchmarks.soak import SoakSettings, show, soak

SMALL = "sim://street?width=96&height=64"


@pytest.mark.timeout(600)
def test_killed_cameras_come_back_and_no_event_is_lost_from_the_books() -> None:
    settings = SoakSettings(seconds=18, cameras=2, kill_s=5, down_s=0.5, scene_s=2, first_s=6, scene=SMALL)
    console = Console(record=True, quiet=True, width=120)
    report = soak(settings, console)
    show(report, settings, console)
    assert len(report.reconnects_s) == 2
    assert all(math.isfinite(seconds) for seconds in report.reconnects_s), report.reconnects_s
    assert report.unaccounted == {"camera-0": 0, "camera-1": 0}
    assert min(report.answers.values()) > 100
    assert report.processes[0] == report.processes[1]
    assert set(report.growth) == {"API", "worker", "all"}
