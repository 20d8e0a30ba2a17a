"""`Layout`: what a network is made of, as a value, and the published description it comes from.

Torch-free. The row format is that of the public EMS-YOLO descriptions (the `yaml` attribute of each published
checkpoint): backbone and head are lists of `[from, repeat, class, arguments]`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from model.catalogue import NANO_ANCHORS, PUBLISHED_ANCHORS, ROWS, Anchors, RowTuple
from model.errors import BadLayout, UnknownModel

Activation = Literal["lif", "relu"]

LAYOUTS: tuple[str, ...] = tuple(ROWS)
STRIDES: tuple[int, int] = (16, 32)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a description.

    Attributes:
        source: rows it reads; -1 is the row before, a number >= 0 is that row.
        repeat: how many of the block follow each other.
        kind: the block's class name in the published descriptions.
        args: its arguments: output channels, kernel and stride for blocks.
    """

    source: tuple[int, ...]
    repeat: int
    kind: str
    args: tuple[int | float | str, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """A network as a value.

    Attributes:
        name: its name; "custom" where the rows are none of the named ones.
        in_channels: channels of the input (2: OFF and ON events).
        classes: number of classes.
        anchors: per level (stride 16, then 32), (width, height) in px.
        rows: backbone rows, then head rows.
        backbone_rows: how many of `rows` are the backbone.
        depth_multiple, width_multiple: scale repeats and channels the YOLOv5 way.
        leak: share of the membrane that one step keeps.
        threshold: a neuron fires when its membrane is above this.
        activation: "lif", or "relu" for the conventional twin.
    """

    name: str
    in_channels: int
    classes: int
    anchors: Anchors
    rows: tuple[Row, ...]
    backbone_rows: int
    depth_multiple: float = 1.0
    width_multiple: float = 1.0
    leak: float = 0.25
    threshold: float = 0.5
    activation: Activation = "lif"

    def __post_init__(self) -> None:
        if self.in_channels < 1 or self.classes < 1:
            raise BadLayout(
                f"a layout needs at least one input channel and one class, got "
                f"in_channels={self.in_channels} and classes={self.classes}"
            )
        if len(self.anchors) != len(STRIDES) or not all(self.anchors):
            raise BadLayout(
                f"a layout needs anchors for its {len(STRIDES)} levels, got {len(self.anchors)} levels"
            )

    @property
    def strides(self) -> tuple[int, ...]:
        """Pixels per cell of each level."""
        return STRIDES


def named_layout(name: str, *, classes: int, in_channels: int = 2) -> Layout:
    """One of `LAYOUTS` for so many classes and input channels.

    Raises:
        UnknownModel: no layout has this name.
        BadLayout: `classes` or `in_channels` is below 1.
    """
    if name not in ROWS:
        raise UnknownModel(f"no layout is named {name!r}; the known ones are {', '.join(LAYOUTS)}")
    rows = tuple(_row_from_tuple(row) for row in ROWS[name])
    anchors = NANO_ANCHORS if name == "ems-nano" else PUBLISHED_ANCHORS
    return Layout(name, in_channels, classes, anchors, rows, backbone_rows=_backbone_rows(rows))


def ann_twin(layout: Layout) -> Layout:
    """The same layout with ReLU in place of the spiking neurons; it runs on windows of one step (T = 1)."""
    return replace(layout, activation="relu")


def _row_from_tuple(row: RowTuple) -> Row:
    source, repeat, kind, args = row
    return Row(source if isinstance(source, tuple) else (source,), repeat, kind, args)


def _backbone_rows(rows: tuple[Row, ...]) -> int:
    """The head of every named network starts seven rows before its end."""
    return len(rows) - 7
