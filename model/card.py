"""`Card`: what must be known about weights to run and judge them; and the zoo, the weights that come along.

Weights are a pair of files side by side, NAME.safetensors and NAME.json (the card).
"""

from __future__ import annotations

import hashlib
import json
import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from model.card_conversion import check_conversion
from model.errors import BadWeights, UnknownModel
from model.layout import Layout, layout_from_yaml, named_layout
from model.rolling import lasting

ZOO = Path(__file__).parent / "zoo"
DEFAULT_MODEL = "ems-nano"
ROLLING = "-rolling"
"""What the name of weights ends with that are another's, trained to roll."""

Encoding = Literal["log1p", "counts", "binary", "painted", "frame"]
Mode = Literal["window", "rolling"]

ENCODING_CHANNELS: Mapping[str, tuple[int, int]] = types.MappingProxyType(
    {"log1p": (2, 2), "counts": (2, 2), "binary": (2, 2), "painted": (2, 3), "frame": (3, 3)}
)
"""Per encoding: channels of a step's counts, channels the network reads. `model.encodings` does the work."""
EVENT_ENCODINGS: tuple[Encoding, ...] = ("log1p", "counts", "binary", "painted")
"""Those that read counts of events; the others read pictures."""

MAX_CARD_BYTES = 1_000_000
MAX_SIDE = 4_096
MAX_STEPS = 64


@dataclass(frozen=True, slots=True)
class Card:
    """What must be known about weights.

    Attributes:
        name: name of the weights, which is their file name.
        layout: name of a known layout, or its full description as `layout_to_yaml` writes it.
        classes: name of each class, in the order of the head's outputs.
        in_channels: channels the network reads.
        step_us: time of one step, microseconds.
        steps: T, steps of a window.
        grid: (width, height) in cells, multiples of 32.
        encoding: how counts become the network's input: "log1p" is log(1 + count) / 1.6, "counts" is
            min(count, 4), "binary" min(count, 1); "painted" the published painting of event frames; "frame"
            takes RGB 0..255 in place of counts.
        threshold, iou: defaults for detections, 0..1.
        mode: "window" for weights trained on T steps from the zero state, "rolling" for a state that is kept;
            the readout of a rolling network forgets, by `readout_decay` of its layout or, where that is 1, by
            `model.rolling.rolling_decay` of T.
        conversion: of a converted ANN, how: see `model.card_conversion`; empty for trained weights.
        training: what it was trained on, the command, the seed, the time it took.
        metrics: what it was measured at, and on what.
        licence: of the weights.
        good_for, not_good_for: plain words.
    """

    name: str
    layout: str | dict[str, Any]
    classes: tuple[str, ...]
    in_channels: int
    step_us: int
    steps: int
    grid: tuple[int, int]
    encoding: Encoding
    threshold: float
    iou: float
    mode: Mode = "window"
    conversion: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    licence: str = ""
    good_for: str = ""
    not_good_for: str = ""

    def __post_init__(self) -> None:
        if not self.name or Path(self.name).name != self.name:
            raise BadWeights(f"card: name is {self.name!r}; give a plain file name")
        _require(self.encoding in ENCODING_CHANNELS, "encoding", self.encoding, list(ENCODING_CHANNELS))
        _require(self.mode in get_args(Mode), "mode", self.mode, get_args(Mode))
        wanted = ENCODING_CHANNELS[self.encoding][1]
        _require(self.in_channels == wanted, f"in_channels for {self.encoding}", self.in_channels, wanted)
        _require(all(_is_side(s) for s in self.grid), "grid", self.grid, f"multiples of 32, 32..{MAX_SIDE}")
        _require(1 <= self.steps <= MAX_STEPS, "steps", self.steps, f"1..{MAX_STEPS}")
        _require(1 <= self.step_us <= 10_000_000, "step_us", self.step_us, "1..10000000")
        _require(len(set(self.classes)) == len(self.classes) > 0, "classes", self.classes, "distinct names")
        _require(0 <= self.threshold <= 1, "threshold", self.threshold, "0..1")
        _require(0 <= self.iou <= 1, "iou", self.iou, "0..1")
        if self.conversion:
            _require(self.mode == "window", "mode of a converted network", self.mode, "window")
            check_conversion(self.conversion, self.steps, self.encoding)

    @property
    def count_channels(self) -> int:
        """Channels of the counts that an engine takes: 2, or 3 where it takes pictures."""
        return ENCODING_CHANNELS[self.encoding][0]

    @property
    def ticks(self) -> int:
        """Simulation steps in which a step is computed: 1, and more for a converted network."""
        return int(self.conversion["steps"]) // self.steps if self.conversion else 1

    def network_layout(self) -> Layout:
        """The layout the weights belong to.

        Raises:
            UnknownModel: the layout's name is not known.
            BadLayout: the description cannot be built.
            BadWeights: the description is for another number of classes or channels than the card states, or
                one of the two says that it was converted and the other does not.
        """
        if isinstance(self.layout, str):
            layout = named_layout(self.layout, classes=len(self.classes), in_channels=self.in_channels)
        else:
            layout = layout_from_yaml(self.layout)
        found, stated = (layout.classes, layout.in_channels), (len(self.classes), self.in_channels)
        if found != stated:
            raise BadWeights(
                f"card {self.name}: the layout has (classes, channels) {found}, the card {stated}"
            )
        if (layout.activation == "if") != bool(self.conversion):
            raise BadWeights(
                f"card {self.name}: the layout's activation is {layout.activation!r}, conversion is "
                f"{self.conversion or 'empty'}; 'if' and a conversion go together"
            )
        return lasting(layout, self.steps) if self.mode == "rolling" else layout

    def to_json(self) -> str:
        """The card as JSON text; `card_from_json` reads it back."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """Where weights and their card lie."""

    weights: Path
    card: Path

    def digest(self) -> str:
        """SHA-256 of the weights' bytes, 64 hex digits."""
        with self.weights.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def available(folder: str | Path | None = None) -> tuple[str, ...]:
    """Names of the weights that come along, and of those in a folder, the default first."""
    folders = (ZOO,) if folder is None else (ZOO, Path(folder))
    cards = (path for each in folders for path in each.glob("*.json"))
    names = {path.stem for path in cards if path.with_suffix(".safetensors").exists()}
    return tuple(sorted(names, key=lambda name: (name != DEFAULT_MODEL, name)))


