"""The JSON of an answer."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np

from model.detections import Detections
from model.tracking.tracks import TrackChange
from service.answers import Answer, Dropped, Latency, Spikes, changes_to_message
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
    clock="arrival",
    joined=3,
    track_ids=np.array([7]),
    changes=(
        TrackChange(
            "update", 7, 1, 0.87654, (1.2, 2.0, 30.5, 40.25), (-3.125, 0.0), (0.25, 0.75), 80_000, 40_000
        ),
        TrackChange("end", 3, 0, 0.5, (0.0, 1.0, 2.0, 3.0), (0.0, 0.1), (1.0, 0.0), 80_000, 0),
    ),
)


def test_message_has_the_documented_form() -> None:
    assert ANSWER.to_message() == {
        "type": "detections",
        "seq": 3,
        "t_us": [40_000, 80_000],
        "steps": 5,
        "joined": 3,
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
        "clock": "arrival",
        "boxes": [{"xyxy": [1.23, 2.0, 30.5, 40.25], "label": "car", "score": 0.8765, "track_id": 7}],
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
    assert (back.joined, back.changes) == (ANSWER.joined, ANSWER.changes)
    assert back.track_ids is not None
    assert back.track_ids.tolist() == [7]
    assert answer_from_wire(answer_to_wire(None), CLASSES) is None


def test_what_became_of_tracks_has_the_documented_form() -> None:
    first, second = changes_to_message(ANSWER)["changes"]
    assert first == {
        "change": "update",
        "track_id": 7,
        "label": "car",
        "score": 0.8765,
        "xyxy": [1.2, 2.0, 30.5, 40.25],
        "velocity_px_s": [-3.12, 0.0],
        "votes": {"person": 0.25, "car": 0.75},
        "age_ms": 40.0,
    }
    assert (second["change"], second["track_id"], second["label"]) == ("end", 3, "person")
    assert json.loads(json.dumps(changes_to_message(ANSWER))) == changes_to_message(ANSWER)


def test_a_box_without_a_track_has_no_id() -> None:
    for ids in (None, np.array([0])):
        (box,) = replace(ANSWER, track_ids=ids).to_message()["boxes"]
        assert box["track_id"] is None


def test_no_boxes_cross_the_wire_too() -> None:
    empty = Answer(0, (0, 1), 1, Detections.empty(CLASSES), 0, "cpu")
    back = answer_from_wire(json.loads(json.dumps(answer_to_wire(empty))), CLASSES)
    assert back is not None
    assert back.to_message()["boxes"] == []
    assert (back.track_ids, back.changes) == (None, ())
