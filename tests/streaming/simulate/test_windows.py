"""Windows to train on: deterministic, boxes where the events are, and statistics like a real camera's."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from benchmarks.event_statistics import measure
from streaming.simulate.brush import Ownership
from streaming.simulate.labels import IGNORE, LABEL, NOTHING, VisibilityRule, judge
from streaming.simulate.light import LightSettings
from streaming.simulate.sensor import SensorSettings
from streaming.simulate.windows import Windows, WindowSettings, simulate_windows

SMALL = WindowSettings(sensor_width=172, sensor_height=130)


@pytest.fixture(scope="module")
def windows() -> Windows:
    return simulate_windows(WindowSettings(), seed=5, batch=24)


def assert_equal(a: Windows, b: Windows) -> None:
    assert torch.equal(a.counts, b.counts)
    for first, second in zip(a.boxes + a.labels + a.ignore, b.boxes + b.labels + b.ignore, strict=True):
        assert torch.equal(first, second)


def test_a_seed_means_one_batch_and_the_global_generator_is_left_alone() -> None:
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first = simulate_windows(SMALL, seed=3, batch=3)
    assert torch.equal(before, torch.random.get_rng_state())
    assert_equal(first, simulate_windows(SMALL, seed=3, batch=3))
    assert not torch.equal(first.counts, simulate_windows(SMALL, seed=4, batch=3).counts)


def test_shapes_types_and_boxes_inside_the_sensor(windows: Windows) -> None:
    assert windows.counts.shape == (24, 5, 2, 260, 346)
    assert windows.counts.dtype == torch.uint8
    assert len(windows.boxes) == len(windows.labels) == len(windows.ignore) == 24
    for boxes, labels in zip(windows.boxes, windows.labels, strict=True):
        assert boxes.dtype == torch.float32
        assert labels.dtype == torch.int64
        assert boxes.shape == (len(labels), 4)
        assert bool(((labels >= 0) & (labels <= 2)).all())
    everything = torch.cat(windows.boxes + windows.ignore)
    assert bool((everything[:, :2] >= 0).all())
    assert bool((everything[:, 2:] <= torch.tensor([346, 260])).all())
    assert bool((everything[:, 2:] > everything[:, :2]).all())


def test_all_classes_and_empty_windows_occur(windows: Windows) -> None:
    assert set(torch.cat(windows.labels).tolist()) == {0, 1, 2}
    assert any(len(boxes) == 0 for boxes in windows.boxes)


def test_settings_change_the_window() -> None:
    settings = replace(SMALL, steps=3, step_us=5000, sub_frames=6)
    assert simulate_windows(settings, seed=1, batch=2).counts.shape == (2, 3, 2, 130, 172)


def test_before_a_still_camera_nearly_all_events_are_in_boxes() -> None:
    clean = SensorSettings(
        threshold=(0.2, 0.3), noise_hz=(1e-9, 1e-9), shot_noise=(1e-6, 1e-6), hot_share=(1e-9, 1e-9),
        night_chance=0,
    )  # fmt: skip
    light = LightSettings(ramp_chance=0, flicker_chance=0, lamp_chance=0, sweep_chance=0)
    still = replace(WindowSettings().camera, still_chance=1.0, still_px_s=(1e-6, 1e-6))
    cast = replace(
        WindowSettings().cast, person_chance=1.0, max_distractors=0, kinds=(1.0, 0.0, 0.0, 0.0, 0.0)
    )
    settings = replace(WindowSettings(), sensor=clean, light=light, camera=still, cast=cast)
    windows = simulate_windows(settings, seed=2, batch=16)
    inside = outside = 0.0
    for index, counts in enumerate(windows.counts.float().sum((1, 2))):
        around = torch.zeros(260, 346, dtype=torch.bool)
        for x0, y0, x1, y1 in torch.cat((windows.boxes[index], windows.ignore[index])).tolist():
            around[max(0, int(y0) - 8) : int(y1) + 8, max(0, int(x0) - 20) : int(x1) + 20] = True
        inside += float(counts[around].sum())
        outside += float(counts[~around].sum())
    assert inside > 1000
    assert outside < 0.05 * inside


def test_statistics_are_those_of_real_clips(windows: Windows) -> None:
    """Bands around the medians of nine real DAVIS346 clips (24.2, .197, 1.40, .079, .144, .072, .92)."""
    table = [measure(window.numpy()) for window in windows.counts.sum(1) if int(window.sum()) >= 500]

    def median(name: str) -> float:
        return float(torch.tensor([getattr(row, name) for row in table]).median())

    assert 12 < median("kev") < 45
    assert 0.1 < median("active") < 0.32
    assert 1.15 < median("per_pixel") < 1.8
    assert 0.03 < median("isolated") < 0.25
    assert 0.015 < median("both") < 0.15
    assert 0.88 < median("agree") < 0.985


def test_more_sensitive_pixels_give_more_events() -> None:
    def total(threshold: float) -> int:
        sensor = replace(SMALL.sensor, threshold=(threshold, threshold))
        return int(simulate_windows(replace(SMALL, sensor=sensor), seed=9, batch=6).counts.sum())

    assert total(0.15) > 1.3 * total(0.4)


def one_object(visible: int, lively: bool) -> int:
    """The verdict on a box of 20 x 20 px of which `visible` columns are not hidden."""
    owner = torch.full((1, 40, 60), -1, dtype=torch.int32)
    owner[0, 10:30, 10 : 10 + visible] = 0
    seen = torch.full((1, 40, 60), lively)
    ownership = Ownership(owner, torch.tensor([400], dtype=torch.int32))
    box = torch.tensor([[10.0, 10.0, 30.0, 30.0]])
    return int(judge(VisibilityRule(), box, ownership, seen))


@pytest.mark.parametrize(
    ("visible", "lively", "verdict"),
    [(20, True, LABEL), (10, True, LABEL), (3, True, IGNORE), (20, False, IGNORE), (0, True, NOTHING)],
)
def test_only_objects_that_made_events_are_labels(visible: int, lively: bool, verdict: int) -> None:
    assert one_object(visible, lively) == verdict


@pytest.mark.gpu
def test_windows_on_a_gpu_are_deterministic_and_alike() -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    first = simulate_windows(WindowSettings(), seed=3, batch=8, device="cuda")
    assert_equal(first, simulate_windows(WindowSettings(), seed=3, batch=8, device="cuda"))
    assert first.counts.device.type == "cuda"
    mean = float(first.counts.float().sum((1, 2, 3, 4)).median())
    assert 5_000 < mean < 90_000
