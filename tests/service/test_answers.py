"""The JSON of an answer."""

from __future__ import annotations

import json

import numpy as np

from model.detections import Detections
from service.answers import Answer, Dropped, Latency, Spikes
from service.wire import answer_from_wire, answer_to_wire

CLASSES = ("person", "car")
ANSWER = Answer(
    seq=3,
    t_us=(40_000, 80_000),
    steps=5,
    detections=Detections(
        np.array([[1.234567, 2, 30.5, 40.25]], np.float32),
        np.array([0.87654], np.float32),
        np.array([1]),
        CLASSES,
    ),
    events=1234,
    device="cpu",
    latency_ms=Latency(None, 1.23456, 0.5, 8.0, 0.25, 10.0),
    behind_ms=1.23456,
    spikes=Spikes(0.25, 1000.0, 0.5),
    dropped=Dropped(2, 77),
)


def test_message_has_the_documented_form() -> None:
    assert ANSWER.to_message() == {
        "type": "detections",
        "seq": 3,
        "t_us": [40_000, 80_000],
        "steps": 5,
        "events": 1234,
        "latency_ms": {
            "arrive": None,
            "queue": 1.235,
            "encode": 0.5,
            "infer": 8.0,
            "post": 0.25,
            "total": 10.0,
        },
        "behind_ms": 1.235,
        "boxes": [{"xyxy": [1.23, 2.0, 30.5, 40.25], "label": "car", "score": 0.8765, "track_id": None}],
        "spikes": {"rate": 0.25, "synops": 1000.0, "energy_mj": 0.5},
        "dropped": {"steps": 2, "events": 77},
        "device": "cpu",
    }


def test_the_wire_keeps_every_bit() -> None:
    back = answer_from_wire(json.loads(json.dumps(answer_to_wire(ANSWER))), CLASSES)
    assert back is not None
    assert back.detections.xyxy.tobytes() == ANSWER.detections.xyxy.tobytes()
    assert back.detections.score.tobytes() == ANSWER.detections.score.tobytes()
    assert back.latency_ms == ANSWER.latency_ms
    assert (back.spikes, back.t_us, back.events) == (ANSWER.spikes, ANSWER.t_us, ANSWER.events)
    assert answer_from_wire(answer_to_wire(None), CLASSES) is None


def test_no_boxes_cross_the_wire_too() -> None:
    empty = Answer(0, (0, 1), 1, Detections.empty(CLASSES), 0, "cpu")
    back = answer_from_wire(json.loads(json.dumps(answer_to_wire(empty))), CLASSES)
    assert back is not None
    assert back.to_message()["boxes"] == []
