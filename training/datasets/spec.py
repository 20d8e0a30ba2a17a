"""`data_from_spec`: training data by a line of text.

::

    sim:street
    gen1:/data/gen1
    1mpx:/data/1mpx?classes=3&min_side=20
    sim:street*0.5+pedro:/data/pedro*0.5

A source is NAME:PLACE, then options, then `*` and its weight in a mixture; `+` joins sources.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from model.card import Encoding
from training.data import TrainingData
from training.datasets import Cut, DataSet, Split
from training.datasets.cache import OnPrepare
from training.datasets.cached import RecordedData
from training.datasets.mixture import Mixture, Share
from training.datasets.scenes import SceneSettings
from training.datasets.simulated import SimulatedData
from training.errors import BadDataset

if TYPE_CHECKING:
    from training.settings import TrainSettings

SCENES = ("street",)


@dataclass(frozen=True, slots=True)
class Source:
    """One kind of source.

    Attributes:
        form: how it is written, for messages.
        where: the class of the data set, imported when it is asked for; its first argument is the folder.
        options: how the text of each option becomes the class's argument.
        encoding: the one that reads its pictures; the class is then training data itself. None for events.
    """

    form: str
    where: str
    options: Mapping[str, Callable[[str], Any]]
    encoding: Encoding | None = None


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(","))


RULES: Mapping[str, tuple[str, Callable[[str], float | int]]] = {
    "min_side": ("min_side_px", float),
    "min_diagonal": ("min_diagonal_px", float),
    "skip_ms": ("skip_us", lambda text: round(1000 * float(text))),
}
"""Options that every recorded data set has: field of its `BoxRule`, and how to read it."""

SOURCES: Mapping[str, Source] = {
    "gen1": Source("gen1:FOLDER", "training.datasets.gen1:Gen1", {}),
    "1mpx": Source("1mpx:FOLDER?classes=7 or 3", "training.datasets.megapixel:Megapixel", {"classes": int}),
    "dsec": Source("dsec:FOLDER?classes=8 or 2", "training.datasets.dsec:Dsec", {"classes": int}),
    "pedro": Source("pedro:FOLDER", "training.datasets.pedro:Pedro", {}),
    "folder": Source("folder:FOLDER", "training.datasets.folder:RecordingFolder", {}),
    "coco": Source(
        "coco:FOLDER?classes=person,car",
        "training.datasets.coco_frames:CocoFrames",
        {"classes": _names},
        encoding="frame",
    ),
}
"""What can be named beside `sim:street`."""


def data_from_spec(
    text: str,
    settings: TrainSettings,
    on_progress: OnPrepare | None = None,
    *,
    split: Split | None = None,
) -> TrainingData:
    """The training data that `text` means.

    Args:
        text: as at the top of this file.
        settings: of the run: steps, seed, threads and folders; caches lie beside its folder.
        on_progress: told how far recordings are read.
        split: what `held_out` gives; val, or test where there is none, by default.

    Raises:
        BadDataset: `text` means nothing, or what it names is no such data set.
    """
    shares = [_share(part, settings, on_progress, split) for part in _split(text)]
    if len(shares) == 1:
        return shares[0].data
    return Mixture(shares)


def encoding_of(text: str) -> Encoding | None:
    """The one encoding that reads what `text` names, None where that holds events."""
    named = [SOURCES[name] for name in (part.partition(":")[0] for part in _split(text)) if name in SOURCES]
    return next((source.encoding for source in named if source.encoding is not None), None)


def is_simulated(text: str) -> bool:
    """Whether all that `text` names is simulated."""
    return all(part.startswith("sim:") for part in _split(text))


def simulated(settings: TrainSettings) -> SimulatedData:
    """The simulated windows that fit the settings."""
    return SimulatedData(
        folder=settings.out / "pool",
        cache=settings.out.parent / "held-out",
        run=settings.seed,
        generators=settings.generators,
        scenes=SceneSettings(step_us=settings.step_us, steps=settings.seen_steps),
    )


def _split(text: str) -> list[str]:
    """The sources of a mixture; a `+` within a path joins none, as no NAME: follows it."""
    return re.split(r"\+(?=\w*:)", text)


def _share(text: str, settings: TrainSettings, on_progress: OnPrepare | None, split: Split | None) -> Share:
    source, star, weight = text.rpartition("*")
    if not star or not re.fullmatch(r"\d+(\.\d*)?|\.\d+", weight):
        source, weight = text, "1"
    name, colon, place = source.partition(":")
    if not colon or not place or name not in ("sim", *SOURCES):
        raise _unknown(text, name)
    return Share(_data(name, place, settings, on_progress, split), float(weight), name)


def _data(
    name: str, place: str, settings: TrainSettings, on_progress: OnPrepare | None, split: Split | None
) -> TrainingData:
    if name == "sim":
        if place not in SCENES:
            known = ", ".join(f"sim:{scene}" for scene in SCENES)
            raise BadDataset(f"found the scene {place!r}; simulated are {known}")
        return simulated(settings)
    folder, _, query = place.partition("?")
    root = Path(folder).expanduser().resolve()
    if not root.is_dir():
        raise BadDataset(f"{name}:{folder}: found no folder {root}; give the one that holds the data set")
    source = SOURCES[name]
    options, rules = _options(name, source, query)
    make = resolve_name(source.where)
    if source.encoding is not None:
        if split == "test":
            raise BadDataset(f"{name} has labels for train and val alone; take the split val")
        data: TrainingData = make(root, steps=settings.seen_steps, seed=settings.seed, **options)
        return data
    data_set = make(root, **options)
    if rules:
        data_set = make(root, rule=replace(data_set.rule, **rules), **options)
    return _recorded(name, root, data_set, settings, on_progress, split)


def _recorded(
    name: str,
    root: Path,
    data_set: DataSet,
    settings: TrainSettings,
    on_progress: OnPrepare | None,
    split: Split | None,
) -> RecordedData:
    """The data set cut to the settings' windows, cached beside the run's folder for all runs there."""
    place = hashlib.sha256(str(root).encode()).hexdigest()[:8]
    return RecordedData(
        data_set,
        Cut(settings.seen_steps, settings.step_us, data_set.rule),
        settings.out.parent / "cache" / f"{name}-{place}",
        split=split,
        seed=settings.seed,
        threads=settings.threads,
        on_progress=on_progress,
    )


def _options(name: str, source: Source, query: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arguments of the class, and fields of its rule."""
    options: dict[str, Any] = {}
    rules: dict[str, Any] = {}
    known = {**source.options, **(RULES if source.encoding is None else {})}
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key not in known:
            raise BadDataset(f"{name} has no option {key!r}{_like(key, known)}; known are {', '.join(known)}")
        try:
            if key in source.options:
                options[key] = source.options[key](value)
            else:
                field, read = RULES[key]
                rules[field] = read(value)
        except ValueError as error:
            raise BadDataset(f"{name}: the option {key} is {value!r}; a number is needed") from error
    return options, rules


def _unknown(text: str, name: str) -> BadDataset:
    forms = ", ".join(("sim:street", *(source.form for source in SOURCES.values())))
    return BadDataset(
        f"found the data {text!r}{_like(name, ('sim', *SOURCES))}; known are {forms}. Join several by "
        "+, each with its weight: sim:street*0.5+gen1:FOLDER*0.5"
    )


def _like(found: str, known: Mapping[str, Any] | tuple[str, ...]) -> str:
    """A near match in words, empty where there is none."""
    near = difflib.get_close_matches(found, list(known), n=1)
    return f" (is {near[0]!r} meant?)" if near else ""
