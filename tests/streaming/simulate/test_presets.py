"""Sensors one can buy: each gives windows and a typical sensor inside its ranges."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch

from streaming.simulate.presets import PRESETS
from streaming.simulate.windows import WindowSettings, simulate_windows


@pytest.mark.parametrize("name", sorted(PRESETS))
@pytest.mark.parametrize("night", [False, True])
def test_the_typical_sensor_lies_in_the_ranges(name: str, night: bool) -> None:
    preset = PRESETS[name]
    typical = preset.typical(night)
    assert typical.night_chance == float(night)
    for field in fields(typical):
        value, allowed = getattr(typical, field.name), getattr(preset.sensor, field.name)
        if isinstance(allowed, tuple):
            assert allowed[0] <= value[0] < value[1] <= allowed[1]
            assert value[1] - value[0] < 0.5 * (allowed[1] - allowed[0])


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_sensor_sees_something(name: str) -> None:
    settings = WindowSettings(sensor_width=172, sensor_height=130, sensor=PRESETS[name].sensor)
    counts = simulate_windows(settings, seed=3, batch=2).counts
    active = (counts.sum((1, 2)) > 0).float().mean((1, 2))
    assert 0.02 < float(active.max()) < 0.9
    assert bool(torch.isfinite(active).all())
