"""`plan`: a layout's rows with everything relative or scaled worked out: sources, channels, repeats."""

from __future__ import annotations

import math
from dataclasses import dataclass

from model.errors import BadLayout
from model.layout import Layout, Row

BLOCK_KINDS = (
    "Conv",
    "Conv_1",
    "Conv_2",
    "BasicBlock_1",
    "BasicBlock_2",
    "BasicBlock_ms",
    "ConcatBlock_ms",
    "Concat_res2",
)
KINDS = (*BLOCK_KINDS, "Sample", "Concat", "Detect")
INPUT = -1


@dataclass(frozen=True, slots=True)
class Node:
    """One row ready to build.

    Attributes:
        kind: block class name.
        sources: absolute row numbers, `INPUT` for the network's input.
        in_channels: channels of each source.
        out_channels: channels it hands on (0 for Detect).
        repeat: how many follow each other.
        kernel, stride: of a block; 1 elsewhere.
    """

    kind: str
    sources: tuple[int, ...]
    in_channels: tuple[int, ...]
    out_channels: int
    repeat: int = 1
    kernel: int = 1
    stride: int = 1


def plan(layout: Layout) -> tuple[Node, ...]:
    """Resolve a layout.

    Raises:
        BadLayout: a row names an unknown class, reads a row that is not before it or has wrong arguments, or
            the last row is not the only Detect.
    """
    nodes: list[Node] = []
    for index, row in enumerate(layout.rows):
        sources = tuple(_absolute(index, source) for source in row.source)
        channels = tuple(layout.in_channels if s == INPUT else nodes[s].out_channels for s in sources)
        nodes.append(_node(layout, index, row, sources, channels))
    _check_detect(layout, nodes)
    return tuple(nodes)


def _absolute(index: int, source: int) -> int:
    absolute = index + source if source < 0 else source
    if not (0 <= absolute < index or absolute == INPUT == index - 1):
        raise BadLayout(f"row {index} reads from {source}, which is not a row before it")
    return absolute


def _node(layout: Layout, index: int, row: Row, sources: tuple[int, ...], channels: tuple[int, ...]) -> Node:
    if row.kind not in KINDS:
        raise BadLayout(f"row {index} is a {row.kind!r}; known are {', '.join(KINDS)}")
    if row.kind == "Detect":
        return Node(row.kind, sources, channels, 0)
    if row.kind == "Concat":
        return Node(row.kind, sources, channels, sum(channels))
    if len(sources) != 1:
        raise BadLayout(f"row {index}, a {row.kind}, reads {len(sources)} rows; it takes one")
    if row.kind == "Sample":
        if row.args != ("None", 2, "nearest"):
            raise BadLayout(f"row {index} samples with {row.args}; only nearest by 2 is known")
        return Node(row.kind, sources, channels, channels[0])
    return _block(layout, index, row, sources, channels)


def _block(layout: Layout, index: int, row: Row, sources: tuple[int, ...], channels: tuple[int, ...]) -> Node:
    if len(row.args) != 3 or not all(isinstance(a, int) and a > 0 for a in row.args):
        raise BadLayout(
            f"row {index}, a {row.kind}, has arguments {row.args}; it takes channels, kernel, stride"
        )
    width, kernel, stride = (int(a) for a in row.args)
    if row.kind.startswith("Concat") and width * layout.width_multiple <= channels[0]:
        raise BadLayout(f"row {index}, a {row.kind}, must grow its {channels[0]} channels, got {width}")
    return Node(
        row.kind, sources, channels, _scaled(layout, width), _repeats(layout, row.repeat), kernel, stride
    )


def _scaled(layout: Layout, width: int) -> int:
    """Channels by `width_multiple`, rounded up to a multiple of 8 (YOLOv5); untouched where it is 1."""
    if layout.width_multiple == 1.0:
        return width
    return math.ceil(width * layout.width_multiple / 8) * 8


def _repeats(layout: Layout, repeat: int) -> int:
    return max(round(repeat * layout.depth_multiple), 1) if repeat > 1 else repeat


def _check_detect(layout: Layout, nodes: list[Node]) -> None:
    detects = [index for index, node in enumerate(nodes) if node.kind == "Detect"]
    if detects != [len(nodes) - 1] or len(nodes[-1].sources) != len(layout.strides):
        raise BadLayout(
            f"a layout ends in one Detect that reads {len(layout.strides)} rows, got Detect at rows {detects}"
        )
