"""The verbs of `State`, on numpy arrays and on torch tensors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from model.errors import BadState
from model.state import State, from_bytes, matches, require_match, reset, select, split, stack, to_bytes

Make = Callable[..., State]


def numpy_state(batch: int = 2, seed: int = 0, width: int = 4) -> State:
    rng = np.random.default_rng(seed)
    membranes = tuple(rng.random((batch, c, 6, width), np.float32) for c in (3, 5))
    sums = (rng.random((batch, 7, 3, 2), np.float32),)
    return State(membranes, sums, rng.integers(0, 9, batch))


def torch_state(batch: int = 2, seed: int = 0, width: int = 4) -> State:
    state = numpy_state(batch, seed, width)
    convert = torch.from_numpy
    return State(tuple(map(convert, state.membranes)), tuple(map(convert, state.head_sums)), state.steps)


@pytest.fixture(params=[numpy_state, torch_state], ids=["numpy", "torch"])
def make(request: pytest.FixtureRequest) -> Make:
    made: Make = request.param
    return made


def assert_equal(first: State, second: State) -> None:
    require_match(first, second)
    for a, b in zip(first.arrays, second.arrays, strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
    np.testing.assert_array_equal(first.steps, second.steps)


def test_split_then_stack_is_the_identity(make: Make) -> None:
    state = make(batch=3)
    parts = split(state)
    assert [part.batch for part in parts] == [1, 1, 1]
    assert_equal(stack(parts), state)


def test_stack_keeps_the_order_of_rows(make: Make) -> None:
    first, second = make(batch=2, seed=1), make(batch=1, seed=2)
    both = stack([first, second])
    assert both.batch == 3
    assert_equal(select(both, [2]), second)
    assert_equal(select(both, [0, 1]), first)


def test_select_takes_rows_in_any_order_and_twice(make: Make) -> None:
    state = make(batch=3)
    chosen = select(state, [2, 0, 2])
    assert chosen.steps.tolist() == state.steps[[2, 0, 2]].tolist()
    assert_equal(select(chosen, [1]), select(state, [0]))


def test_reset_clears_those_rows_alone_and_leaves_the_original(make: Make) -> None:
    state, before = make(batch=3), make(batch=3)
    cleared = reset(state, [1])
    assert all(not np.asarray(a)[1].any() for a in cleared.arrays)
    assert cleared.steps[1] == 0
    assert_equal(select(cleared, [0, 2]), select(before, [0, 2]))
    assert_equal(state, before)


def test_a_selected_row_is_a_copy(make: Make) -> None:
    state = make(batch=2)
    part = select(state, [0])
    part.membranes[0][:] = 99
    assert_equal(state, make(batch=2))


def test_saved_bytes_come_back_exactly(make: Make) -> None:
    state = make(batch=2)
    assert_equal(from_bytes(to_bytes(state, "nano@1"), make(batch=1, seed=9), "nano@1"), state)


def test_states_of_other_grids_or_kinds_do_not_match(make: Make) -> None:
    assert matches(make(batch=2), make(batch=5, seed=3))
    assert not matches(make(), make(width=8))
    assert not matches(numpy_state(), torch_state())
    with pytest.raises(BadState, match=r"membranes\[0\] is .*\(3, 6, 8\).*\(3, 6, 4\)"):
        stack([make(), make(width=8)])


def test_states_of_other_networks_do_not_match() -> None:
    state = numpy_state()
    fewer = State(state.membranes[:1], state.head_sums, state.steps)
    with pytest.raises(BadState, match="has 1 membranes, the other 2"):
        require_match(fewer, state)
    half = State(tuple(m.astype(np.float16) for m in state.membranes), state.head_sums, state.steps)
    with pytest.raises(BadState, match="float16"):
        require_match(half, state)


@pytest.mark.parametrize("rows", [[2], [-1], [0, 7]])
@pytest.mark.parametrize("verb", [select, reset])
def test_rows_that_do_not_exist_are_refused(
    verb: Callable[[State, list[int]], State], rows: list[int]
) -> None:
    with pytest.raises(BadState, match=r"does not exist; the state has rows 0\.\.1"):
        verb(numpy_state(batch=2), rows)


def test_an_empty_stack_is_refused() -> None:
    with pytest.raises(BadState, match="nothing to stack"):
        stack([])


def test_rows_must_agree_within_one_state() -> None:
    state = numpy_state(batch=2)
    with pytest.raises(BadState, match=r"\[2, 3\]"):
        State(state.membranes, state.head_sums, np.zeros(3, np.int64))
    with pytest.raises(BadState, match="int64"):
        State(state.membranes, state.head_sums, np.zeros(2, np.int32))


def broken(state: State, change: Callable[[State], None]) -> bytes:
    change(state)
    return to_bytes(state)


def set_nan(state: State) -> None:
    state.head_sums[0][0, 0, 0, 0] = np.nan


def set_negative(state: State) -> None:
    state.steps[0] = -1


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no saved state"),
        (b"\xff" * 64, "no saved state"),
        (to_bytes(numpy_state())[:-5], "no saved state"),
        (to_bytes(numpy_state(), "other weights"), "saved with weights 'other weights'"),
        (to_bytes(numpy_state(width=8)), r"membranes\[0\]"),
        (to_bytes(State(numpy_state().membranes, (), np.zeros(2, np.int64))), "this network has"),
        (broken(numpy_state(), set_nan), "NaN"),
        (broken(numpy_state(), set_negative), "negative"),
    ],
)
def test_bytes_that_do_not_fit_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(BadState, match=message):
        from_bytes(data, numpy_state())


def test_safetensors_of_something_else_is_refused() -> None:
    from safetensors.numpy import save

    with pytest.raises(BadState, match="saved as None"):
        from_bytes(save({"steps": np.zeros(2, np.int64)}), numpy_state())
