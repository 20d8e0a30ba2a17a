"""`convert_twin`: the ANN twin of our detector to a spiking detector with its card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, cast

from torch import Tensor

from model.card import Card
from model.card_conversion import MAX_SIMULATION_STEPS
from model.convert.detector import SpikingDetector
from model.convert.method import Method, Progress, convert
from model.convert.twin import Twin
from model.errors import BadSetting, NotConvertible
from model.layout import layout_to_yaml
from model.networks import Network

WindowInput = Literal["analog", "events"]


@dataclass(frozen=True, slots=True)
class WindowSettings:
    """How a converted detector is run.

    Attributes:
        steps: T, simulation steps of a window.
        input: "analog" shows the counts of the whole window T times; "events" those of each of its parts in
            turn, see `model.card_conversion`.
        parts: into how many steps a window is cut where the input is "events"; a divisor of T and of the
            window's microseconds.
    """

    steps: int = 64
    input: WindowInput = "analog"
    parts: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.steps <= MAX_SIMULATION_STEPS:
            raise BadSetting(f"steps is {self.steps}; give 1..{MAX_SIMULATION_STEPS} simulation steps")
        if self.parts < 1 or self.steps % self.parts:
            raise BadSetting(f"parts is {self.parts}; give a divisor of the {self.steps} simulation steps")
        if self.input == "analog" and self.parts > 1:
            raise BadSetting(f"parts is {self.parts} with analog input, which has 1; give input='events'")


def convert_twin(
    twin: Network,
    card: Card,
    calibration: Sequence[Tensor],
    method: Method,
    settings: WindowSettings | None = None,
    *,
    name: str,
    said: Mapping[str, Any],
    progress: Progress | None = None,
) -> tuple[SpikingDetector, Card]:
    """Convert a twin.

    Args:
        twin: with ReLU; stays as it is.
        card: of the twin.
        calibration: encoded windows as the twin takes them, (B, C, H, W) each.
        method: how.
        settings: how it is run.
        name: of the new weights.
        said: what the new card says in its conversion of the data ("calibration") and of the twin ("source").
        progress: told how far it is.

    Returns:
        The detector, and its card, without metrics; its threshold is the twin's.

    Raises:
        NotConvertible: the layout spikes already, the window is not one step, or the method changed layers.
        BadCalibration, BadSetting, BadWeights: see `model.convert.method.convert`.
    """
    settings = settings or WindowSettings()
    if card.steps != 1 or card.mode != "window":
        raise NotConvertible(
            f"{card.name} reads windows of {card.steps} steps in mode {card.mode!r}; a twin reads a window "
            "as one step: train it with --twin"
        )
    if card.step_us % settings.parts:
        raise BadSetting(f"parts is {settings.parts}; give a divisor of the window's {card.step_us} us")
    network = convert(Twin(twin), calibration, method, progress=progress)
    ticks = settings.steps // settings.parts
    detector = SpikingDetector(twin.layout, network, ticks, settings.parts)
    block = {
        "method": method.name,
        "settings": _plain(asdict(cast(Any, method)) | {"spiking": None}),
        "spiking": asdict(network.settings),
        "input": settings.input,
        "steps": settings.steps,
        **said,
    }
    return detector, replace(
        card,
        name=name,
        layout=layout_to_yaml(detector.layout),
        step_us=card.step_us // settings.parts,
        steps=settings.parts,
        conversion=block,
        metrics={},
    )


def _plain(values: Any) -> Any:
    """JSON values, without the settings of layers, which stand on their own."""
    if isinstance(values, dict):
        return {key: _plain(value) for key, value in values.items() if key != "spiking"}
    return list(values) if isinstance(values, tuple) else values
