"""Builds checkpoints in the published format: full modules whose classes carry the published names.

The classes are stand-ins that hold parameters and compute nothing. They are registered under the published
module names while torch.save runs and are gone afterwards, as on a machine without that code.
"""

from __future__ import annotations

import sys
import types
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

CLASSES = {
    "models.yolo": ("Model", "Detect"),
    "models.common": (
        "Conv_2",
        "ConcatBlock_ms",
        "BasicBlock_ms",
        "Concat",
        "Sample",
        "mem_update",
        "batch_norm_2d",
        "batch_norm_2d1",
    ),
}


@contextmanager
def official_classes() -> Iterator[dict[str, type[nn.Module]]]:
    """The stand-in classes by name, importable as the published ones inside the block."""
    made: dict[str, type[nn.Module]] = {}
    names = ("models", *CLASSES)
    for module in names:
        sys.modules[module] = types.ModuleType(module)
    for module, kinds in CLASSES.items():
        for kind in kinds:
            made[kind] = type(kind, (nn.Module,), {"__module__": module})
            setattr(sys.modules[module], kind, made[kind])
    try:
        yield made
    finally:
        for module in names:
            del sys.modules[module]


class Builder:
    """The module tree of res10-ee, as the published code arranges it."""

    def __init__(self, kinds: dict[str, type[nn.Module]], classes: int) -> None:
        self.kinds, self.outputs = kinds, 5 + classes

    def model(self, yaml: dict[str, Any], names: list[str], anchors: list[list[float]]) -> nn.Module:
        concat, member = self.concat_block, self.member_block
        rows = [
            self.holder("Conv_2", conv=self.conv(3, 32, 3, 2), bn=self.norm(32)),
            concat(32, 64, 2),
            concat(64, 128, 2),
            concat(128, 256, 2),
            concat(256, 512, 2),
            member(512, 256, 3),
            concat(256, 512, 1),
            member(256, 128, 1),
            self.holder("Sample"),
            self.holder("Concat"),
            member(384, 256, 3),
            self.detect(anchors),
        ]
        model = self.holder("Model", model=nn.Sequential(*rows))
        model.yaml, model.names = yaml, names
        model.stride = torch.tensor([16.0, 32.0])
        return model

    def holder(self, kind: str, **children: nn.Module) -> Any:
        made = self.kinds[kind]()
        for name, child in children.items():
            made.add_module(name, child)
        return made

    def conv(self, c_in: int, c_out: int, kernel: int, stride: int = 1) -> nn.Conv2d:
        return nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, bias=False)

    def norm(self, channels: int, kind: str = "batch_norm_2d") -> nn.Module:
        made: nn.Module = self.holder(kind, bn=nn.BatchNorm3d(channels))
        return made

    def residual(self, c_in: int, c_out: int, kernel: int, stride: int) -> nn.Sequential:
        middle = c_out // 2
        return nn.Sequential(
            self.holder("mem_update"),
            self.conv(c_in, middle, kernel, stride),
            self.norm(middle),
            self.holder("mem_update"),
            self.conv(middle, c_out, kernel),
            self.norm(c_out, "batch_norm_2d1"),
        )

    def concat_block(self, c_in: int, c_out: int, stride: int) -> Any:
        grown = c_out - c_in
        shortcut = nn.Sequential(self.holder("mem_update"), self.conv(c_in, grown, 1), self.norm(grown))
        residual = self.residual(c_in, c_out, 3, stride)
        return self.holder("ConcatBlock_ms", residual_function=residual, shortcut=shortcut)

    def member_block(self, c_in: int, c_out: int, kernel: int) -> Any:
        shortcut = nn.Sequential(nn.MaxPool3d(1), self.conv(c_in, c_out, 1), self.norm(c_out))
        residual = self.residual(c_in, c_out, kernel, 1)
        return self.holder("BasicBlock_ms", residual_function=residual, shortcut=shortcut)

    def detect(self, anchors: list[list[float]]) -> Any:
        heads = nn.ModuleList(nn.Conv2d(c, 3 * self.outputs, 1) for c in (256, 512))
        made = self.holder("Detect", m=heads)
        grid = (
            torch.tensor(anchors, dtype=torch.float32).view(2, 3, 2)
            / torch.tensor([16.0, 32.0])[:, None, None]
        )
        made.register_buffer("anchors", grid)
        made.stride = torch.tensor([16.0, 32.0])
        return made


def golden_weights(model: nn.Module) -> None:
    """Fill a float64 model by the rule of the reference outputs."""
    for key, tensor in model.state_dict().items():
        rng = np.random.default_rng(zlib.crc32(key.encode()))
        value = _golden(key, tuple(tensor.shape), rng)
        if value is not None:
            tensor.copy_(torch.from_numpy(value))


def _golden(key: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray | None:
    if key.endswith(("running_mean", "bias")):
        return 0.1 * rng.standard_normal(shape)
    if key.endswith("running_var"):
        return 0.5 + rng.random(shape)
    if key.endswith("weight") and ".bn." in key:
        return 0.5 + 0.5 * rng.random(shape)
    if key.endswith("weight"):
        return rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))
    return None


def write_checkpoint(
    path: Path,
    yaml: dict[str, Any],
    *,
    ema: bool = False,
    half: bool = False,
    anchors: list[list[float]] | None = None,
    classes: int | None = None,
    poison: str = "",
) -> dict[str, np.ndarray]:
    """Write a checkpoint of res10-ee with the reference weights; gives its state dict as numpy.

    Args:
        path: of the file.
        yaml: the description that goes in.
        ema: put the weights into `ema` and others into `model`, as while training.
        half: store them as FP16, as released files do.
        anchors: of the network; those of the description unless given.
        classes: of the network; those of the description unless given.
        poison: key of a tensor that gets a NaN.
    """
    count, stated = classes or yaml["nc"], anchors or yaml["anchors"]
    with official_classes() as kinds:
        model = Builder(kinds, count).model(yaml, ["car", "pedestrian"], stated).double()
        golden_weights(model)
        if poison:
            model.state_dict()[poison].view(-1)[0] = float("nan")
        if half:
            model.half()
        old = Builder(kinds, count).model(yaml, ["old", "older"], stated) if ema else None
        content = {"epoch": 7 if ema else -1, "best_fitness": 0.5, "model": old or model, "updates": None}
        content |= {"ema": model if ema else None, "optimizer": None, "wandb_id": None}
        torch.save(content, path)
        return {name: t.numpy().copy() for name, t in model.state_dict().items()}


class Calls:
    """Pickles as a call of `function` with `args`."""

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        self.call = function, args

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


def write_archive(
    path: Path, pickled: bytes, storages: dict[str, bytes] | None = None, **extra: bytes
) -> Path:
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("net/data.pkl", pickled)
        for key, data in (storages or {}).items():
            made.writestr(f"net/data/{key}", data)
        for name, data in extra.items():
            made.writestr(name, data)
    return path