def find(model: str | Path, folder: str | Path | None = None) -> ModelFiles:
    """The files of weights by zoo name, by name in a folder, or by the path of either file.

    Where the zoo and the folder have one name, the folder's are meant.

    Raises:
        UnknownModel: neither a name of the zoo nor a pair of files; lists the known names.
    """
    own = None if folder is None else Path(folder) / f"{model}.json"
    if own is not None and own.name == f"{model}.json" and own.is_file():
        path = own
    else:
        path = ZOO / str(model) if str(model) in available() else Path(model)
    base = path.parent / path.name.removesuffix(".json").removesuffix(".safetensors")
    files = ModelFiles(Path(f"{base}.safetensors"), Path(f"{base}.json"))
    if not (base.name and files.weights.is_file() and files.card.is_file()):
        raise UnknownModel(
            f"no model {str(model)!r}: known are {', '.join(available(folder)) or 'none'}; or give the path "
            f"of NAME.safetensors with NAME.json beside it"
        )
    return files


def load_card(model: str | Path) -> Card:
    """The card of a zoo name or of a path.

    Raises:
        UnknownModel: see `find`.
        BadWeights: the card is not JSON, or a field is missing, unknown, of a wrong type or out of range.
    """
    path = find(model).card
    if path.stat().st_size > MAX_CARD_BYTES:
        raise BadWeights(f"{path.name} is larger than {MAX_CARD_BYTES} bytes; this is no card")
    return card_from_json(path.read_bytes(), path.name)


def card_from_json(text: str | bytes, source: str = "card") -> Card:
    """The card that `Card.to_json` wrote.

    Raises:
        BadWeights: as `load_card`; `source` is named in the message.
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadWeights(f"{source} is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise BadWeights(f"{source} holds a JSON {type(values).__name__}, a card is an object")
    required = {f.name for f in fields(Card) if f.default is MISSING and f.default_factory is MISSING}
    unknown, missing = values.keys() - {f.name for f in fields(Card)}, required - values.keys()
    if unknown or missing:
        raise BadWeights(f"{source}: missing fields {sorted(missing)}, unknown fields {sorted(unknown)}")
    wrong = [name for name, value in values.items() if not _CHECKS[name](value)]
    if wrong:
        raise BadWeights(f"{source}: {wrong[0]} is {values[wrong[0]]!r}, which has the wrong type")
    values |= {"classes": tuple(values["classes"]), "grid": tuple(values["grid"])}
    return Card(**values)


def _require(good: bool, name: str, value: object, allowed: object) -> None:
    if not good:
        raise BadWeights(f"card: {name} is {value!r}; allowed: {allowed}")


def _is_side(side: int) -> bool:
    return 32 <= side <= MAX_SIDE and side % 32 == 0


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return _is_int(value) or (isinstance(value, float) and math.isfinite(value))


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


_CHECKS = {
    "name": _is_text,
    "layout": lambda v: _is_text(v) or _is_object(v),
    "classes": lambda v: isinstance(v, list) and all(map(_is_text, v)),
    "in_channels": _is_int,
    "step_us": _is_int,
    "steps": _is_int,
    "grid": lambda v: isinstance(v, list) and len(v) == 2 and all(map(_is_int, v)),
    "encoding": _is_text,
    "threshold": _is_number,
    "iou": _is_number,
    "mode": _is_text,
    "conversion": _is_object,
    "training": _is_object,
    "metrics": _is_object,
    "licence": _is_text,
    "good_for": _is_text,
    "not_good_for": _is_text,
}
