"""Light that changes: each kind where and when it should, and nothing where none is drawn."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from streaming.simulate.camera import View
from streaming.simulate.light import LightSettings, change_light, lit
from streaming.simulate.noise import Dice

SCENES, TIMES, HEIGHT, WIDTH = 6, 9, 40, 60
T_S = torch.linspace(-0.04, 0, TIMES)
STEADY = LightSettings(
    ramp_chance=0, flicker_chance=0, lamp_chance=0, sweep_chance=0, night_lamp_chance=0, night_sweep_chance=0
)
DAY, NIGHT = torch.zeros(SCENES), torch.ones(SCENES)


def changed(settings: LightSettings, night: Tensor = DAY) -> Tensor:
    log_intensity = torch.zeros(SCENES, TIMES, HEIGHT, WIDTH)
    still = View(*(torch.zeros(SCENES, TIMES) for _ in range(5)))
    change_light(Dice(1), settings, night, log_intensity, still, T_S)
    return log_intensity


def test_nights_are_darker() -> None:
    pictures = torch.full((SCENES, TIMES, HEIGHT, WIDTH), 0.5)
    day = lit(Dice(1), STEADY, DAY, pictures.clone())
    night = lit(Dice(1), STEADY, NIGHT, pictures.clone())
    assert float(night.max()) < float(day.min())


def test_steady_light_stays() -> None:
    assert float(changed(STEADY).abs().max()) == 0


@pytest.mark.parametrize("kind", ["ramp_chance", "flicker_chance", "lamp_chance", "sweep_chance"])
def test_every_kind_of_change_moves_pixels_in_most_scenes(kind: str) -> None:
    light = changed(replace(STEADY, **{kind: 1.0}))
    assert bool(light.isfinite().all())
    swing = (light.amax(1) - light.amin(1)).amax((1, 2))
    assert int((swing > 0.005).sum()) > SCENES // 2


def test_ramps_go_one_way_and_flicker_does_not() -> None:
    ramp = changed(replace(STEADY, ramp_chance=1.0)).mean((2, 3)).diff(dim=1)
    assert bool(((ramp > 0).all(1) | (ramp < 0).all(1)).all())
    flicker = changed(replace(STEADY, flicker_chance=1.0)).mean((2, 3)).diff(dim=1)
    assert not bool(((flicker > 0).all(1) | (flicker < 0).all(1)).any())


def test_lamps_are_for_the_night() -> None:
    lamps = replace(STEADY, night_lamp_chance=1.0)
    assert float(changed(lamps).abs().max()) == 0
    assert float(changed(lamps, NIGHT).max()) > 0.5
