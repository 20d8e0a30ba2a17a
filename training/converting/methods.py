"""The methods by name, with the settings that suit a task, and settings from text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from types import MappingProxyType
from typing import Any, Literal, cast

from model.convert.calibration import Calibration
from model.convert.ecc import ECC
from model.convert.method import Method
from model.convert.network import SpikingSettings
from model.convert.rueckauer import Rueckauer
from model.convert.thresholds import ThresholdSettings
from model.convert.weight_calibration import Weights
from training.dotted import with_text
from training.errors import BadTraining

MethodName = Literal["rueckauer", "calibration", "ecc"]
Task = Literal["detector", "classifier"]

GATES = SpikingSettings(max_pool="rise")
"""Max pools of detectors see currents, of which this rule gives the exact maximum of the means."""

_DETECTOR: Mapping[MethodName, Callable[[], Method]] = {
    # Boxes are regressed: thresholds near the maximum, channel by channel, rounded and not cut off.
    "rueckauer": lambda: Rueckauer(percentile=99.99, channel_wise=True, initial=0.5, spiking=GATES),
    "calibration": lambda: Calibration(
        threshold=ThresholdSettings(channel_wise=True), potential=True, spiking=GATES
    ),
    "ecc": lambda: ECC(channel_wise=True, spiking=GATES),
}
_CLASSIFIER: Mapping[MethodName, Callable[[], Method]] = {
    "rueckauer": Rueckauer,
    "calibration": Calibration,
    "ecc": ECC,
}
METHODS: Mapping[Task, Mapping[MethodName, Callable[[], Method]]] = MappingProxyType(
    {"detector": _DETECTOR, "classifier": _CLASSIFIER}
)


def method_for(
    name: MethodName, task: Task, steps: int, texts: Sequence[str] = (), *, advanced: bool = False
) -> Method:
    """A method with the settings that suit a task, for T steps where it asks for T.

    Args:
        name: of the method.
        task: what is converted.
        steps: T.
        texts: settings that differ, NAME=VALUE each, such as "percentile=99.9" or "spiking.max_pool=count".
        advanced: SNN Calibration's advanced pipeline: weights and potentials.

    Raises:
        BadTraining: no setting has such a name, its value is of another kind, or `advanced` is asked of
            another method.
        BadSetting: a value is out of its range.
    """
    method = METHODS[task][name]()
    if advanced:
        if not isinstance(method, Calibration):
            raise BadTraining(
                f"the method {name} has no advanced pipeline; leave --advanced out, or use calibration"
            )
        method = replace(method, weights=Weights(), potential=True, bias=0)
    for text in texts:
        method = cast(Method, with_text(cast(Any, method), text))
    return for_steps(method, steps)


def for_steps(method: Method, steps: int) -> Method:
    """The method for T steps; itself where it is for any."""
    return cast(Method, replace(cast(Any, method), steps=steps)) if is_for_one(method) else method


def is_for_one(method: Method) -> bool:
    """Whether what a method gives is for one T alone."""
    return any(each.name == "steps" for each in fields(cast(Any, method)))
