"""`card_to_markdown`: a card as a page people read; `docs/models/` holds the pages of the shipped weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from model.card import Card
from model.energy import AC_PJ, MAC_PJ


def card_to_markdown(card: Card) -> str:
    """The page of a card: what it is, how it was measured and trained, what it is not good for."""
    parts = [f"# {card.name}", *_facts(card), *_accuracy(card.metrics), *_activity(card.metrics)]
    parts += [*_training(card.training), "## Good for", card.good_for, "## Not good for", card.not_good_for]
    return "\n\n".join(part for part in parts if part) + "\n"


def _facts(card: Card) -> Iterator[str]:
    layout = card.layout if isinstance(card.layout, str) else "its own, in the card"
    width, height = card.grid
    window_ms = card.steps * card.step_us / 1000
    yield _table(
        ("", ""),
        {
            "network": layout,
            "classes": ", ".join(card.classes),
            "grid": f"{width} x {height} cells, {card.in_channels} channels, encoding {card.encoding}",
            "window": f"{card.steps} steps of {card.step_us / 1000:g} ms: an answer every {window_ms:g} ms",
            "default threshold": f"{card.threshold:g}, NMS at IoU {card.iou:g}",
            "licence": card.licence,
        },
    )


def _accuracy(metrics: Mapping[str, Any]) -> Iterator[str]:
    if "scores" not in metrics:
        return
    scores, operating = metrics["scores"], metrics["operating"]
    yield "## Accuracy"
    yield f"On {metrics['windows']} {metrics['on']} with {metrics['boxes']} boxes (`spikesight evaluate`):"
    rows = {
        name: f"{_figure(scores['ap50'][name])} | {_figure(scores['ap50_95'][name])}"
        for name in scores["ap50"]
    }
    rows["mean"] = f"{_figure(scores['map50'])} | {_figure(scores['map50_95'])}"
    yield _table(("class", "AP50", "AP50:95"), rows)
    yield (
        f"At the default threshold, the one of the best F1: precision {_figure(operating['precision'])}, "
        f"recall {_figure(operating['recall'])}, F1 {_figure(operating['f1'])}."
    )


def _activity(metrics: Mapping[str, Any]) -> Iterator[str]:
    if "activity" not in metrics:
        return
    activity = metrics["activity"]
    yield "## Spikes and energy, a window"
    yield _table(
        ("", ""),
        {
            "firing rate": f"{activity['firing_rate']:.1%} of neurons and steps",
            "synaptic operations": f"{activity['synops'] / 1e6:.1f} M at {AC_PJ} pJ",
            "multiply-accumulates of real-valued inputs": f"{activity['macs'] / 1e6:.1f} M at {MAC_PJ} pJ",
            "energy": f"{activity['energy_mj']:.3f} mJ (45 nm, 32 bit; operations alone, no memory)",
            "energy of the dense twin, one step": f"{activity['dense_mj']:.3f} mJ",
            "ratio": f"1 / {activity['dense_mj'] / activity['energy_mj']:.2f}",
        },
    )
    firing = {f"`{layer}`": f"{rate:.1%}" for layer, rate in activity["firing"].items()}
    yield _table(("layer", "firing rate"), firing)


def _training(training: Mapping[str, Any]) -> Iterator[str]:
    if "command" not in training:
        return
    yield "## Training"
    yield f"```sh\n{training['command']}\n```"
    rows = {
        "data": training.get("data"),
        "seed": training.get("seed"),
        "optimizer steps": training.get("steps"),
        "views": training.get("views"),
        "minutes": training.get("minutes"),
        "machine": training.get("machine"),
        "history": training.get("history"),
    }
    yield _table(("", ""), {name: str(value) for name, value in rows.items() if value is not None})


def _table(head: tuple[str, ...], rows: Mapping[str, str]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join([*lines, *(f"| {name} | {value} |" for name, value in rows.items())])


def _figure(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.3f}"
