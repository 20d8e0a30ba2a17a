"""SNN Calibration's public modules gave these figures on a network that anybody can make; ours give the same.

Measured once with the arithmetic of SNN_Calibration 4aece7c (MIT; spiking_layer.py, calibration.py) in
float64 on `made("plain")`: thresholds on batches of 10, 10 and 4 of its inputs, corrections on all 24,
weights in 50 iterations of 8 rows. Only the order of rows while weights are learned is ours.
"""

from __future__ import annotations

from typing import Any

import pytest

from model.convert.calibration import Calibration
from model.convert.method import convert
from model.convert.simulate import simulate
from model.convert.thresholds import ThresholdSettings
from model.convert.weight_calibration import Weights
from tests.model.convert.nets import made

BATCHES = ((0, 10), (10, 20), (20, 24))
LEARNED = Weights(50, 1e-3, 8, 24, 0, extra=False)
MODES: dict[str, dict[str, Any]] = {
    "maximum": {"bias": 0, "threshold": ThresholdSettings("max")},
    "MMSE": {"bias": 0},
    "MMSE by channel": {"bias": 0, "threshold": ThresholdSettings(channel_wise=True)},
    "light": {},
    "potential": {"bias": 0, "potential": True},
    "weights": {"bias": 0, "weights": LEARNED},
    "weights and potential": {"bias": 0, "weights": LEARNED, "potential": True},
}
FIGURES: dict[tuple[int, str], tuple[float, float, float, int]] = {
    (4, "maximum"): (0.3585391221, 0.1084889973, 0.0719912432, 6444),
    (4, "MMSE"): (0.3106306445, 0.1129046343, -0.0193988205, 12340),
    (4, "MMSE by channel"): (0.3143081113, 0.0769659687, -0.0472167683, 14151),
    (4, "light"): (0.3167970757, -0.0220474776, 0.1296553874, 13009),
    (4, "potential"): (0.3405722325, 0.1015582829, 0.0551045375, 13396),
    (4, "weights and potential"): (0.3451412272, 0.0725382791, 0.2207833323, 14148),
    (16, "maximum"): (0.4053748538, 0.0854367614, 0.0013022786, 26211),
    (16, "MMSE"): (0.3794308555, 0.1142795283, 0.0664713386, 35113),
    (16, "MMSE by channel"): (0.3809844643, 0.1396509176, 0.0012547976, 43821),
    (16, "light"): (0.3646025714, 0.0936361338, 0.0705434783, 34924),
    (16, "potential"): (0.3650970897, 0.126821856, 0.0249188527, 34953),
    (16, "weights"): (0.4247913452, 0.0974748464, 0.0646509136, 39672),
}
"""By T and mode: mean of the outputs' magnitudes, two of the outputs, spikes of all 24 inputs."""


@pytest.mark.parametrize(("steps", "mode"), FIGURES)
def test_the_public_tools_figures_come_out(steps: int, mode: str) -> None:
    net, x = made("plain")
    converted = convert(net, [x[a:b] for a, b in BATCHES], Calibration(steps=steps, **MODES[mode]))
    last = simulate(converted, x, steps).last
    outputs, (mean, first, second, spikes) = last.outputs[0], FIGURES[steps, mode]
    found = (float(outputs.abs().mean()), float(outputs[0, 0]), float(outputs[5, 3]))
    assert found == pytest.approx((mean, first, second), abs=1e-8)
    assert round(float(last.cost.total_spikes.sum())) == spikes
