"""docs/conversion-tables.md from what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.conversion.criteria import Criterion, Figures, criteria
from benchmarks.conversion.measure import Points
from benchmarks.conversion.nets import Pool
from benchmarks.conversion.rows import Evaluation, rows
from benchmarks.conversion.subsets import SUBSETS, Name
from benchmarks.conversion.tables import Entry, Table, read_reference
from model.energy import AC_PJ, MAC_PJ, energy_mj
from model.markdown import code, table
from training.converting.sweep import Rival

COMMAND = "python -m benchmarks.conversion --write"
ABOUT = f"""\
Every way of converting that `model/convert` has, on three small data sets. Cells are accuracy in per
cent and, in brackets, agreement with the ANN's answers. Lines called *reference* are figures of public
tools, or of the published rules, on networks of the same make trained elsewhere
(`benchmarks/conversion/reference.toml`): they count spikes and operations a little differently, without
borders and with fewer layers in some. What runs step by step is what would be deployed. What is
evaluated in counts of spikes is how ECC's paper reports, an idealisation without time; the two are in
tables apart, and a table refuses the other's rows.

Networks have three stages (digits two) of twice convolution, norm and ReLU, then a pool, and one linear
layer; inputs are 0..1. Thresholds are found on up to {{calibration}} training images, biases and
potentials on 128, weights on 512 in 300 iterations. Energy counts {AC_PJ:g} pJ a synaptic operation and
{MAC_PJ:g} pJ a multiplication (45 nm) and neither memory nor updates of membranes. Break-even is the T
from which an image takes more energy than it takes the ANN. A row that calibrates is a conversion of its
own at each T."""

LEADS = """\
A lead that is missed is of one way over another that is better on this network than on the reference's, as
the lines above show: networks trained alike differ in how evenly their layers fire, and with it in what the
simplest conversions lose."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One network.

    Attributes:
        name, pool: of the network.
        ann: per cent of the test images that the ANN is right on.
        macs: multiply-accumulates of the ANN for an image.
        points: of each row.
    """

    name: Name
    pool: Pool
    ann: float
    macs: int
    points: Mapping[str, Points]

    @property
    def title(self) -> str:
        """As a heading."""
        return f"{SUBSETS[self.name].title}, {self.pool} pools"


def page(measured: Sequence[Measured], calibration: int) -> str:
    """The page of all networks."""
    parts = [
        "# Conversion: every method at every T",
        ABOUT.format(calibration=f"{calibration:,}"),
        code(f".venv/bin/{COMMAND}"),
        *(part for network in measured for part in _network(network)),
    ]
    return "\n\n".join(parts) + "\n"


def verdicts(network: Measured, evaluation: Evaluation) -> list[tuple[str, str, str, str]]:
    """Each margin of a network and an evaluation: what, measured, allowed, verdict."""
    figures = Figures(network.ann, network.points)
    wanted = [c for c in criteria(network.name, network.pool) if c.evaluation is evaluation]
    return [_verdict(criterion, figures) for criterion in wanted]


def _verdict(criterion: Criterion, figures: Figures) -> tuple[str, str, str, str]:
    margin = f"{'≤' if criterion.most else '≥'} {criterion.bound:g}"
    try:
        value = criterion.value(figures)
    except KeyError:
        return criterion.text, "-", margin, "not measured"
    verdict = "within" if criterion.holds(value) else "**missed**"
    return criterion.text, f"{value:.1f}", margin, verdict


def _network(network: Measured) -> Iterator[str]:
    reference = read_reference(network.name, network.pool)
    energy = energy_mj(0.0, float(network.macs))
    ann = Rival("ANN", 1, {}, 0.0, float(network.macs), energy)
    yield f"## {network.title}"
    yield (
        f"ANN: {network.ann:.2f} % of {SUBSETS[network.name].test} test images (reference "
        f"{reference.ann:g} %), {network.macs / 1e6:.3f} M MACs, {1e3 * energy:.3g} µJ an image."
    )
    for evaluation in Evaluation:
        wanted = [row for row in rows(network.name, network.pool) if row.evaluation is evaluation]
        found = tuple(Entry(row, network.points[row.name]) for row in wanted if row.name in network.points)
        if found:
            shown = Table(evaluation, found)
            yield f"### {network.title}: {evaluation}"
            yield shown.accuracy(reference)
            yield f"Microjoule an image, {evaluation}; the ANN takes {1e3 * energy:.3g}:"
            yield shown.energy(ann)
        if judged := verdicts(network, evaluation):
            yield f"Margins, {evaluation}, in per cent and points:"
            yield table(("", "measured", "margin", ""), judged)
            if any(" ahead of " in what and "missed" in verdict for what, _, _, verdict in judged):
                yield LEADS
