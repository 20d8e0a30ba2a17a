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
    "BasicBlock_lcb",
    "ConcatBlock_ms",
    "Concat_res2",
)
KINDS = (*BLOCK_KINDS, "Sample", "Concat", "Detect")
INPUT = -1
# The published descriptions count axes as (T, N, C, H, W).
CHANNEL_AXIS = 2
MAX_CHANNELS, MAX_REPEAT = 8192, 100


@dataclass(frozen=True, slots=True)
class Node:
    """One row ready to build.

    Attributes:
        kind: block class name.
        sources: absolute row numbers, `INPUT` for the network's input.
        in_channels: channels of each source.
        out_channels: channels it hands on (0 for Detect).
        repeat: how many follow each other.
        reduction: input px per cell of its output.
        kernel, stride: of a block; 1 elsewhere.
    """

    kind: str
    sources: tuple[int, ...]
    in_channels: tuple[int, ...]
    out_channels: int
    reduction: int
    repeat: int = 1
    kernel: int = 1
    stride: int = 1


def plan(layout: Layout) -> tuple[Node, ...]:
    """Resolve a layout.

    Raises:
        BadLayout: a row names an unknown class, reads a row that is not before it or has wrong arguments, or
            the last row is not the only Detect, reading strides 16 and 32.
    """
    nodes: list[Node] = []
    for index, row in enumerate(layout.rows):
        nodes.append(_node(layout, index, row, nodes))
    _check_detect(layout, nodes)
    return tuple(nodes)


def _node(layout: Layout, index: int, row: Row, nodes: list[Node]) -> Node:
    if row.kind not in KINDS:
        raise BadLayout(f"row {index} is a {row.kind!r}; known are {', '.join(KINDS)}")
    sources = tuple(_absolute(index, source) for source in row.source)
    channels = tuple(layout.in_channels if s == INPUT else nodes[s].out_channels for s in sources)
    reductions = tuple(1 if s == INPUT else nodes[s].reduction for s in sources)
    if row.kind == "Detect":
        return Node(row.kind, sources, channels, 0, 0)
    if row.kind == "Concat":
        return _concat(index, row, sources, channels, reductions)
    if len(sources) != 1:
        raise BadLayout(f"row {index}, a {row.kind}, reads {len(sources)} rows; it takes one")
    if row.kind == "Sample":
        return _sample(index, row, sources, channels, reductions[0])
    return _block(layout, index, row, sources, channels, reductions[0])


def _absolute(index: int, source: int) -> int:
    absolute = index + source if source < 0 else source
    if not (0 <= absolute < index or absolute == INPUT == index - 1):
        raise BadLayout(f"row {index} reads from {source}, which is not a row before it")
    return absolute


def _concat(
    index: int, row: Row, sources: tuple[int, ...], channels: tuple[int, ...], reductions: tuple[int, ...]
) -> Node:
    if row.args != (CHANNEL_AXIS,) or len(set(reductions)) != 1:
        raise BadLayout(
            f"row {index} joins maps of {reductions} px a cell along axes {row.args}; "
            f"it joins maps of one size along ({CHANNEL_AXIS},)"
        )
    return Node(row.kind, sources, channels, sum(channels), reductions[0])


def _sample(
    index: int, row: Row, sources: tuple[int, ...], channels: tuple[int, ...], reduction: int
) -> Node:
    if row.args != ("None", 2, "nearest") or reduction % 2:
        raise BadLayout(
            f"row {index} samples a map of {reduction} px a cell with {row.args}; "
            "known is ('None', 2, 'nearest') on an even number"
        )
    return Node(row.kind, sources, channels, channels[0], reduction // 2)


def _block(
    layout: Layout, index: int, row: Row, sources: tuple[int, ...], channels: tuple[int, ...], reduction: int
) -> Node:
    if len(row.args) != 3 or not all(isinstance(a, int) and 0 < a <= MAX_CHANNELS for a in row.args):
        raise BadLayout(
            f"row {index}, a {row.kind}, has arguments {row.args}; it takes width, kernel, stride"
        )
    width, kernel, stride = (int(a) for a in row.args)
    if kernel not in (1, 3, 5, 7) or stride not in (1, 2) or not 1 <= row.repeat <= MAX_REPEAT:
        raise BadLayout(
            f"row {index}, a {row.kind}, has kernel {kernel}, stride {stride}, repeat {row.repeat}; "
            f"allowed are odd kernels to 7, strides 1 and 2, and up to {MAX_REPEAT} repeats"
        )
    c_out, repeat = _scaled(layout, width), _repeats(layout, row.repeat)
    if row.kind.startswith("Concat") and (c_out <= channels[0] or repeat != 1):
        raise BadLayout(f"row {index}, a {row.kind}, must grow its {channels[0]} channels once, got {c_out}")
    return Node(row.kind, sources, channels, c_out, reduction * stride**repeat, repeat, kernel, stride)


def _scaled(layout: Layout, width: int) -> int:
    """Channels by `width_multiple`, rounded up to a multiple of 8 (YOLOv5); untouched where it is 1."""
    if layout.width_multiple == 1.0:
        return width
    return math.ceil(width * layout.width_multiple / 8) * 8


def _repeats(layout: Layout, repeat: int) -> int:
    return max(round(repeat * layout.depth_multiple), 1) if repeat > 1 else repeat


def _check_detect(layout: Layout, nodes: list[Node]) -> None:
    if [index for index, node in enumerate(nodes) if node.kind == "Detect"] != [len(nodes) - 1]:
        raise BadLayout("a layout ends in its only Detect row, this one does not")
    found = tuple(nodes[source].reduction for source in nodes[-1].sources)
    if found != layout.strides:
        raise BadLayout(f"Detect reads maps of {found} px a cell; it takes {layout.strides}")
