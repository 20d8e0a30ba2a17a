"""`Health`: notices what goes wrong in a run, and says it once, with what to do."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class HealthSettings:
    """When something is worth a message.

    Attributes:
        silent, saturated: spikes per neuron and step below and above which a layer cannot learn.
        settled_steps: optimizer steps before which layers are not judged.
        exploding: the median gradient norm, relative to the smallest one so far.
        falls: validations in a row with a lower mAP50 than the one before.
        fallen: how far mAP50 fell over these, at least.
        starved: share of its time that the trainer waits for windows, or of views that are repeats.
    """

    silent: float = 0.0005
    saturated: float = 0.9
    settled_steps: int = 500
    exploding: float = 20.0
    falls: int = 3
    fallen: float = 0.02
    starved: float = 0.2


@dataclass(frozen=True, slots=True)
class Supply:
    """Where the trainer's time went since the log's last line.

    Attributes:
        total_s: all of it.
        loading_s: waiting for windows to be simulated or read.
        drawing_s: drawing views of them.
        views: views seen.
        repeats: those of windows that were due to make place for new ones.
    """

    total_s: float = 0.0
    loading_s: float = 0.0
    drawing_s: float = 0.0
    views: int = 0
    repeats: int = 0

    @property
    def loading(self) -> float:
        """Share of the time spent waiting for windows."""
        return self.loading_s / max(self.total_s, 1e-9)

    @property
    def drawing(self) -> float:
        """Share of the time spent drawing views."""
        return self.drawing_s / max(self.total_s, 1e-9)


@dataclass(slots=True)
class Health:
    """Watches a run.

    Attributes:
        said: the messages in force, by what they are about; the card shows them.
        settings: when something is worth a message.
    """

    said: dict[str, str] = field(default_factory=dict)
    settings: HealthSettings = field(default_factory=HealthSettings)
    _news: list[str] = field(default_factory=list)
    _named: dict[str, set[str]] = field(default_factory=dict)
    _quiet: float = math.inf
    _validations: list[tuple[float, float]] = field(default_factory=list)

    def news(self) -> list[str]:
        """What was said since the last call."""
        told, self._news = self._news, []
        return told

    def layers(self, firing: Mapping[str, float], step: int) -> None:
        """Look at the firing rates of all layers; layers that have recovered are forgotten.

        Args:
            firing: spikes per neuron and step, by the layer's name.
            step: optimizer steps done; the statistics of the first ones still follow the random start.
        """
        settings = self.settings
        if step < settings.settled_steps:
            return
        self._say_layers(
            "silent",
            {name: rate for name, rate in firing.items() if rate < settings.silent},
            "hardly learn; lower the learning rate (--lr), the firing weight (--firing-weight) or the "
            "neurons' threshold",
        )
        self._say_layers(
            "saturated",
            {name: rate for name, rate in firing.items() if rate > settings.saturated},
            "pass nothing on; lower the learning rate (--lr) or raise the firing weight (--firing-weight)",
        )

    def gradients(self, norms: Sequence[float]) -> None:
        """Look at the gradients' norms of the last steps, as they were before clipping."""
        finite = [norm for norm in norms if math.isfinite(norm)]
        if not norms:
            return
        if 2 * len(finite) < len(norms):
            self._say(
                "gradients",
                f"{len(norms) - len(finite)} of the last {len(norms)} gradients were no numbers and were "
                "left out; train in --precision float32 or bfloat16, or lower --lr",
            )
            return
        norm = statistics.median(finite)
        if norm > self.settings.exploding * self._quiet:
            self._say(
                "gradients",
                f"gradients explode: their norm is {norm:.3g}, {norm / self._quiet:.0f} times that of the "
                f"quietest {len(norms)} steps; lower --lr, or clip earlier (--set clip_norm=1)",
            )
        self._quiet = min(self._quiet, max(norm, 1e-6))

    def validation(self, map50: float, loss: float) -> None:
        """Look at a validation's mAP50 and the training loss since the one before."""
        if math.isnan(map50) or math.isnan(loss):
            return
        self._validations.append((map50, loss))
        last = self._validations[-self.settings.falls - 1 :]
        scores = [score for score, _ in last]
        falling = all(after < before for before, after in itertools.pairwise(scores))
        enough = len(last) > self.settings.falls and scores[0] - scores[-1] >= self.settings.fallen
        if falling and enough and last[-1][1] < last[0][1]:
            self._say(
                "overfitting",
                f"overfitting: mAP50 fell {self.settings.falls} times in a row, {scores[0]:.3f} to "
                f"{scores[-1]:.3f}, while the training loss fell {last[0][1]:.3f} to {last[-1][1]:.3f}; take "
                "more data (mix in sim:street), fewer --views, or raise --set weight_decay=0.05; writing 0 "
                "to STOP in the run's folder ends it now",
            )

    def supply(self, supply: Supply, *, simulated: bool, device: str) -> None:
        """Look at where the trainer's time and its views came from."""
        starved = self.settings.starved
        more = (
            "give more --generators, or let each window be seen more often (--views)"
            if simulated
            else "give more --threads, or put the run's folder, and with it the cache, on a faster disk"
        )
        makers = "the generators are" if simulated else "reading is"
        if supply.loading > starved:
            self._say(
                "supply",
                f"the trainer waited {supply.loading:.0%} of its time for windows: {makers} the limit, not "
                f"the trainer; {more}",
            )
        elif supply.repeats > starved * supply.views:
            self._say(
                "supply",
                f"{supply.repeats / supply.views:.0%} of the views are of windows that were due to make "
                f"place for new ones: {makers} the limit, not the trainer; {more}",
            )
        elif device == "cuda" and supply.drawing > starved:
            self._say(
                "supply",
                f"the GPU waited {supply.drawing:.0%} of the time for views to be drawn: the trainer's own "
                "process is the limit; start several trainers by torchrun, or a larger network",
            )

    def _say(self, about: str, message: str) -> None:
        if about not in self.said:
            self._news.append(message)
            self.said[about] = message

    def _say_layers(self, state: str, rates: Mapping[str, float], remedy: str) -> None:
        """One message for all layers in a state, told again when a layer joins them."""
        named = self._named.get(state, set())
        self._named[state] = set(rates)
        if not rates:
            self.said.pop(state, None)
            return
        each = ", ".join(f"{name} ({rate:.2g} a neuron and step)" for name, rate in rates.items())
        message = f"layers that are {state} {remedy}: {each}"
        if not named.issuperset(rates) and self.said.get(state) != message:
            self._news.append(message)
        self.said[state] = message
