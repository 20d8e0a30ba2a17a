"""`Answer`: the boxes of one window, in the one form of REST, NDJSON and WebSocket alike."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.detections import Detections
from model.tracking.tracks import NO_TRACK, TrackChange
from service.source_messages import Clock


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds of each stage, for the last step of the answer.

    Attributes:
        arrive: newest event (its time or its arrival, see `Answer.clock`) to its step being complete in the
            source process; None for files.
        queue: step complete to the start of its batch.
        encode: copying counts from shared memory and gathering states into the batch.
        infer: the network's step (input encoding included), for the whole batch.
        post: decoding, NMS, boxes to sensor pixels.
        total: newest event (step complete, where `arrive` is None) to the answer leaving for its viewers.
    """

    arrive: float | None = None
    queue: float = 0.0
    encode: float = 0.0
    infer: float = 0.0
    post: float = 0.0
    total: float = 0.0


@dataclass(frozen=True, slots=True)
class Spikes:
    """What the network did for this answer, summed over its window.

    Attributes:
        rate: spikes per neuron and step, 0..1, mean over layers.
        synops: synaptic operations, counted from the spikes by fan-out.
        energy_mj: millijoule at 0.9 pJ a synaptic operation and 4.6 pJ a multiply-accumulate (45 nm, 32 bit).
    """

    rate: float = 0.0
    synops: float = 0.0
    energy_mj: float = 0.0


@dataclass(frozen=True, slots=True)
class Dropped:
    """Steps given up because the stream was behind, and their events, since the stream began."""

    steps: int = 0
    events: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """Boxes at one time.

    Attributes:
        seq: 0, 1, 2, ... without gaps within one stream or recording.
        t_us: (start, end) of the steps that were looked at, microseconds, end exclusive.
        steps: how many steps the network took for them, at most the model's T.
        detections: boxes in sensor pixels.
        latency_ms: time of each stage.
        behind_ms: how much older this answer's newest event is than the newest event received so far.
        spikes: firing rate, synaptic operations and energy.
        dropped: what was given up so far.
        events: events since the previous answer; every event is in exactly one answer or in `dropped`.
        device: where the network ran ("cpu", "cuda:0").
        clock: what latencies count from: the events' own time, or their arrival; None for files.
        joined: how many more steps of the stream than `steps` those were made of, see `shed_steps`.
        track_ids: (N,) the track of each box, `NO_TRACK` without one; None where nothing is tracked.
        changes: what became of each track.
    """

    seq: int
    t_us: tuple[int, int]
    steps: int
    detections: Detections
    events: int
    device: str
    latency_ms: Latency = field(default_factory=Latency)
    behind_ms: float = 0.0
    spikes: Spikes = field(default_factory=Spikes)
    dropped: Dropped = field(default_factory=Dropped)
    clock: Clock | None = None
    joined: int = 0
    track_ids: NDArray[np.int64] | None = None
    changes: tuple[TrackChange, ...] = ()

    def to_message(self) -> dict[str, Any]:
        """The message `detections`, plain types only."""
        return {
            "type": "detections",
            "seq": self.seq,
            "t_us": list(self.t_us),
            "steps": self.steps,
            "joined": self.joined,
            "events": self.events,
            "latency_ms": {name: _rounded(value) for name, value in asdict(self.latency_ms).items()},
            "behind_ms": round(self.behind_ms, 3),
            "clock": self.clock,
            "boxes": boxes_to_json(self.detections, self.track_ids),
            "spikes": asdict(self.spikes),
            "dropped": asdict(self.dropped),
            "device": self.device,
        }


def boxes_to_json(detections: Detections, track_ids: NDArray[np.int64] | None = None) -> list[dict[str, Any]]:
    """`[{xyxy, label, score, track_id}]`: sensor pixels to 0.01, scores to 0.0001, None without a track."""
    ids = [NO_TRACK] * len(detections) if track_ids is None else track_ids.tolist()
    rows = zip(
        np.round(detections.xyxy.astype(np.float64), 2).tolist(),
        np.round(detections.score.astype(np.float64), 4).tolist(),
        detections.label.tolist(),
        ids,
        strict=True,
    )
    return [
        {
            "xyxy": xyxy,
            "label": detections.classes[label],
            "score": score,
            "track_id": None if track_id == NO_TRACK else track_id,
        }
        for xyxy, score, label, track_id in rows
    ]


def changes_to_message(answer: Answer) -> dict[str, Any]:
    """The message `tracks`: what became of each track at this answer."""
    classes = answer.detections.classes
    return {
        "type": "tracks",
        "t_us": answer.t_us[1],
        "changes": [
            {
                "change": change.change,
                "track_id": change.track_id,
                "label": classes[change.label],
                "score": round(change.score, 4),
                "xyxy": [round(side, 2) for side in change.xyxy],
                "velocity_px_s": [round(speed, 2) for speed in change.velocity_px_s],
                "votes": {name: round(share, 4) for name, share in zip(classes, change.votes, strict=True)},
                "age_ms": (change.t_us - change.begun_us) / 1e3,
            }
            for change in answer.changes
        ],
    }


def _rounded(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else round(milliseconds, 3)
