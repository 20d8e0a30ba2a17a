"""The `conversion` block of a card: what a converted ANN was, how it became spiking, and how it is run.

::

    method       "rueckauer", "calibration" or "ecc"
    settings     of the method, JSON values
    spiking      how layers behave: reset, max_pool, average_pool, readout
    input        how a window comes in, below
    steps        T, simulation steps of a window: a multiple of the card's steps
    calibration  what thresholds were found on: data, windows
    source       the ANN: name, digest of its weights
    cost         of a window at T, where it was measured: spikes, synops, macs, energy_mj, ann_energy_mj

A `Step` stays the unit of everything. The simulation steps of a window are dealt out evenly among its steps,
and in those of one step the input does not change:

- "analog": the window is one step. When its last event is there, its counts are a constant current for T
  simulation steps.
- "events": the window is the N steps of an event stream. Each comes in for T / N simulation steps as soon as
  it is there, N times as strong, so that the mean over the window is what the ANN sees.

Torch-free.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model.errors import BadWeights

INPUTS = ("analog", "events")
SUMMED_ENCODINGS = ("counts", "binary")
"""Encodings of which the sum over steps stands for the encoding of the sum."""

MAX_SIMULATION_STEPS = 4_096

_KINDS: Mapping[str, tuple[type, ...]] = {
    "method": (str,),
    "settings": (dict,),
    "spiking": (dict,),
    "input": (str,),
    "steps": (int,),
    "calibration": (dict,),
    "source": (dict,),
    "cost": (dict,),
}


def check_conversion(block: Mapping[str, Any], steps: int, encoding: str) -> None:
    """Refuse a block that cannot be run.

    Args:
        block: of the card.
        steps, encoding: of the card.

    Raises:
        BadWeights: a field is missing, unknown, of a wrong type or out of range; names it.
    """
    missing, unknown = sorted(_KINDS.keys() - block.keys() - {"cost"}), sorted(block.keys() - _KINDS.keys())
    if missing or unknown:
        raise BadWeights(f"card: conversion lacks {missing} and has the unknown fields {unknown}")
    for name, kinds in _KINDS.items():
        if name in block and (not isinstance(block[name], kinds) or isinstance(block[name], bool)):
            raise BadWeights(f"card: conversion.{name} is {block[name]!r}, which has the wrong type")
    total = block["steps"]
    if not 1 <= total <= MAX_SIMULATION_STEPS or total % steps:
        raise BadWeights(
            f"card: conversion.steps is {total}; allowed: a multiple of the card's {steps} steps, "
            f"1..{MAX_SIMULATION_STEPS}"
        )
    if block["input"] not in INPUTS or (block["input"] == "analog" and steps != 1):
        raise BadWeights(
            f"card: conversion.input is {block['input']!r} with {steps} steps; allowed: analog with 1 step, "
            "events with any"
        )
    if block["input"] == "events" and encoding not in SUMMED_ENCODINGS:
        raise BadWeights(
            f"card: conversion.input is events with the encoding {encoding!r}; allowed: "
            f"{', '.join(SUMMED_ENCODINGS)}, whose steps add up to a window; convert with analog input"
        )
