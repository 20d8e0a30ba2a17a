"""`card_to_markdown`: a card as a page people read; `docs/models/` holds the pages of the shipped weights."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from model.card import Card
from model.card_figures import SECTIONS
from model.markdown import code, table


def card_to_markdown(card: Card) -> str:
    """The page of a card: what it is, what it is good for, how it was measured and trained.

    Figures that a card does not hold are left out with their section; each section names the command that
    makes its figures anew.
    """
    parts = [f"# {card.name}", _facts(card)]
    parts += ["## Good for", card.good_for, "## Not good for", card.not_good_for]
    if card.conversion:
        parts += ["## Conversion", *_conversion(card.conversion)]
    for title, block, section in SECTIONS:
        if card.metrics.get(block):
            parts += [f"## {title}", *section(card)]
    parts += _training(card.training)
    return "\n\n".join(part for part in parts if part) + "\n"


def _facts(card: Card) -> str:
    layout = card.layout if isinstance(card.layout, str) else "its own, in the card"
    width, height = card.grid
    return table(
        ("", ""),
        [
            ("network", layout),
            ("classes", ", ".join(card.classes)),
            ("grid", f"{width} x {height} cells, {card.in_channels} channels, encoding {card.encoding}"),
            _time(card),
            ("default threshold", f"{card.threshold:g}, NMS at IoU {card.iou:g}"),
            ("licence", card.licence),
        ],
    )


def _time(card: Card) -> tuple[str, str]:
    step_ms = card.step_us / 1000
    if card.mode == "rolling":
        return ("rolling", f"an answer every step of {step_ms:g} ms, from a state that lasts")
    return ("window", f"{card.steps} steps of {step_ms:g} ms: an answer every {card.steps * step_ms:g} ms")


def _conversion(block: Mapping[str, Any]) -> Iterator[str]:
    """How an ANN became these weights, and what it costs."""
    source, calibration, cost = block["source"], block["calibration"], block.get("cost")
    yield (
        f"The ANN `{source.get('name', '?')}`, converted by {block['method']} for T = {block['steps']} "
        f"simulation steps a window ({block['input']} input), calibrated on "
        f"{calibration.get('windows', '?')} windows of `{calibration.get('data', '?')}`."
    )
    settings = {**block["settings"], **block["spiking"]}
    yield table(("setting", ""), [(name, json.dumps(value)) for name, value in settings.items()])
    if cost:
        yield (
            f"A window takes {cost['energy_mj']:.3g} mJ ({cost['synops'] / 1e6:.3g} M synaptic operations, "
            f"{cost['macs'] / 1e6:.3g} M multiplications), the ANN {cost['ann_energy_mj']:.3g} mJ; on "
            f"{cost['windows']} {cost['on']}."
        )


def _training(training: Mapping[str, Any]) -> Iterator[str]:
    if "command" not in training:
        return
    yield "## Training"
    yield code(training["command"])
    names = {"steps": "optimizer steps"}
    keys = ("data", "seed", "steps", "views", "minutes", "machine", "history")
    known = [key for key in keys if training.get(key) is not None]
    yield table(("", ""), [(names.get(key, key), str(training[key])) for key in known])
    if ancestors := list(_ancestors(training)):
        yield "It started from weights that came of these runs, the latest first:"
        yield table(("weights", "views", "minutes", "command"), ancestors)


def _ancestors(training: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    while training := training.get("started_from", {}):
        values = [str(training.get(key, "")) for key in ("weights", "views", "minutes")]
        yield (*values, f"`{training.get('command', '')}`")
