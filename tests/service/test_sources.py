"""What source processes do, run here without a process; and pictures only while somebody looks."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from service.channel import Channel, encode_frame, socket_pair
from service.frames import encode_frame as events_frame
from service.live_sources import run_live, run_pushed
from service.options import Policy
from service.source_messages import EventPicture, Fault, Lost, Produced, SourceRequest
from service.sources import read_upload
from service.viewfinder import Viewfinder
from streaming.errors import BadSource, LimitExceeded
from streaming.events import Events
from streaming.limits import Limits
from streaming.ring import StepRing
from streaming.source import SourceInfo
from tests.service.recordings import HEIGHT, WIDTH, events_array, write_recording

GRID = (64, 64)
SHAPE = (2, 64, 64)
STEP_US = 8_000


class Heard:
    """An outlet that keeps what it is told, and gives slots back as a reader would."""

    def __init__(self, ring: StepRing | None = None, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.messages: list[Any] = []
        self.counts: list[Any] = []
        self._ring = ring

    def send(self, message: object) -> None:
        self.messages.append(message)
        if isinstance(message, Produced) and self._ring is not None:
            self.counts.append(self._ring.step(message.message).counts.copy())
            self._ring.release(message.message.slot)

    def of(self, kind: type) -> list[Any]:
        return [message for message in self.messages if isinstance(message, kind)]


def request_of(source: str, policy: Policy = "block", **more: Any) -> SourceRequest:
    return SourceRequest(source, STEP_US, GRID, policy, WIDTH, HEIGHT, **more)


@pytest.fixture
def ring() -> Iterator[StepRing]:
    with StepRing(SHAPE, 4) as made:
        yield made


def test_an_upload_becomes_steps_of_all_its_events(ring: StepRing, tmp_path: Path) -> None:
    path, heard = write_recording(tmp_path / "a.npy", count=300_000), Heard(ring)
    read_upload(heard, request_of(str(path)), ring.writer())  # type: ignore[arg-type]  # behaves like one
    produced = heard.of(Produced)
    assert heard.messages[0].format == "npy"
    assert [p.message.t_us[0] for p in produced] == [i * STEP_US for i in range(50)]
    assert sum(p.message.events for p in produced) == sum(int(c.sum()) for c in heard.counts) == 300_000
    progress = [p.progress for p in produced if p.progress is not None]
    assert progress == sorted(progress)
    assert 0 < progress[-1] <= 1
    assert all(p.arrive_ms is None for p in produced)


def test_an_upload_passes_no_limit(ring: StepRing, tmp_path: Path) -> None:
    path = write_recording(tmp_path / "a.npy", count=5_000)
    for limits in (Limits(max_bytes=100), Limits(max_events=10), Limits(max_duration_us=10)):
        heard = Heard(ring, limits)
        with pytest.raises(LimitExceeded):
            read_upload(heard, request_of(str(path)), ring.writer())  # type: ignore[arg-type]  # behaves like one


def test_without_a_free_slot_a_live_source_loses_steps_and_says_so(ring: StepRing, tmp_path: Path) -> None:
    path, heard = write_recording(tmp_path / "a.npy", count=5_000), Heard()
    ours, theirs = socket_pair()
    with ours, theirs:
        request = request_of(f"file://{path}", "drop_oldest")
        run_live(heard, request, ring.writer(), theirs)  # type: ignore[arg-type]  # behaves like one
    produced, lost = heard.of(Produced), heard.of(Lost)
    assert (len(produced), sum(one.steps for one in lost)) == (4, 46)
    assert sum(p.message.events for p in produced) + sum(one.events for one in lost) == 5_000


def test_arrival_is_measured_where_events_play_by_the_clock(ring: StepRing, tmp_path: Path) -> None:
    path = write_recording(tmp_path / "a.npy", duration_us=80_000, count=1_000)
    for speed, known in (("1", True), ("2", False), ("max", False)):
        heard = Heard(ring)
        ours, theirs = socket_pair()
        with ours, theirs:
            request = request_of(f"file://{path}?speed={speed}")
            run_live(heard, request, ring.writer(), theirs)  # type: ignore[arg-type]  # behaves like one
        arrivals = [p.arrive_ms for p in heard.of(Produced)[:-1]]
        assert all(arrival is not None for arrival in arrivals)
        clocks = [p.clock for p in heard.of(Produced)[:-1]]
        assert clocks == ["source" if known else "arrival"] * len(clocks)
        if known:
            assert all(arrival >= 0 for arrival in arrivals)


def test_pushed_frames_become_steps_and_bad_ones_faults(ring: StepRing) -> None:
    events = events_array(0, 40_000, 900)
    packet = Events.of(events["t"], events["x"], events["y"], events["p"])
    heard, (ours, theirs) = Heard(ring), socket_pair()
    with ours, theirs:
        ours.sendall(encode_frame({"type": "events"}, events_frame(packet[:500])))
        ours.sendall(encode_frame({"type": "events"}, b"nonsense"))
        ours.sendall(encode_frame({"type": "events"}, events_frame(packet[500:])))
        ours.close()
        run_pushed(heard, request_of("push:"), ring.writer(), theirs)  # type: ignore[arg-type]  # behaves like one
    assert sum(p.message.events for p in heard.of(Produced)) == 900
    (fault,) = heard.of(Fault)
    assert fault.error == "BadFrame"


def test_pushed_events_need_a_size(ring: StepRing) -> None:
    ours, theirs = socket_pair()
    request = SourceRequest("push:", STEP_US, GRID, "drop_oldest")
    with ours, theirs, pytest.raises(BadSource, match="width and height"):
        run_pushed(Heard(ring), request, ring.writer(), theirs)  # type: ignore[arg-type]  # behaves like one


def test_a_live_source_shows_pictures_while_it_is_asked_to(ring: StepRing, tmp_path: Path) -> None:
    path = write_recording(tmp_path / "a.npy", duration_us=400_000, count=5_000)
    heard, (ours, theirs) = Heard(ring), socket_pair()
    with ours, theirs:
        ours.sendall(encode_frame({"type": "view", "width": 32}))
        request = request_of(f"file://{path}?speed=1", picture_fps=30.0)
        run_live(heard, request, ring.writer(), theirs)  # type: ignore[arg-type]  # behaves like one
    pictures = heard.of(EventPicture)
    assert 1 <= len(pictures) <= 13
    picture = cv2.imdecode(np.frombuffer(pictures[-1].webp, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape == (24, 32, 3)


def test_a_viewfinder_makes_no_picture_for_nobody() -> None:
    viewfinder = Viewfinder(SourceInfo("test", WIDTH, HEIGHT), 1_000.0)
    some = Events.of([0, 1], [1, 2], [3, 4], [0, 1])
    assert viewfinder.add(some) is None
    viewfinder.width = 128
    assert viewfinder.add(Events.empty()) is None
    assert viewfinder.add(some) is not None
    viewfinder.width = None
    time.sleep(0.01)
    assert viewfinder.add(some) is None


def test_channels_carry_large_blobs_and_notice_the_end() -> None:
    ours, theirs = socket_pair()
    sender, receiver = Channel(ours), Channel(theirs)
    blob = bytes(range(256)) * 8_000
    thread = threading.Thread(target=sender.send, args=({"type": "events", "n": 1}, blob))
    thread.start()
    assert receiver.poll(5)
    assert receiver.recv() == ({"type": "events", "n": 1}, blob)
    thread.join()
    assert not receiver.poll(0)
    sender.close()
    with pytest.raises(Exception, match="closed the channel"):
        receiver.recv()
    receiver.close()
