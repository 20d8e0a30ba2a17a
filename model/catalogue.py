"""The eight named networks, written in the row format of the published descriptions.

A row is (from, repeat, class, arguments); `from` counts backwards when negative. The last seven rows are the
head. Facts: arXiv 2307.11411 and its public descriptions. `ems-res34` follows the scheme of `ems-res18` with
3, 4, 6 and 3 blocks a stage; `ems-nano` narrows `ems-res10` to a tenth of its parameters.
"""

from __future__ import annotations

RowTuple = tuple[int | tuple[int, ...], int, str, tuple[int | float | str, ...]]
Anchors = tuple[tuple[tuple[float, float], ...], ...]

_DETECT_ARGS = ("nc", "anchors")
_UPSAMPLE: RowTuple = (-1, 1, "Sample", ("None", 2, "nearest"))

PUBLISHED_ANCHORS: Anchors = (((10, 14), (23, 27), (37, 58)), ((81, 82), (135, 169), (216, 269)))
# A 256 x 192 grid: walking people are about 0.4 as wide as high, cars wider than high.
NANO_ANCHORS: Anchors = (((9, 22), (19, 46), (34, 24)), ((37, 92), (82, 56), (78, 150)))
# Without anchors: what a raw 0 stands for; a box may be four times as large, 576 px.
FREE_SIZES: Anchors = (((48, 48),), ((144, 144),))


def _ems(widths: tuple[int, ...], extra: tuple[int, ...], head: tuple[int, ...]) -> tuple[RowTuple, ...]:
    """Stem, then per stage one growing block and `extra` plain ones, then the two-level head."""
    rows: list[RowTuple] = [(-1, 1, "Conv_2", (widths[0], 3, 2))]
    skip = 0
    for stage, (width, more) in enumerate(zip(widths[1:], extra, strict=True)):
        rows.append((-1, 1, "ConcatBlock_ms", (width, 3, 2)))
        if more:
            rows.append((-1, more, "BasicBlock_ms", (width, 3, 1)))
        skip = len(rows) - 1 if stage == 2 else skip
    start = len(rows)
    return (
        *rows,
        (-1, 1, "BasicBlock_ms", (head[0], 3, 1)),
        (-1, 1, "ConcatBlock_ms", (head[1], 3, 1)),
        (-2, 1, "BasicBlock_ms", (head[2], 1, 1)),
        _UPSAMPLE,
        ((-1, skip), 1, "Concat", (2,)),
        (-1, 1, "BasicBlock_ms", (head[3], 3, 1)),
        ((start + 5, start + 1), 1, "Detect", _DETECT_ARGS),
    )


def _resnet(blocks: tuple[int, ...], grow: str, head: tuple[str, str, str]) -> tuple[RowTuple, ...]:
    """7x7 stem, four stages without bottleneck; `head` names its first, its P5 and its P4 block's class."""
    rows: list[RowTuple] = [(-1, 1, "Conv_1", (64, 7, 2))]
    skip = 0
    for stage, (width, count) in enumerate(zip((64, 128, 256, 512), blocks, strict=True)):
        rows.append((-1, 1, grow if stage else "BasicBlock_2", (width, 3, 2)))
        if count > 1:
            rows.append((-1, count - 1, "BasicBlock_2", (width, 3, 1)))
        skip = len(rows) - 1 if stage == 2 else skip
    start = len(rows)
    return (
        *rows,
        (-1, 1, head[0], (256, 3, 1)),
        (-1, 1, head[1], (512, 3, 1)),
        (-2, 1, "BasicBlock_2", (128, 1, 1)),
        _UPSAMPLE,
        ((-1, skip), 1, "Concat", (2,)),
        (-1, 1, head[2], (256, 3, 1)),
        ((start + 5, start + 1), 1, "Detect", _DETECT_ARGS),
    )


_EMS_WIDTHS, _EMS_HEAD = (32, 64, 128, 256, 512), (256, 512, 128, 256)
_SPIKING_HEAD = ("BasicBlock_1", "BasicBlock_2", "BasicBlock_2")
_SILU_HEAD = ("BasicBlock_2", "Conv", "Conv")

SPIKING_KIND = {"BasicBlock_ms": "BasicBlock_lcb"}
"""Rows with a real-valued shortcut, and their like with a spiking one (LIF, convolution, tdBN); ours."""

ROWS: dict[str, tuple[RowTuple, ...]] = {
    "ems-nano": _ems((16, 32, 48, 80, 160), (0, 0, 0, 0), (80, 144, 48, 80)),
    "ems-res10": _ems(_EMS_WIDTHS, (0, 0, 0, 0), _EMS_HEAD),
    "ems-res18": _ems(_EMS_WIDTHS, (1, 1, 1, 1), _EMS_HEAD),
    "ems-res34": _ems(_EMS_WIDTHS, (2, 3, 5, 2), _EMS_HEAD),
    "resnet10": _resnet((1, 1, 1, 1), "Concat_res2", _SPIKING_HEAD),
    "resnet18": _resnet((2, 2, 2, 2), "BasicBlock_2", _SILU_HEAD),
    "resnet34": _resnet((3, 4, 6, 3), "BasicBlock_2", _SPIKING_HEAD),
    "resnet34-cat": _resnet((3, 4, 6, 3), "Concat_res2", _SILU_HEAD),
}
