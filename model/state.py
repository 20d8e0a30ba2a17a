"""`State`: everything a network remembers between two steps, as a value with plain verbs.

Arrays are numpy in the ONNX engine and torch tensors in the torch engine; the verbs take either and import
torch only where tensors came in. What does not fit is refused with `BadState`, never reshaped or guessed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_safetensors
from safetensors.numpy import save as save_safetensors

from model.errors import BadState

Array: TypeAlias = Any
"""A numpy array or a torch tensor."""

_FORMAT = "spikesight-state-1"


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """Memory of B independent streams.

    Attributes:
        membranes: one array per neuron layer, (B, C, H, W): what leak and reset left of it.
        head_sums: one array per level, (B, C, ny, nx): head inputs added up since the reset.
        steps: (B,) int64, steps since the reset, per row.
    """

    membranes: tuple[Array, ...]
    head_sums: tuple[Array, ...]
    steps: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.steps.ndim != 1 or self.steps.dtype != np.int64:
            raise BadState(f"steps must be (B,) int64, got {self.steps.shape} {self.steps.dtype}")
        rows = {int(a.shape[0]) for a in self.arrays} | {len(self.steps)}
        if len(rows) > 1:
            raise BadState(f"arrays of one state disagree on the number of rows: {sorted(rows)}")

    @property
    def arrays(self) -> tuple[Array, ...]:
        """Membranes, then head sums."""
        return (*self.membranes, *self.head_sums)

    @property
    def batch(self) -> int:
        """B, the number of rows."""
        return len(self.steps)


def stack(states: Sequence[State]) -> State:
    """Rows of all states in order, as one state.

    Raises:
        BadState: no state is given, or they belong to different networks or grids.
    """
    if not states:
        raise BadState("nothing to stack; give at least one state")
    for other in states[1:]:
        require_match(other, states[0])
    columns = [_concatenate(column) for column in zip(*(s.arrays for s in states), strict=True)]
    return _rebuilt(states[0], columns, np.concatenate([s.steps for s in states]))


def split(state: State) -> list[State]:
    """One state of one row for each row."""
    return [select(state, [row]) for row in range(state.batch)]


def select(state: State, rows: Sequence[int]) -> State:
    """Copies of these rows, in this order.

    Raises:
        BadState: a row does not exist.
    """
    _check_rows(state, rows)
    index = list(rows)
    return _rebuilt(state, [a[index] for a in state.arrays], state.steps[index])


def reset(state: State, rows: Sequence[int]) -> State:
    """A copy in which these rows are at zero, as `initial_state` makes them.

    Raises:
        BadState: a row does not exist.
    """
    _check_rows(state, rows)
    index = list(rows)

    def zeroed(array: Array) -> Array:
        copy = _copy(array)
        copy[index] = 0
        return copy

    return _rebuilt(state, [zeroed(a) for a in state.arrays], zeroed(state.steps))


def matches(state: State, like: State) -> bool:
    """Whether both belong to one network and grid: all shapes and dtypes agree but for the number of rows."""
    return _difference(state, like) is None


def require_match(state: State, like: State) -> None:
    """Raises BadState: the states differ in anything but the number of rows; names the first difference."""
    difference = _difference(state, like)
    if difference:
        raise BadState(f"{difference}; begin from initial_state of the same model and grid")


def to_bytes(state: State, tag: str = "") -> bytes:
    """The state as safetensors; `tag` names the weights and grid it belongs to."""
    tensors = {f"membrane.{i}": _to_numpy(a) for i, a in enumerate(state.membranes)}
    tensors |= {f"head_sum.{i}": _to_numpy(a) for i, a in enumerate(state.head_sums)}
    tensors["steps"] = state.steps
    contiguous = {name: np.ascontiguousarray(a) for name, a in tensors.items()}
    return save_safetensors(contiguous, metadata={"format": _FORMAT, "tag": tag})


def from_bytes(data: bytes, like: State, tag: str = "") -> State:
    """The state that `to_bytes` wrote, in arrays of the kind and device of `like`.

    Raises:
        BadState: the bytes are no saved state, carry another `tag`, do not fit `like`, or hold NaN, infinity
            or a negative number of steps.
    """
    tensors = _load(data, tag)
    steps = tensors.pop("steps", None)
    names = [f"membrane.{i}" for i in range(len(like.membranes))]
    names += [f"head_sum.{i}" for i in range(len(like.head_sums))]
    if steps is None or sorted(tensors) != sorted(names):
        raise BadState(f"saved arrays are {sorted(tensors)}, this network has {sorted(names)} and steps")
    arrays = [tensors[name] for name in names]
    if not all(np.isfinite(a).all() for a in arrays) or (steps < 0).any():
        raise BadState("the saved state holds NaN, infinity or a negative number of steps; reset instead")
    state = _rebuilt(like, [_like(a, b) for a, b in zip(arrays, like.arrays, strict=True)], steps)
    require_match(state, like)
    return state


def _load(data: bytes, tag: str) -> dict[str, NDArray[Any]]:
    try:
        tensors = load_safetensors(data)
        size = int.from_bytes(data[:8], "little")
        metadata = json.loads(data[8 : 8 + size]).get("__metadata__", {})
    except (SafetensorError, ValueError, KeyError) as error:
        raise BadState(
            f"{len(data)} bytes are no saved state ({error}); pass what to_bytes returned"
        ) from error
    if metadata.get("format") != _FORMAT:
        raise BadState(f"saved as {metadata.get('format')!r}, this version reads {_FORMAT!r}; reset instead")
    if metadata.get("tag") != tag:
        raise BadState(f"saved with weights {metadata.get('tag')!r}, loaded are {tag!r}; reset instead")
    return dict(tensors)


def _difference(state: State, like: State) -> str | None:
    for kind in ("membranes", "head_sums"):
        mine, theirs = getattr(state, kind), getattr(like, kind)
        if len(mine) != len(theirs):
            return f"the state has {len(mine)} {kind}, the other {len(theirs)}"
        for i, (a, b) in enumerate(zip(mine, theirs, strict=True)):
            if (a.shape[1:], a.dtype, type(a)) != (b.shape[1:], b.dtype, type(b)):
                return f"{kind}[{i}] is {_describe(a)}, the other {_describe(b)}"
    return None


def _describe(array: Array) -> str:
    return f"{type(array).__name__} {tuple(array.shape[1:])} {array.dtype} a row"


def _rebuilt(like: State, arrays: Iterable[Array], steps: NDArray[np.int64]) -> State:
    columns = tuple(arrays)
    layers = len(like.membranes)
    return State(columns[:layers], columns[layers:], steps)


def _check_rows(state: State, rows: Sequence[int]) -> None:
    wrong = [row for row in rows if not 0 <= row < state.batch]
    if wrong:
        raise BadState(f"row {wrong[0]} does not exist; the state has rows 0..{state.batch - 1}")


def _concatenate(arrays: Sequence[Array]) -> Array:
    if isinstance(arrays[0], np.ndarray):
        return np.concatenate(arrays)
    cat: Callable[[Sequence[Array]], Array] = sys.modules["torch"].cat
    return cat(arrays)


def _copy(array: Array) -> Array:
    return array.copy() if isinstance(array, np.ndarray) else array.clone()


def _to_numpy(array: Array) -> NDArray[Any]:
    return array if isinstance(array, np.ndarray) else np.asarray(array.detach().cpu())


def _like(array: NDArray[Any], like: Array) -> Array:
    if isinstance(like, np.ndarray):
        return array
    return sys.modules["torch"].from_numpy(array.copy()).to(like.device)
