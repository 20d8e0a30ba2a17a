"""Sources with silences: the steps of a silence come all at once, when the next event does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from service.options import Policy, StreamSpec
from service.settings import Settings
from tests.service.loops import eventually, running_runtime

BURST_US, EVERY_US, SECONDS = 40_000, 400_000, 3


@pytest.mark.parametrize("policy", ["drop_oldest", "shed_steps"])
def test_a_silence_costs_no_event(policy: Policy, tmp_path: Path) -> None:
    t_us = np.arange(0, SECONDS * 1_000_000, 50)
    t_us = t_us[t_us % EVERY_US < BURST_US]
    events = np.zeros(len(t_us), np.dtype([("t", "<i8"), ("x", "<u2"), ("y", "<u2"), ("p", "u1")]))
    events["t"], events["x"] = t_us, np.arange(len(t_us)) % 320
    np.save(tmp_path / "bursts.npy", events)
    source = f"file://{tmp_path / 'bursts.npy'}?speed=1"
    with running_runtime(Settings(recordings_dir=tmp_path)) as running:
        stream = running.call(
            running.runtime.start_stream(StreamSpec(source, policy=policy, width=320, height=240))
        )
        eventually(lambda: stream.describe()["events"] == len(events), 60.0)
        assert stream.describe()["dropped"]["events"] == 0
