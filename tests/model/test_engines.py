"""Engines agree with each other and themselves: steps and windows, batches and rows, saved states."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from model.card import Card, find, load_card
from model.encodings import encode
from model.engines.base import Engine, StepOutput
from model.engines.onnx import OnnxEngine
from model.engines.torch import TorchEngine
from model.errors import BadCounts, BadSetting, BadState
from model.networks import Network, build
from model.state import State, from_bytes, reset, select, split, stack, to_bytes
from model.weights import load, save
from tests.model.tiny import (
    STEPS,
    keep_step_graph,
    random_counts,
    safe_counts,
    tiny_card,
    tiny_yaml,
    write_tiny,
)

GPU = pytest.mark.gpu
ENGINES = ["onnx", "torch", pytest.param("cuda", marks=GPU)]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache of this module's own; it begins empty."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPIKESIGHT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[Network, Card, Path]:
    path = keep_step_graph(write_tiny(tmp_path_factory.mktemp("models")))
    return load(path), load_card(path), path


@pytest.fixture(scope="module")
def counts(tiny: tuple[Network, Card, Path]) -> np.ndarray:
    """(3, 5, 2, H, W): three windows on which every engine must fire the same."""
    return safe_counts(tiny[0], tiny[1], batch=3)


@pytest.fixture(scope="module")
def engines(tiny: tuple[Network, Card, Path]) -> Callable[[str], Engine]:
    network, card, path = tiny
    made: dict[str, Engine] = {}

    def get(name: str) -> Engine:
        if name == "cuda" and not torch.cuda.is_available():
            pytest.skip("needs a CUDA device")
        if name not in made:
            device = "cuda" if name == "cuda" else "cpu"
            onnx = name == "onnx"
            made[name] = OnnxEngine(card, find(path)) if onnx else TorchEngine(network, card, device=device)
        return made[name]

    return get


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, engines: Callable[[str], Engine]) -> Engine:
    return engines(request.param)


def numpy_of(state: State) -> list[np.ndarray]:
    return [a if isinstance(a, np.ndarray) else a.cpu().numpy() for a in state.arrays]


def assert_close(first: StepOutput, second: StepOutput, tolerance: float = 1e-5) -> None:
    """Maps and states agree to `tolerance`, absolute or, for values above 1, relative."""
    mine, theirs = ([*output.maps, *numpy_of(output.state)] for output in (first, second))
    for a, b in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(a, b, atol=tolerance, rtol=tolerance)
    np.testing.assert_array_equal(first.state.steps, second.state.steps)


def assert_same(first: State, second: State) -> None:
    for a, b in zip(numpy_of(first), numpy_of(second), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(first.steps, second.steps)


def stepped(engine: Engine, counts: np.ndarray, state: State | None = None) -> list[StepOutput]:
    state = state or engine.initial_state(len(counts))
    outputs = []
    for t in range(counts.shape[1]):
        outputs.append(engine.step(counts[:, t], state))
        state = outputs[-1].state
    return outputs


def test_the_network_is_busy_enough_to_test_with(engine: Engine, counts: np.ndarray) -> None:
    rate = engine.window(counts).activity.rate
    assert ((rate > 0.01) & (rate < 0.99)).all()


def test_every_engine_agrees_with_torch(
    engine: Engine, engines: Callable[[str], Engine], counts: np.ndarray
) -> None:
    for mine, theirs in zip(stepped(engine, counts), stepped(engines("torch"), counts), strict=True):
        assert_close(mine, theirs)
        np.testing.assert_array_equal(mine.activity.rate, theirs.activity.rate)
        np.testing.assert_allclose(mine.activity.synops, theirs.activity.synops, rtol=1e-6)
        np.testing.assert_array_equal(mine.activity.macs, theirs.activity.macs)


def test_steps_from_zero_equal_the_window(engine: Engine, counts: np.ndarray) -> None:
    outputs, window = stepped(engine, counts), engine.window(counts)
    assert_close(outputs[-1], window, tolerance=1e-6)
    rates = np.mean([o.activity.rate for o in outputs], axis=0)
    np.testing.assert_allclose(window.activity.rate, rates, atol=1e-6)
    synops = np.sum([o.activity.synops for o in outputs], axis=0)
    np.testing.assert_allclose(window.activity.synops, synops, rtol=1e-6)
    assert window.activity.steps == STEPS


@pytest.mark.parametrize("length", [1, 3, 7])
def test_windows_of_other_lengths_run_too(engine: Engine, counts: np.ndarray, length: int) -> None:
    longer = np.concatenate([counts, counts], axis=1)[:, :length]
    assert_close(stepped(engine, longer)[-1], engine.window(longer), 1e-6 if length <= STEPS else 1e-4)


def test_float64_torch_steps_equal_its_window_exactly(tiny: tuple[Network, Card, Path]) -> None:
    engine = TorchEngine(load(tiny[2], dtype=torch.float64), tiny[1])
    counts = random_counts(3, batch=2)
    first, second = stepped(engine, counts)[-1], engine.window(counts)
    for a, b in zip(numpy_of(first.state), numpy_of(second.state), strict=True):
        assert a.dtype == np.float64
        np.testing.assert_allclose(a, b, atol=1e-12, rtol=0)


def test_the_fused_engine_equals_the_network_as_trained(tiny: tuple[Network, Card, Path]) -> None:
    network = load(tiny[2], dtype=torch.float64)
    counts = random_counts(4, batch=2)
    with torch.inference_mode():
        x = encode(torch.from_numpy(counts).transpose(0, 1), "log1p", torch.float64)
        wanted = network(x)
    for a, b in zip(TorchEngine(network, tiny[1]).window(counts).maps, wanted, strict=True):
        np.testing.assert_allclose(a, b.numpy(), atol=1e-6)


def test_a_batch_equals_its_rows_one_by_one(engine: Engine, counts: np.ndarray) -> None:
    together = stepped(engine, counts)[-1]
    for row, state in enumerate(split(together.state)):
        alone = stepped(engine, counts[row : row + 1])[-1]
        expected = StepOutput(tuple(m[row : row + 1] for m in together.maps), state, together.activity)
        assert_close(alone, expected)


def test_rows_with_different_numbers_of_steps_share_a_batch(engine: Engine, counts: np.ndarray) -> None:
    ahead = stepped(engine, counts[:1, :3])[-1].state
    both = engine.step(np.stack([counts[0, 3], counts[1, 0]]), stack([ahead, engine.initial_state(1)]))
    assert both.state.steps.tolist() == [4, 1]
    for row, (at, upto) in enumerate([(0, 4), (1, 1)]):
        alone = stepped(engine, counts[at : at + 1, :upto])[-1]
        for a, b in zip(both.maps, alone.maps, strict=True):
            np.testing.assert_allclose(a[row], b[0], atol=1e-5)


def test_save_and_restore_in_mid_window_is_exact(engine: Engine, counts: np.ndarray) -> None:
    middle = stepped(engine, counts[:, :2])[-1].state
    restored = from_bytes(to_bytes(middle, "x"), engine.initial_state(1), "x")
    assert_same(restored, middle)
    straight, resumed = (stepped(engine, counts[:, 2:], s)[-1] for s in (middle, restored))
    assert_same(straight.state, resumed.state)
    for a, b in zip(straight.maps, resumed.maps, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_reset_row_is_as_fresh(engine: Engine, counts: np.ndarray) -> None:
    used = stepped(engine, counts[:, :3])[-1].state
    assert_same(select(reset(used, [1]), [1]), engine.initial_state(1))
    kept = select(reset(used, [1]), [0, 2])
    assert_same(kept, select(used, [0, 2]))


def test_a_step_leaves_its_inputs_as_they_were(engine: Engine, counts: np.ndarray) -> None:
    state = stepped(engine, counts[:, :1])[-1].state
    before, given = [a.copy() for a in numpy_of(state)], counts[:, 1].copy()
    engine.step(given, state)
    np.testing.assert_array_equal(given, counts[:, 1])
    for a, b in zip(before, numpy_of(state), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_same_input_gives_the_same_numbers(engine: Engine, counts: np.ndarray) -> None:
    first, second = engine.window(counts), engine.window(counts)
    assert_same(first.state, second.state)


def test_saturated_counts_stay_finite(engine: Engine) -> None:
    output = engine.window(np.full_like(random_counts(0), 65_535))
    assert all(np.isfinite(m).all() for m in output.maps)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c[:, 0].astype(np.float32), "float32; tiny takes .* uint16"),
        (lambda c: c[:, 0, :1], r"takes \(B, 2, 64, 96\)"),
        (lambda c: c[:, 0, :, :32], r"takes \(B, 2, 64, 96\)"),
        (lambda c: c[0, 0], r"takes \(B, 2, 64, 96\)"),
        (lambda c: c, r"takes \(B, 2, 64, 96\)"),
        (lambda c: c[:0, 0], r"takes \(B, 2, 64, 96\)"),
        (lambda c: c[:1, 0], "1 rows, the state 3"),
    ],
)
def test_steps_that_do_not_fit_are_refused(
    engine: Engine, counts: np.ndarray, change: Callable[[np.ndarray], np.ndarray], message: str
) -> None:
    with pytest.raises(BadCounts, match=message):
        engine.step(change(counts), engine.initial_state(3))


def test_windows_that_do_not_fit_are_refused(engine: Engine, counts: np.ndarray) -> None:
    for wrong in (counts[:, 0], counts[:, :0], counts[..., :32], counts.astype(np.int64)):
        with pytest.raises(BadCounts, match=r"takes \(B, T, 2, 64, 96\) uint16"):
            engine.window(wrong)


def test_states_of_another_network_are_refused(engine: Engine, counts: np.ndarray) -> None:
    state = engine.initial_state(3)
    fewer = State(state.membranes[:-1], state.head_sums, state.steps)
    smaller = State((state.membranes[0][:, :, :8], *state.membranes[1:]), state.head_sums, state.steps)
    for wrong in (fewer, smaller):
        with pytest.raises(BadState, match="initial_state of the same model"):
            engine.step(counts[:, 0], wrong)


@pytest.mark.parametrize("batch", [0, -1, 100_000])
def test_absurd_batches_are_refused(engine: Engine, batch: int) -> None:
    with pytest.raises(BadSetting, match="batch is"):
        engine.initial_state(batch)


def test_devices_and_threads_that_do_not_exist_are_refused(tiny: tuple[Network, Card, Path]) -> None:
    network, card, path = tiny
    for make in (
        lambda device: TorchEngine(network, card, device=device),
        lambda device: OnnxEngine(card, find(path), device=device),
    ):
        with pytest.raises(BadSetting, match="device is 'tpu'"):
            make("tpu")
    for wrong in (
        lambda: TorchEngine(network, card, threads=0),
        lambda: OnnxEngine(card, find(path), threads=0),
    ):
        with pytest.raises(BadSetting, match="threads is 0"):
            wrong()


def test_imported_networks_of_three_channels_run_on_counts(tmp_path: Path) -> None:
    card = tiny_card("rgb", layout=tiny_yaml(channels=3), in_channels=3, encoding="painted")
    torch.manual_seed(0)
    path = keep_step_graph(save(tmp_path, build(card.network_layout()), card).card)
    counts = random_counts(0)[:, 0]
    first, second = (
        engine.step(counts, engine.initial_state(1))
        for engine in (TorchEngine(load(path), card), OnnxEngine(card, find(path)))
    )
    # Only the first layer is compared: on counts that were not chosen a rounding may flip a later spike.
    np.testing.assert_allclose(numpy_of(first.state)[0], numpy_of(second.state)[0], atol=1e-5)
    assert first.maps[0].shape == second.maps[0].shape == (1, 3, 4, 6, 8)


def test_frame_networks_take_pictures() -> None:
    card = tiny_card("rgb", layout=tiny_yaml(channels=3), in_channels=3, encoding="frame")
    engine = TorchEngine(build(card.network_layout()), card)
    picture = np.full((1, 3, 64, 96), 255, np.uint16)
    assert engine.step(picture, engine.initial_state(1)).maps[1].shape == (1, 3, 2, 3, 8)
    assert encode(torch.from_numpy(picture.astype(np.int32)), "frame").max() == 1
    with pytest.raises(BadCounts, match=r"takes \(B, 3, 64, 96\)"):
        engine.step(random_counts(0)[:, 0], engine.initial_state(1))


def test_painting_marks_polarity_on_grey() -> None:
    counts = torch.tensor([[0, 2, 0, 1, 3], [0, 0, 4, 1, 2]], dtype=torch.uint16).reshape(2, 1, 5)
    painted = encode(counts, "painted")
    assert painted.shape == (3, 1, 5)
    np.testing.assert_allclose(painted[0, 0].numpy(), [127 / 255, 0, 1, 1, 0], rtol=1e-6)
    assert torch.equal(painted[0], painted[2])


def test_log_encoding_is_what_it_says() -> None:
    counts = torch.tensor([0, 1, 65_535], dtype=torch.int32).reshape(1, 1, 3)
    np.testing.assert_allclose(encode(counts, "log1p").ravel(), np.log1p([0, 1, 65_535]) / 1.6, rtol=1e-6)
