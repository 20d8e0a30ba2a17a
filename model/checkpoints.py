"""Checkpoints of the published code: full-module pickles, read without running or importing anything.

`read_checkpoint` gives tensors and attributes as plain values; `import_checkpoint` writes our own files.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from numpy.typing import NDArray

from model.archives import Archive, Tensors
from model.errors import BadCheckpoint, HostileCheckpoint
from model.pickles import MAX_PICKLE_BYTES, Instance, read_pickle

MAX_MODULES = 20_000
MAX_DEPTH = 32


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """What a published checkpoint holds.

    Attributes:
        tensors: parameters and buffers by their official names; FP16 comes out as float32.
        yaml: the network's description.
        names: class names.
        stride: px per cell of each level.
        epoch: of training; -1 in released files.
    """

    tensors: dict[str, NDArray[Any]]
    yaml: dict[str, Any]
    names: tuple[str, ...]
    stride: tuple[float, ...]
    epoch: int


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read an official checkpoint; of a training checkpoint the averaged weights (`ema`).

    Raises:
        HostileCheckpoint: it asks for what no checkpoint needs; says what.
        BadCheckpoint: it is no checkpoint of the published code, or is cut off.
    """
    try:
        with Path(path).open("rb") as file:
            return _read(file)
    except OSError as error:
        raise BadCheckpoint(f"{path} cannot be read: {error.strerror or error}") from error


def import_checkpoint(
    path: str | Path,
    out_dir: str | Path,
    name: str | None = None,
    *,
    steps: int = 5,
    step_us: int = 50_000,
    grid: tuple[int, int] = (320, 320),
) -> Path:
    """Turn an official checkpoint into our weights and card; gives the path of the card.

    The layout comes from the description inside the checkpoint, its anchors from the anchors it was trained
    with. Window, step and grid are not in a checkpoint: the defaults are those of the published Gen1 runs.
    Networks of 80 classes are taken for COCO ones and read frames, others event frames painted from counts.

    Args:
        path: the checkpoint.
        out_dir: folder for NAME.safetensors and NAME.json; made where absent.
        name: of the weights; the checkpoint's file name unless given.
        steps, step_us, grid: for the card; grid is (width, height).

    Raises:
        BadCheckpoint: it is no checkpoint of the published code, its tensors do not fit its layout or hold
            NaN; HostileCheckpoint where it asks for what no checkpoint needs.
        BadLayout: the description inside cannot be built.
        BadWeights: `name`, `steps`, `step_us` or `grid` is out of range.
    """
    from model.importing import write_imported  # torch stays out of a process that only reads

    checkpoint = read_checkpoint(path)
    return write_imported(checkpoint, Path(out_dir), name or Path(path).stem, steps, step_us, grid)


def _read(file: IO[bytes]) -> Checkpoint:
    magic = file.read(4)
    if magic != b"PK\x03\x04":
        raise BadCheckpoint(
            f"begins with {magic!r}, not with a zip header: no checkpoint, or one older than torch 1.6; "
            f"load such a file where you trust it and save it again with a newer torch"
        )
    try:
        with zipfile.ZipFile(file) as archive:
            return _checkpoint(Archive(archive, file.seek(0, 2)))
    except (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError, UnicodeDecodeError) as error:
        raise BadCheckpoint(f"the zip archive is broken: {error}") from error


def _checkpoint(archive: Archive) -> Checkpoint:
    if f"{archive.root}byteorder" in archive.entries and archive.read("byteorder", 16) != b"little":
        raise BadCheckpoint("the checkpoint was written on a big-endian machine, which is not read")
    top = read_pickle(archive.read("data.pkl", MAX_PICKLE_BYTES))
    if not isinstance(top, dict):
        raise BadCheckpoint(f"the pickle holds a {type(top).__name__}; a checkpoint is a dict with 'model'")
    module = top.get("ema") or top.get("model")
    if not isinstance(module, Instance) or not isinstance(module.state, dict):
        raise BadCheckpoint(
            f"neither 'ema' nor 'model' is a pickled network (keys: {sorted(map(str, top))[:10]}); bare "
            f"state dicts lack the layout"
        )
    epoch = top.get("epoch")
    return Checkpoint(
        tensors=_tensors(module, archive),
        yaml=_yaml(module.state),
        names=_names(module.state),
        stride=_stride(module.state, archive),
        epoch=epoch if isinstance(epoch, int) else -1,
    )


