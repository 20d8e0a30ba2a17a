"""Sweeps: break-even, agreement, and costs that engines, evaluation and reports count alike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from model.convert.calibration import Calibration
from model.convert.rueckauer import Rueckauer
from model.convert.simulate import simulate
from model.convert.thresholds import ThresholdSettings
from model.detections import Detections
from model.energy import energy_mj
from tests.model.convert.twins import converted, windows
from training.converting.calibrating import is_data_set, named
from training.converting.methods import for_steps, is_for_one, method_for
from training.converting.report import sweep_json, sweep_markdown
from training.converting.sweep import Point, Rival, Sweep, Tally, batches_of
from training.converting.twins import agreement, charged, counted
from training.datasets import LabelledWindow
from training.errors import BadTraining
from training.measure import measure

CLASSES = ("person", "car", "two-wheeler")


def point(steps: int, mj: float, macs: float = 0.0) -> Point:
    return Point(steps, {"map50": 0.5}, 1.0, 1.0, 1.0, macs, 1.0, mj, {"a.neuron": 0.1})


def sweep(*points: Point, ann_mj: float = 1.0) -> Sweep:
    ann = Rival("ann", 1, {"map50": 0.6}, 0.0, 1.0, ann_mj)
    return Sweep("made", "ecc", {}, {"data": "x", "windows": 1}, "windows", 3, points, ann)


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ((point(8, 0.25), point(16, 0.5), point(32, 1.5)), 24.0),
        ((point(8, 2.0),), 4.0),
        ((point(8, 1.0), point(16, 2.0)), 8.0),
        ((point(8, 0.1), point(16, 0.2)), None),
    ],
    ids=["between", "before the first", "at one", "never"],
)
def test_break_even_is_where_the_ann_costs_as_much(points: tuple[Point, ...], expected: float | None) -> None:
    found = sweep(*points).break_even_steps
    assert found == (None if expected is None else pytest.approx(expected))


def test_multiplications_are_paid_at_any_t() -> None:
    fixed = energy_mj(0.0, 1e9)
    made = sweep(point(10, 2 * fixed + 2, 1e9), ann_mj=fixed + 1)
    assert made.break_even_steps == pytest.approx(10 / (fixed + 2))


def test_a_report_says_whether_it_pays() -> None:
    page = sweep_markdown(sweep(point(8, 0.25), point(32, 1.75)), "plots.png")
    assert "Break-even: T = 20" in page
    assert "(plots.png)" in page
    assert "less energy" in sweep_markdown(sweep(point(8, 0.25)), "plots.png")
    small = replace(point(8, 0.25), energy_mj=1.234567e-9, scores={"map50": float("nan")})
    values = sweep_json(sweep(small))["points"][0]
    assert values["energy_mj"] == 1.23457e-9
    assert values["scores"]["map50"] is None


def boxes(*rows: tuple[float, float, float, float, int]) -> Detections:
    xyxy = np.array([row[:4] for row in rows], np.float32).reshape(-1, 4)
    labels = np.array([row[4] for row in rows], np.int64)
    return Detections(xyxy, np.full(len(rows), 0.9, np.float32), labels, CLASSES)


def test_agreement_is_the_share_of_boxes_that_both_find() -> None:
    one, far = (0.0, 0.0, 10.0, 10.0, 0), (50.0, 50.0, 60.0, 60.0, 0)
    near, other = (1.0, 0.0, 11.0, 10.0, 0), (0.0, 0.0, 10.0, 10.0, 1)
    assert agreement([boxes(one, far)], [boxes(far, near)]) == 1
    assert agreement([boxes(one)], [boxes(other)]) == 0
    assert agreement([boxes(one), boxes()], [boxes(one, near), boxes(far)]) == pytest.approx(2 / 4)
    assert agreement([boxes()], [boxes()]) == 1


def test_a_tally_is_the_mean_of_its_inputs() -> None:
    detector, _ = converted(5)
    x = windows(3, 4)
    whole, parts = Tally(5), Tally(5)
    whole.add(simulate(detector.network, x, 5).last.cost)
    for rows in batches_of(x, 3):
        parts.add(simulate(detector.network, rows, 5).last.cost)
    ours, theirs = (tally.point({}, 1.0) for tally in (whole, parts))
    assert (ours.spikes, ours.synops) == pytest.approx((theirs.spikes, theirs.synops))
    assert ours.macs == theirs.macs
    assert ours.rates == pytest.approx(theirs.rates)
    assert 0 < ours.rates["rows.1.0.neuron1"] < 1


def test_reports_and_engines_charge_a_window_alike() -> None:
    detector, _ = converted(6)
    x = windows(3, 2)
    report = counted(detector, x, simulate(detector.network, x, 6).last.cost)
    engine = charged(detector, detector.window(x[None])[2], x[None])
    torch.testing.assert_close(report.total_synops, engine.total_synops, rtol=1e-5, atol=0)
    torch.testing.assert_close(report.total_spikes, engine.total_spikes)
    assert report.total_macs == engine.total_macs
    assert report.updates == engine.updates


def test_evaluation_takes_a_converted_network_as_any_other() -> None:
    rng = np.random.default_rng(0)
    none = np.zeros((0, 4), np.float32)
    made = [
        LabelledWindow.of(
            rng.poisson(0.3, (1, 2, 64, 96)), np.array([[5, 5, 60, 50]], np.float32), np.array([0]), none
        )
        for _ in range(3)
    ]
    reports = [
        measure(converted(steps)[0], made, (96, 64), CLASSES, encoding="counts").activity for steps in (8, 32)
    ]
    assert reports[1].synops == pytest.approx(4 * reports[0].synops, rel=0.2)
    assert reports[0].macs == reports[1].macs  # the head alone, once a window
    for name, rate in reports[0].firing.items():
        assert 0 <= rate <= 1, name


@pytest.mark.parametrize(
    ("source", "data_set", "name"),
    [
        ("sim:street", True, "sim:street"),
        ("gen1:/data/gen1", True, "gen1:gen1"),
        ("sim://street?seed=3", False, "sim://street?seed=3"),
        ("/recordings/walk.raw", False, "walk.raw"),
        ("C:/walk.raw", False, "walk.raw"),
    ],
)
def test_sources_are_told_apart_and_named_without_folders(source: str, data_set: bool, name: str) -> None:
    assert is_data_set(source) == data_set
    assert named(source) == name


def test_methods_come_with_settings_of_their_task() -> None:
    detector, published = method_for("rueckauer", "detector", 64), method_for("rueckauer", "classifier", 64)
    assert isinstance(detector, Rueckauer)
    assert (detector.channel_wise, detector.initial) == (True, 0.5)
    assert isinstance(published, Rueckauer)
    assert (published.channel_wise, published.initial) == (False, 0.0)
    calibration = method_for("calibration", "detector", 24, ["threshold.momentum=0.5", "rows=7"])
    assert is_for_one(calibration)
    assert not is_for_one(published)
    assert isinstance(calibration, Calibration)
    assert (calibration.steps, calibration.rows) == (24, 7)
    assert calibration.threshold == ThresholdSettings(channel_wise=True, momentum=0.5)
    assert for_steps(calibration, 9) == replace(calibration, steps=9)
    advanced = method_for("calibration", "classifier", 24, advanced=True)
    assert isinstance(advanced, Calibration)
    assert (advanced.weights is not None, advanced.potential, advanced.bias) == (True, True, 0)
    with pytest.raises(BadTraining, match="NAME=VALUE"):
        method_for("ecc", "detector", 8, ["residual"])
