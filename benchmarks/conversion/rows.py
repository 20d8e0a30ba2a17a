"""The rows of the tables: each a method with its settings, and how it is evaluated."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from torch import Tensor

from benchmarks.conversion.nets import Pool
from benchmarks.conversion.subsets import Name
from model.convert.calibration import Calibration
from model.convert.ecc import ECC
from model.convert.ecc import PUBLISHED as COUNTED
from model.convert.graph import Graph
from model.convert.method import Method, Progress
from model.convert.network import SpikingNetwork, SpikingSettings
from model.convert.rueckauer import Rueckauer
from model.convert.thresholds import ThresholdSettings
from model.convert.weight_calibration import Weights
from training.converting.sweep import STEPS

EARLY = (2, 4)
"""More T for the digits' calibrations, where margins are set."""
FEW = tuple(steps for steps in STEPS if steps <= 64)
"""T of what learns weights on larger images, which takes long at each."""
ANALOG = "Rueckauer, analog pools"


class Evaluation(StrEnum):
    """What a figure is of: steps that ran, as deployed, or counts of spikes without time."""

    STEPS = "step by step"
    COUNTS = "in counts of spikes"


@dataclass(frozen=True, slots=True)
class Row:
    """A method and how it is evaluated.

    Attributes:
        name: as tables have it.
        evaluation: see `Evaluation`.
        method: for T steps.
        at: T it is measured at.
        each: whether each T has a conversion of its own.
        reference: its name among the reference figures, "" where there are none.
    """

    name: str
    evaluation: Evaluation
    method: Callable[[int], Method]
    at: tuple[int, ...] = STEPS
    each: bool = False
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Unnormalized:
    """Thresholds of 1 whatever activations are, Rueckauer's counter-example; a `Method`."""

    name: str = "none"
    spiking: SpikingSettings = field(default_factory=SpikingSettings)

    def convert(self, graph: Graph, calibration: Sequence[Tensor], progress: Progress) -> SpikingNetwork:
        """See `Method`."""
        return SpikingNetwork(graph, self.spiking)


def rows(name: Name, pool: Pool) -> list[Row]:
    """The rows for a network of a data set."""
    if pool == "max":
        # Such a network has no average pools, so two of the rows would be one.
        return [*(row for row in _rueckauer() if row.name != ANALOG), *_exact_max()]
    return [
        *_rueckauer(),
        _stepped("ECC", ECC(), "ecc_timestep_v0.5_membrane"),
        *_calibrated(name),
        *_counted(),
    ]


def _rueckauer() -> Iterator[Row]:
    published = SpikingSettings(average_pool="spiking", max_pool="count")
    base = Rueckauer(spiking=published)
    zero, spikes, softmax = (
        replace(published, **change)
        for change in ({"reset": "zero"}, {"readout": "spikes"}, {"readout": "softmax"})
    )
    yield _stepped("Rueckauer", base, "rueck_p99.9_sub_membrane")
    yield _stepped("Rueckauer, maximum", replace(base, percentile=100), "rueck_max_sub_membrane")
    yield _stepped("Rueckauer, reset to zero", Rueckauer(spiking=zero), "rueck_p99.9_zero_membrane")
    yield _stepped("Rueckauer, spiking outputs", Rueckauer(spiking=spikes), "rueck_p99.9_sub_spikeout")
    yield _stepped("Rueckauer, softmax outputs", Rueckauer(spiking=softmax), "rueck_p99.9_sub_softmax")
    yield _stepped("no normalisation", Unnormalized(spiking=published), "nonorm_sub_membrane")
    analog = replace(base, spiking=SpikingSettings(max_pool="count"))
    yield _stepped(ANALOG, analog, "rueck_p99.9_sub_membrane_analog")
    yield _stepped("Rueckauer, by channel", replace(analog, channel_wise=True), "rueck_cw99.9_sub_membrane")
    yield _stepped("Rueckauer, V(0) = θ/2", replace(analog, initial=0.5), "rueck_p99.9_sub_membrane_v0.5")
    both = replace(analog, channel_wise=True, initial=0.5)
    yield _stepped("Rueckauer, by channel, V(0) = θ/2", both, "rueck_cw99.9_sub_membrane_v0.5")


def _exact_max() -> Iterator[Row]:
    """Neither of the other papers has max pools; here they pass on by how much the highest sum rose."""
    rise = SpikingSettings(max_pool="rise")
    yield _stepped(
        "Rueckauer, by channel, V(0) = θ/2, exact max",
        Rueckauer(channel_wise=True, initial=0.5, spiking=rise),
    )
    yield _stepped("ECC, exact max", ECC(spiking=rise))
    yield _each("light calibration, exact max", Calibration(spiking=rise))
    yield _each("potential calibration, exact max", Calibration(bias=0, potential=True, spiking=rise))


def _calibrated(name: Name) -> Iterator[Row]:
    at, few = ((*EARLY, *STEPS), STEPS) if name == "digits" else (STEPS, FEW)
    none = Calibration(bias=0)
    potential, learned = replace(none, potential=True), Weights(iterations=300, rows=512, extra=False)
    by_maximum = replace(none, threshold=ThresholdSettings("max"))
    yield _each("no calibration, maximum", by_maximum, "cal_pub_none", at)
    yield _each("no calibration, MMSE", none, "cal_pub_mmse", at)
    yield _each("light calibration", Calibration(), "cal_pub_light", at)
    yield _each("potential calibration", potential, "cal_pub_pot", at)
    yield _each("weights calibration", replace(none, weights=learned), "cal_pub_weights", few)
    yield _each(
        "weights and potential calibration", replace(potential, weights=learned), "cal_pub_weights+pot", few
    )
    shifted = replace(learned, rate=1e-3, extra=True)
    yield _each("weights calibration with the shift", replace(none, weights=shifted), at=few)
    by_channel = ThresholdSettings(channel_wise=True)
    yield _each("light calibration by channel", Calibration(threshold=by_channel), at=at)


def _counted() -> Iterator[Row]:
    def row(name: str, method: ECC, reference: str = "") -> Row:
        return Row(name, Evaluation.COUNTS, lambda steps: method, reference=reference)

    yield row("ECC, η = 0 (counts)", ECC(residual=0, spiking=COUNTED), "ecc_count_tau0.0")
    yield row("ECC (counts)", ECC(spiking=COUNTED), "ecc_count_tau0.5")
    analog = SpikingSettings(average_pool="spiking")
    yield row("ECC, outputs do not spike (counts)", ECC(spiking=analog), "ecc_count_tau0.5_analogout")
    yield row("ECC, weights of 8 bits (counts)", ECC(weight_bits=8, spiking=COUNTED))


def _stepped(name: str, method: Method, reference: str = "") -> Row:
    return Row(name, Evaluation.STEPS, lambda steps: method, reference=reference)


def _each(name: str, method: Calibration, reference: str = "", at: tuple[int, ...] = STEPS) -> Row:
    return Row(
        name, Evaluation.STEPS, lambda steps: replace(method, steps=steps), at, each=True, reference=reference
    )