def _tensors(module: Instance, archive: Archive) -> dict[str, NDArray[Any]]:
    reader = Tensors(archive)
    found = {name: reader.tensor(value, name) for name, value in _named_tensors(module)}
    if not found:
        raise BadCheckpoint("the network holds no tensor")
    return found


def _named_tensors(module: Instance) -> Iterator[tuple[str, Any]]:
    """Parameters and buffers under their dotted names, in the order of `Module.state_dict`."""
    pending: list[tuple[str, Any, int]] = [("", module, 0)]
    visits = 0
    while pending:
        prefix, current, depth = pending.pop()
        visits += 1
        if visits > MAX_MODULES or depth > MAX_DEPTH:
            raise HostileCheckpoint(f"more than {MAX_MODULES} modules or {MAX_DEPTH} levels, at {prefix!r}")
        if not isinstance(current, Instance) or not isinstance(current.state, dict):
            raise BadCheckpoint(f"{prefix or 'the network'} is not a pickled module")
        for group in ("_parameters", "_buffers"):
            values = _table(current.state, group, prefix)
            yield from ((prefix + name, value) for name, value in values.items() if value is not None)
        children = _table(current.state, "_modules", prefix)
        pending += [(f"{prefix}{n}.", c, depth + 1) for n, c in reversed(children.items()) if c is not None]


def _table(state: Mapping[Any, Any], group: str, prefix: str) -> dict[str, Any]:
    table = state.get(group, {})
    if not isinstance(table, dict) or not all(isinstance(name, str) for name in table):
        raise BadCheckpoint(f"{group} of {prefix or 'the network'} is no table of names")
    return table


def _yaml(state: Mapping[Any, Any]) -> dict[str, Any]:
    yaml = state.get("yaml")
    if not isinstance(yaml, dict):
        raise BadCheckpoint("the network has no `yaml` attribute; its layout cannot be known")
    plain: dict[str, Any] = _plain(yaml, [10_000], 8)
    return plain


def _plain(value: Any, budget: list[int], depth: int) -> Any:
    """A copy of nested plain values; shared parts count each time, so that no expansion can run away."""
    budget[0] -= 1
    if budget[0] < 0 or depth < 0:
        raise HostileCheckpoint("the `yaml` attribute is larger or deeper than any layout")
    if isinstance(value, dict):
        return {str(key): _plain(v, budget, depth - 1) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v, budget, depth - 1) for v in value]
    if value is not None and not isinstance(value, str | int | float):
        raise BadCheckpoint(f"the `yaml` attribute holds a {type(value).__name__}")
    return value


def _names(state: Mapping[Any, Any]) -> tuple[str, ...]:
    names = state.get("names")
    values = list(names.values()) if isinstance(names, dict) else names
    if not isinstance(values, list) or not values or not all(isinstance(n, str) for n in values):
        raise BadCheckpoint("the network has no `names` attribute with its classes")
    return tuple(n[:200] for n in values[:10_000])


def _stride(state: Mapping[Any, Any], archive: Archive) -> tuple[float, ...]:
    value = state.get("stride")
    if isinstance(value, list | tuple) and all(isinstance(s, int | float) for s in value):
        return tuple(map(float, value))
    stride = Tensors(archive).tensor(value, "stride")
    if stride.size > 8:
        raise BadCheckpoint(f"`stride` has {stride.size} numbers")
    return tuple(map(float, stride.ravel()))
