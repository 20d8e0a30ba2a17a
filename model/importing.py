"""Official checkpoints, once read, to our weights and card."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from model.card import Card, Encoding
from model.checkpoints import Checkpoint
from model.errors import BadCheckpoint, BadWeights
from model.layout import Layout, layout_from_yaml, layout_to_yaml
from model.networks import Network
from model.official import official_keys
from model.weights import assembled, save

COCO_CLASSES = 80
_NOT_OURS = ("num_batches_tracked", "anchors", "anchor_grid")


def write_imported(
    checkpoint: Checkpoint, folder: Path, name: str, steps: int, step_us: int, grid: tuple[int, int]
) -> Path:
    """Write weights and card of a checkpoint; see `checkpoints.import_checkpoint`."""
    layout = _layout(checkpoint)
    network = _network(layout, checkpoint)
    card = _card(checkpoint, layout, name, steps, step_us, grid)
    return save(folder, network, card).card


def _layout(checkpoint: Checkpoint) -> Layout:
    """The description inside, with the anchors that training may have fitted to its data."""
    layout = layout_from_yaml(checkpoint.yaml)
    if checkpoint.stride != layout.strides or len(checkpoint.names) != layout.classes:
        raise BadCheckpoint(
            f"the checkpoint has strides {checkpoint.stride} and {len(checkpoint.names)} names; its "
            f"description strides {layout.strides} and {layout.classes} classes"
        )
    fitted = checkpoint.tensors.get(f"model.{len(layout.rows) - 1}.anchors")
    stated = np.array(layout.anchors)
    if fitted is None or fitted.shape != stated.shape or not np.isfinite(fitted).all():
        return layout
    pixels = fitted.astype(np.float64) * np.array(layout.strides)[:, None, None]
    if np.allclose(pixels, stated, rtol=1e-3):
        return layout
    return replace(layout, anchors=tuple(tuple((w, h) for w, h in level) for level in pixels.tolist()))


def _network(layout: Layout, checkpoint: Checkpoint) -> Network:
    with torch.device("meta"):
        keys = official_keys(Network(layout))
    found = {k: v for k, v in checkpoint.tensors.items() if not k.endswith(_NOT_OURS)}
    wanted = {ours: key for ours, key in keys.items() if not key.endswith(_NOT_OURS)}
    missing, unexpected = (
        sorted(set(wanted.values()) - found.keys()),
        sorted(found.keys() - set(wanted.values())),
    )
    if missing or unexpected:
        raise BadCheckpoint(
            f"tensors do not fit the layout: missing {missing[:3]} ({len(missing)}), unexpected "
            f"{unexpected[:3]} ({len(unexpected)})"
        )
    tensors = {ours: torch.from_numpy(np.ascontiguousarray(found[key])) for ours, key in wanted.items()}
    try:
        return assembled(layout, tensors, "the checkpoint", _dtype(found))
    except BadWeights as error:
        raise BadCheckpoint(str(error)) from error


def _dtype(tensors: dict[str, NDArray[Any]]) -> torch.dtype:
    doubles = any(array.dtype == np.float64 for array in tensors.values())
    return torch.float64 if doubles else torch.float32


def _card(
    checkpoint: Checkpoint, layout: Layout, name: str, steps: int, step_us: int, grid: tuple[int, int]
) -> Card:
    encoding: Encoding = "frame" if layout.classes == COCO_CLASSES else "painted"
    return Card(
        name=name,
        layout=layout_to_yaml(layout),
        classes=checkpoint.names,
        in_channels=layout.in_channels,
        step_us=step_us,
        steps=steps,
        grid=grid,
        encoding=encoding,
        threshold=0.25,
        iou=0.45,
        training={"source": "imported from a checkpoint of the published code", "epoch": checkpoint.epoch},
        licence="that of the checkpoint",
        good_for="comparison with the published results",
        not_good_for="frames of another size or cadence than it was trained on",
    )
