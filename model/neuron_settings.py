"""`NeuronSettings`: what the spiking neurons of a network do. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from model.errors import BadLayout

Reset = Literal["hard", "soft"]
Surrogate = Literal["rectangle", "triangle", "arctan", "sigmoid"]
Learned = Literal["nothing", "leak", "threshold", "both"]

MAX_LEVELS = 16


def require_in(name: str, value: object, allowed: tuple[str, ...]) -> None:
    """Raises BadLayout: `value` is not one of the words `allowed`."""
    if value not in allowed:
        raise BadLayout(f"{name} is {str(value)[:60]!r}; it may be {', '.join(map(repr, allowed))}")


@dataclass(frozen=True, slots=True)
class NeuronSettings:
    """What every spiking neuron of a network does; the defaults are the published ones.

    Attributes:
        leak: share of the membrane that one step keeps, 0..1.
        threshold: a neuron fires when its membrane is above this.
        reset: "hard" empties the membrane of a neuron that fired, "soft" takes away what fired.
        levels: 1 for spikes, more for integer spikes 0..levels (I-LIF, SpikeYOLO, arXiv 2407.20708), which
            neuromorphic hardware sends as so many spikes; they need the soft reset.
        surrogate: derivative that stands in for that of a spike in training.
        learned: what each layer learns for itself, from `leak` and `threshold` on.
    """

    leak: float = 0.25
    threshold: float = 0.5
    reset: Reset = "hard"
    levels: int = 1
    surrogate: Surrogate = "rectangle"
    learned: Learned = "nothing"

    def __post_init__(self) -> None:
        require_in("reset", self.reset, get_args(Reset))
        require_in("surrogate", self.surrogate, get_args(Surrogate))
        require_in("learned", self.learned, get_args(Learned))
        if not 0 <= self.leak <= 1 or not self.threshold > 0:
            raise BadLayout(
                f"leak is {self.leak} and threshold {self.threshold}; give a leak in 0..1 and a threshold "
                "above 0"
            )
        if not 1 <= self.levels <= MAX_LEVELS:
            raise BadLayout(f"levels is {self.levels}; give 1..{MAX_LEVELS}")
        if self.levels > 1 and (self.reset, self.surrogate, self.learned) != ("soft", "rectangle", "nothing"):
            raise BadLayout(
                f"integer spikes (levels={self.levels}) need reset='soft', surrogate='rectangle' and "
                f"learned='nothing', got {self.reset!r}, {self.surrogate!r} and {self.learned!r}"
            )
