"""Answers and steps as plain JSON values, for the channel between the API and the inference worker."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from model.detections import Detections
from model.tracking.tracks import TrackChange
from service.answers import Answer, Latency, Spikes
from service.feed import Entry
from streaming.ring import RingAddress


def answer_to_wire(answer: Answer | None) -> dict[str, Any] | None:
    """Everything but what only the API knows (`dropped`, `behind_ms`, `clock`); floats keep all bits."""
    if answer is None:
        return None
    found = answer.detections
    return {
        "seq": answer.seq,
        "t_us": answer.t_us,
        "steps": answer.steps,
        "joined": answer.joined,
        "xyxy": found.xyxy.tolist(),
        "score": found.score.tolist(),
        "label": found.label.tolist(),
        "events": answer.events,
        "device": answer.device,
        "latency_ms": asdict(answer.latency_ms),
        "spikes": asdict(answer.spikes),
        "track_ids": None if answer.track_ids is None else answer.track_ids.tolist(),
        "changes": [asdict(change) for change in answer.changes],
    }


def answer_from_wire(wire: dict[str, Any] | None, classes: tuple[str, ...]) -> Answer | None:
    """The answer that `answer_to_wire` wrote; `classes` are those of the stream's model."""
    if wire is None:
        return None
    detections = Detections(
        np.array(wire["xyxy"], np.float32).reshape(-1, 4),
        np.array(wire["score"], np.float32),
        np.array(wire["label"], np.int64),
        classes,
    )
    return Answer(
        seq=wire["seq"],
        t_us=(wire["t_us"][0], wire["t_us"][1]),
        steps=wire["steps"],
        joined=wire["joined"],
        detections=detections,
        events=wire["events"],
        device=wire["device"],
        latency_ms=Latency(**wire["latency_ms"]),
        spikes=Spikes(**wire["spikes"]),
        track_ids=None if wire["track_ids"] is None else np.array(wire["track_ids"], np.int64),
        changes=tuple(_change(change) for change in wire["changes"]),
    )


def _change(wire: dict[str, Any]) -> TrackChange:
    tuples = {name: tuple(wire[name]) for name in ("xyxy", "velocity_px_s", "votes")}
    return TrackChange(**{**wire, **tuples})


def entry_to_wire(entry: Entry) -> dict[str, Any]:
    """What the worker must know of a step."""
    return {
        "serial": entry.serial,
        "slot": entry.slot,
        "t_us": entry.t_us,
        "events": entry.events,
        "newest_us": entry.newest_us,
        "ready_s": entry.ready_s,
        "restart": entry.restart,
        "reset": entry.reset is not None,
        "joins": entry.joins,
    }


def ring_to_wire(address: RingAddress) -> dict[str, Any]:
    return asdict(address)


def ring_from_wire(wire: dict[str, Any]) -> RingAddress:
    channels, height, width = wire["shape"]
    return RingAddress(wire["name"], (channels, height, width), wire["slots"])
