"""`measure`: rules, thresholds, the twin, and that a window's last answer is the network's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from model.layout import ann_twin, named_layout
from model.networks import build
from streaming.simulate.windows import WindowSettings
from tests.training.cards import CLASSES, GRID, network, tiny_card
from tests.training.conftest import make_window
from training.conditions import Condition, conditions, measure_conditions
from training.datasets import BoxRule
from training.errors import BadTraining
from training.measure import measure
from training.merging import merge_steps

WINDOWS = [make_window(seed) for seed in range(6)]


def test_a_threshold_that_is_given_is_the_one_measured() -> None:
    torch.manual_seed(1)
    report = measure(network(), WINDOWS, GRID, CLASSES, encoding="log1p", threshold=0.06)
    assert report.operating.threshold == report.confusion.threshold == 0.06
    assert report.each_step == ()


def test_the_prophesee_rule_leaves_small_boxes_out() -> None:
    every = measure(network(), WINDOWS, GRID, CLASSES, encoding="log1p")
    assert every.boxes == len(WINDOWS)
    wide = BoxRule(min_diagonal_px=30, min_side_px=20)  # rectangles of 12 x 30 and 34 x 16 are too narrow
    kept = measure(network(), WINDOWS, GRID, CLASSES, encoding="log1p", rule=wide)
    assert kept.boxes == sum(int(w.label[0]) == 2 for w in WINDOWS) < every.boxes
    assert kept.to_json()["rule"]["min_side_px"] == 20


def test_the_twin_sees_all_steps_as_one() -> None:
    torch.manual_seed(2)
    twin = build(ann_twin(named_layout("ems-nano", classes=3)), height=GRID[1], width=GRID[0])
    report = measure(twin, WINDOWS, GRID, CLASSES, encoding="log1p", each_step=True)
    assert [each.step for each in report.each_step] == [1]
    assert report.activity.synops == 0
    assert report.activity.energy_mj == pytest.approx(report.activity.dense_mj)


def test_merged_steps_are_sums_of_neighbours() -> None:
    counts = torch.from_numpy(np.arange(4 * 2, dtype=np.uint8).reshape(4, 2, 1, 1, 1) + 200)
    assert merge_steps(counts, 4) is counts
    assert merge_steps(counts, 2)[:, 0].flatten().tolist() == [200 + 202, 204 + 206]  # beyond uint8
    assert merge_steps(counts, 1).shape == (1, 2, 1, 1, 1)
    with pytest.raises(BadTraining, match="4 steps cannot become 3 equal ones"):
        merge_steps(counts, 3)


def test_conditions_differ_from_the_first_in_one_thing() -> None:
    day, *others = conditions(8_000, 5)
    names = [each.name for each in others]
    assert len({day.name, *names}) == 1 + len(others)
    assert {"night", "camera shake", "still camera", "gen4 1280 x 720", "10 steps of 8 ms"} <= set(names)
    assert all(each.window != day.window for each in others)
    by_name = {each.name: each.window for each in others}
    assert by_name["night"].sensor.night_chance == 1.0
    assert by_name["night"].camera == day.window.camera
    assert by_name["gen4 1280 x 720"].sensor_width == 1280
    assert by_name["5 steps of 16 ms"].step_us == 16_000
    assert not any(each.window.steps == 5 for each in others if each.name.endswith("steps of 8 ms"))


def test_conditions_are_measured_at_the_threshold_of_the_card() -> None:
    seen = [Condition("wide", WindowSettings(sensor_width=96, sensor_height=64, steps=2)),
            Condition("tall", WindowSettings(sensor_width=48, sensor_height=64, steps=2))]  # fmt: skip
    told: list[tuple[int, int]] = []
    found = measure_conditions(network(), tiny_card(), 3, lambda *p: told.append(p), among=seen)
    assert told == [(1, 2), (2, 2)]
    assert [(each.name, each.windows) for each in found] == [("wide", 3), ("tall", 3)]
    assert all(set(each.ap50) == set(CLASSES) and each.false_boxes >= 0 for each in found)
