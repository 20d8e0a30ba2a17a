"""Settings by dotted names, `loss.obj` or `recipe.neuron.leak`: compared, printed, and set from text."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass, replace
from typing import Any, TypeVar

from training.errors import BadTraining
from training.settings import TrainSettings

Settings = TypeVar("Settings")
"""A frozen dataclass of settings."""


def dotted(settings: TrainSettings) -> dict[str, Any]:
    """Every setting by its dotted name, as JSON values; the folder as text."""
    values = json.loads(json.dumps(asdict(settings), default=str))
    return dict(_leaves("", values))


def with_text(settings: Settings, text: str) -> Settings:
    """The settings with one changed, by NAME=VALUE; the value is JSON, or a plain word.

    Raises:
        BadTraining: no setting has this name, or its value is of another kind.
        BadLayout, BadSetting: a value out of its range.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise BadTraining(f"found the setting {text!r}; write NAME=VALUE, such as loss.obj=2")
    return _replaced(settings, name, name.split("."), _value(value))


def _leaves(prefix: str, values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in values.items():
        found += _leaves(f"{prefix}{name}.", value) if isinstance(value, dict) else [(prefix + name, value)]
    return found


def _replaced(part: Settings, name: str, path: list[str], value: object) -> Settings:
    known = [each.name for each in fields(part)] if is_dataclass(part) else []
    if path[0] not in known:
        near = difflib.get_close_matches(path[0], known, n=1)
        like = f"; is {near[0]!r} meant?" if near else f"; known are {', '.join(known) or 'none here'}"
        raise BadTraining(f"there is no setting {name!r}{like}")
    old = getattr(part, path[0])
    new = _replaced(old, name, path[1:], value) if path[1:] else _like(name, old, value)
    return replace(part, **{path[0]: new})  # type: ignore[type-var]


def _value(text: str) -> object:
    try:
        return json.loads(text, parse_constant=_refuse)
    except ValueError:
        return text


def _refuse(text: str) -> float:
    raise ValueError(f"{text} is no number")


def _like(name: str, old: object, value: object) -> object:
    """`value` in the type of `old`; where that is None anything goes."""
    value = _tuples(value)
    if isinstance(old, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if is_dataclass(old) or (old is not None and value is not None and type(value) is not type(old)):
        raise BadTraining(f"{name} is {value!r}; it is {_form(old)} by default: give one of that form")
    return value


def _tuples(value: object) -> object:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _form(old: object) -> str:
    return "a group of settings" if is_dataclass(old) else json.dumps(old, default=str)
