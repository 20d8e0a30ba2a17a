"""`Layout`: what a network is made of, as a value, and the published description it comes from.

Torch-free. The row format is that of the public EMS-YOLO descriptions (the `yaml` attribute of each published
checkpoint): backbone and head are lists of `[from, repeat, class, arguments]`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, get_args

from model.catalogue import (
    FREE_SIZES,
    NANO_ANCHORS,
    PUBLISHED_ANCHORS,
    ROWS,
    SPIKING_KIND,
    Anchors,
    RowTuple,
)
from model.errors import BadLayout, UnknownModel
from model.neuron_settings import NeuronSettings, require_in

Activation = Literal["lif", "relu", "if"]
Input = Literal["real", "events"]
Boxes = Literal["anchors", "free"]
Pooling = Literal["max", "average"]

LAYOUTS: tuple[str, ...] = tuple(ROWS)
STRIDES: tuple[int, int] = (16, 32)
MAX_ROWS, MAX_ARGS, MAX_NUMBER = 200, 8, 10_000


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
        anchors: per level (stride 16, then 32), (width, height) in px; where `boxes` is "free" one a level,
            which is a scale and not a shape to match.
        rows: backbone rows, then head rows.
        backbone_rows: how many of `rows` are the backbone.
        depth_multiple, width_multiple: scale repeats and channels the YOLOv5 way.
        neuron: what its neurons do.
        activation: "lif", "relu" for the conventional twin, or "if" for a twin that was converted
            (`model.convert`).
        input: "events" where the input counts events, each of which acts on the first layer as a spike does;
            "real" for any other.
        readout_decay: weight of a step in the head's mean relative to the next one's; 1 for the plain mean.
        boxes: "anchors" where a cell answers once for each anchor, "free" where it answers once. Both decode
            alike; they differ in which cells learn which box (`training.assign`, `training.assign_free`).
        pooling: of membrane currents in the shortcuts: "max" as published, or "average", which is linear: the
            one for a twin that will be converted.
    """

    name: str
    in_channels: int
    classes: int
    anchors: Anchors
    rows: tuple[Row, ...]
    backbone_rows: int
    depth_multiple: float = 1.0
    width_multiple: float = 1.0
    neuron: NeuronSettings = field(default_factory=NeuronSettings)
    activation: Activation = "lif"
    input: Input = "real"
    readout_decay: float = 1.0
    boxes: Boxes = "anchors"
    pooling: Pooling = "max"

    def __post_init__(self) -> None:
        if self.in_channels < 1 or self.classes < 1:
            raise BadLayout(
                f"a layout needs at least one input channel and one class, got "
                f"in_channels={self.in_channels} and classes={self.classes}"
            )
        if not isinstance(self.name, str):
            raise BadLayout(f"'name' must be a word, got {str(self.name)[:60]!r}")
        require_in("activation", self.activation, get_args(Activation))
        require_in("input", self.input, get_args(Input))
        require_in("boxes", self.boxes, get_args(Boxes))
        require_in("pooling", self.pooling, get_args(Pooling))
        if not 0 < self.readout_decay <= 1:
            raise BadLayout(f"readout_decay is {self.readout_decay}; give a number above 0, at most 1")
        if len(self.anchors) != len(STRIDES) or not all(self.anchors):
            raise BadLayout(
                f"a layout needs anchors for its {len(STRIDES)} levels, got {len(self.anchors)} levels"
            )
        if self.boxes == "free" and any(len(level) != 1 for level in self.anchors):
            raise BadLayout(
                "boxes 'free' takes one (width, height) a level, got "
                f"{[len(level) for level in self.anchors]}; leave the anchors out for the usual scale"
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


def layout_from_yaml(yaml: Mapping[str, Any]) -> Layout:
    """The layout of a published description.

    `nc`, `ch` (3 if absent), `anchors`, `backbone`, `head` and both multiples are read; other keys are not
    needed to build a network. Names are known by the rows. Our own fields (`name`, `activation`, `input`,
    `readout_decay`, `boxes`, `pooling`, those of `NeuronSettings`), which no published description has, are
    read back.

    Raises:
        BadLayout: a key is missing or does not hold what it should.
    """
    backbone, head = _rows_from_yaml(yaml, "backbone"), _rows_from_yaml(yaml, "head")
    return Layout(
        name=yaml.get("name", _known_name(backbone + head)),
        in_channels=_whole(yaml, "ch", 3),
        classes=_whole(yaml, "nc"),
        anchors=_anchors_from_yaml(yaml.get("anchors")),
        rows=backbone + head,
        backbone_rows=len(backbone),
        depth_multiple=float(_number(yaml, "depth_multiple", 1.0)),
        width_multiple=float(_number(yaml, "width_multiple", 1.0)),
        neuron=_neuron_from_yaml(yaml),
        activation=yaml.get("activation", "lif"),
        input=yaml.get("input", "real"),
        readout_decay=float(_number(yaml, "readout_decay", 1.0)),
        boxes=yaml.get("boxes", "anchors"),
        pooling=yaml.get("pooling", "max"),
    )


def layout_to_yaml(layout: Layout) -> dict[str, Any]:
    """The published description of a layout, which `layout_from_yaml` undoes; own fields only if needed."""
    rows = [_row_to_list(row) for row in layout.rows]
    anchors = [[_plain(side) for pair in level for side in pair] for level in layout.anchors]
    yaml: dict[str, Any] = {
        "nc": layout.classes,
        "depth_multiple": layout.depth_multiple,
        "width_multiple": layout.width_multiple,
        "anchors": anchors,
        "backbone": rows[: layout.backbone_rows],
        "head": rows[layout.backbone_rows :],
        "ch": layout.in_channels,
    }
    defaults = {
        "name": _known_name(layout.rows),
        "activation": "lif",
        "input": "real",
        "readout_decay": 1.0,
        "boxes": "anchors",
        "pooling": "max",
    }
    own = {key: getattr(layout, key) for key in defaults} | asdict(layout.neuron)
    defaults |= asdict(NeuronSettings())
    return yaml | {key: value for key, value in own.items() if value != defaults[key]}


def ann_twin(layout: Layout) -> Layout:
    """The same layout with ReLU in place of the spiking neurons; it runs on windows of one step (T = 1)."""
    return replace(layout, activation="relu")


def anchor_free(layout: Layout) -> Layout:
    """The same layout with one answer a cell, of any shape, in place of one for each anchor."""
    return replace(layout, boxes="free", anchors=FREE_SIZES)


def spiking_shortcuts(layout: Layout) -> Layout:
    """The same layout with spikes, not real-valued currents, through the 1x1 shortcuts of its bottlenecks."""
    rows = tuple(replace(row, kind=SPIKING_KIND.get(row.kind, row.kind)) for row in layout.rows)
    return replace(layout, rows=rows)


def _neuron_from_yaml(yaml: Mapping[str, Any]) -> NeuronSettings:
    published = NeuronSettings()
    return NeuronSettings(
        leak=float(_number(yaml, "leak", published.leak)),
        threshold=float(_number(yaml, "threshold", published.threshold)),
        levels=_whole(yaml, "levels", published.levels),
        **{name: yaml.get(name, getattr(published, name)) for name in ("reset", "surrogate", "learned")},
    )


def _row_from_tuple(row: RowTuple) -> Row:
    source, repeat, kind, args = row
    return Row(source if isinstance(source, tuple) else (source,), repeat, kind, args)


def _row_to_list(row: Row) -> list[Any]:
    source = row.source[0] if len(row.source) == 1 else list(row.source)
    return [source, row.repeat, row.kind, list(row.args)]


def _backbone_rows(rows: tuple[Row, ...]) -> int:
    """The head of every named network starts seven rows before its end."""
    return len(rows) - 7


def _known_name(rows: tuple[Row, ...]) -> str:
    return _NAMES.get(rows, "custom")


def _rows_from_yaml(yaml: Mapping[str, Any], key: str) -> tuple[Row, ...]:
    rows = yaml.get(key)
    if not isinstance(rows, list | tuple) or len(rows) > MAX_ROWS:
        raise BadLayout(f"{key!r} must be a list of at most {MAX_ROWS} rows, got {str(rows)[:80]!r}")
    return tuple(_row_from_list(row) for row in rows)


def _row_from_list(row: Any) -> Row:
    match row:
        case [int() as source, int() as repeat, str() as kind, [*args]]:
            return Row((source,), repeat, kind, _checked_args(args))
        case [[*sources], int() as repeat, str() as kind, [*args]] if all(
            isinstance(s, int) for s in sources
        ):
            return Row(tuple(sources), repeat, kind, _checked_args(args))
    raise BadLayout(f"a row is [from, repeat, class, [arguments]], got {str(row)[:80]!r}")


def _checked_args(args: Sequence[Any]) -> tuple[int | float | str, ...]:
    if len(args) > MAX_ARGS or not all(isinstance(a, int | float | str) for a in args):
        raise BadLayout(f"a row has at most {MAX_ARGS} numbers or words as arguments, got {str(args)[:80]!r}")
    return tuple(args)


def _number(yaml: Mapping[str, Any], key: str, default: float | None = None) -> float:
    value = yaml.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < MAX_NUMBER:
        raise BadLayout(f"{key!r} must be a number above 0 and below {MAX_NUMBER}, got {str(value)[:80]!r}")
    return value


def _whole(yaml: Mapping[str, Any], key: str, default: int | None = None) -> int:
    value = _number(yaml, key, default)
    if value != int(value):
        raise BadLayout(f"{key!r} must be a whole number, got {value}")
    return int(value)


def _anchors_from_yaml(anchors: Any) -> Anchors:
    """Flat lists (w, h, w, h, ...) a level to pairs."""
    levels = anchors if isinstance(anchors, list | tuple) else ()
    flat = [level for level in levels if isinstance(level, list | tuple) and len(level) % 2 == 0]
    if not levels or len(flat) != len(levels) or not all(_is_side(side) for level in flat for side in level):
        raise BadLayout(
            f"'anchors' must be one list of widths and heights in px a level, got {str(anchors)[:80]!r}"
        )
    return tuple(tuple(zip(level[::2], level[1::2], strict=True)) for level in flat)


def _is_side(side: Any) -> bool:
    return isinstance(side, int | float) and not isinstance(side, bool) and 0 < side < MAX_NUMBER


def _plain(side: float) -> float:
    """Whole numbers as integers, as the published descriptions write them."""
    return int(side) if float(side).is_integer() else side


_NAMES = {tuple(_row_from_tuple(row) for row in rows): name for name, rows in ROWS.items()}
