"""EVT words, one by one: time loops, jitter, vectors, words over blocks, words to skip."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from streaming.errors import BackwardTime, BrokenRecording, EventsOutsideSensor, SizeUnknown
from streaming.events import Events
from streaming.readers import words as blocks
from streaming.sources import open_recording
from tests.streaming.made import WIDTH, make_evt3, make_evt21, same, some_events

HEADER = b"%% evt %s\n%% geometry 640x480\n%% end\n"
EVT3_DATA_AT = len(HEADER % b"3.0")


def evt3(path: Path, words: Iterable[int], tail: bytes = b"") -> Path:
    path.write_bytes(HEADER % b"3.0" + np.array(list(words), "<u2").tobytes() + tail)
    return path


def evt2(path: Path, words: Iterable[int]) -> Path:
    path.write_bytes(HEADER % b"2.0" + np.array(list(words), "<u4").tobytes())
    return path


def high(ticks: int) -> int:
    return 0x8000 | ticks & 0xFFF


def low(t_us: int) -> int:
    return 0x6000 | t_us


def row(y: int) -> int:
    return y


def event(x: int, p: int = 1) -> int:
    return 0x2000 | p << 11 | x


def read(path: Path) -> Events:
    with open_recording(path) as source:
        return Events.concatenate(source.packets())


def until_error(path: Path) -> tuple[Events, BrokenRecording]:
    """Everything before the error, and the error."""
    packets: list[Events] = []
    with open_recording(path) as source, pytest.raises(BrokenRecording) as caught:
        packets.extend(source.packets())
    return Events.concatenate(packets), caught.value


def test_evt3_time_is_of_both_words_and_repeated_high_words_change_nothing(tmp_path: Path) -> None:
    words = [high(1), low(5), row(3), event(7), high(1), event(8), high(2), low(0), event(9, 0)]
    events = read(evt3(tmp_path / "a.raw", words))
    assert events.t_us.tolist() == [4101, 4101, 8192]
    assert (events.x.tolist(), events.y.tolist(), events.p.tolist()) == ([7, 8, 9], [3, 3, 3], [1, 1, 0])


def test_evt3_time_loops_every_16_seconds(tmp_path: Path) -> None:
    words = [high(0xFFF), low(0xFFF), row(0), event(0), high(0), low(1), event(1), high(0x7FF), high(0xFFE)]
    words += [event(2), high(2), event(3)]
    assert read(evt3(tmp_path / "a.raw", words)).t_us.tolist() == [
        (1 << 24) - 1,
        (1 << 24) + 1,
        (1 << 24) + (0xFFE << 12),
        (2 << 24) + (2 << 12),
    ]


def test_evt3_small_steps_back_keep_the_newest_time(tmp_path: Path) -> None:
    words = [high(1), low(811), row(0), event(0), low(800), event(1), low(812), event(2)]
    assert read(evt3(tmp_path / "a.raw", words)).t_us.tolist() == [4907, 4907, 4908]


@pytest.mark.parametrize("back", [[low(500)], [high(1)], [high(2), high(1)]])
def test_evt3_large_steps_back_are_refused(tmp_path: Path, back: list[int]) -> None:
    path = evt3(tmp_path / "a.raw", [high(2), low(700), row(0), event(5), *back, event(6)])
    events, error = until_error(path)
    assert isinstance(error, BackwardTime)
    assert events.x.tolist() == [5]
    assert f"byte {EVT3_DATA_AT + 2 * (3 + len(back))}" in str(error)


def test_evt3_vectors(tmp_path: Path) -> None:
    vectors = [0x3000 | 1 << 11 | 100, 0x4000 | 0b1000_0000_0101, 0x5000 | 0b1000_0001, 0x4000 | 1]
    events = read(evt3(tmp_path / "a.raw", [high(0), low(9), row(2), *vectors]))
    assert events.x.tolist() == [100, 102, 111, 112, 119, 120]
    assert set(events.t_us.tolist()) == {9}
    assert set(events.y.tolist()) == {2}
    assert set(events.p.tolist()) == {1}


def test_evt3_vectors_may_reach_beyond_the_sensor_but_their_events_may_not(tmp_path: Path) -> None:
    start = [high(0), low(0), row(0), 0x3000 | 636]
    assert read(evt3(tmp_path / "a.raw", [*start, 0x4000 | 0b1111])).x.tolist() == [636, 637, 638, 639]
    events, error = until_error(evt3(tmp_path / "b.raw", [*start, 0x4000 | 0b1, 0x4000 | 0b1]))
    assert isinstance(error, EventsOutsideSensor)
    assert events.x.tolist() == [636]


def test_evt3_skips_triggers_continued_and_unknown_words(tmp_path: Path) -> None:
    others = [0x7123, 0xA001, 0xE123, 0xF123, 0x1123, 0x9123, 0xB123]
    words = [high(1), *others, row(1), *others, event(4), *others, event(5)]
    assert read(evt3(tmp_path / "a.raw", words)).x.tolist() == [4, 5]


def test_evt3_that_begins_in_mid_stream_skips_what_has_no_time_or_place(tmp_path: Path) -> None:
    words = [0x4FFF, event(1), low(7), row(900), event(2), high(1), 0x4FFF, row(1), 0x4FFF, event(3)]
    events = read(evt3(tmp_path / "a.raw", words))
    assert (events.x.tolist(), events.t_us.tolist()) == ([3], [4096])


def test_half_a_word_at_the_end_is_an_error_after_all_events(tmp_path: Path) -> None:
    path = evt3(tmp_path / "a.raw", [high(1), row(1), event(4)], tail=b"\x05")
    events, error = until_error(path)
    assert events.x.tolist() == [4]
    assert f"byte {path.stat().st_size - 1}" in str(error)
    assert "cut off" in str(error)


@pytest.mark.parametrize("block_bytes", [8, 64, 1000, 1 << 20])
@pytest.mark.parametrize("packet_events", [40, 1000])
def test_blocks_and_packets_of_any_size_give_the_same_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block_bytes: int, packet_events: int
) -> None:
    events = some_events(5000, seed=2)
    monkeypatch.setattr(blocks, "BLOCK_BYTES", block_bytes)
    monkeypatch.setattr(blocks, "PACKET_EVENTS", packet_events)
    assert same(read(make_evt3(tmp_path / "3.raw", events)), events)
    assert same(read(make_evt21(tmp_path / "21.raw", events)), events)


def test_evt2_time_loops_every_five_hours(tmp_path: Path) -> None:
    last = (1 << 28) - 1
    words = [8 << 28 | last, 1 << 28 | 63 << 22 | 5 << 11 | 6, 8 << 28 | 0, 1 << 22 | 7 << 11 | 8]
    events = read(evt2(tmp_path / "a.raw", words))
    assert events.t_us.tolist() == [(1 << 34) - 1, (1 << 34) + 1]
    assert (events.x.tolist(), events.y.tolist(), events.p.tolist()) == ([5, 7], [6, 8], [1, 0])


def test_evt2_skips_what_has_no_time_and_what_is_no_event(tmp_path: Path) -> None:
    words = [1 << 28 | 9, 0xA000_0001, 8 << 28 | 1, 0xE000_0001, 0xF000_0001, 0xA000_0001, 1 << 28 | 3]
    events = read(evt2(tmp_path / "a.raw", words))
    assert (events.y.tolist(), events.t_us.tolist()) == ([3], [64])


def test_evt2_faults_tell_their_byte(tmp_path: Path) -> None:
    good = [8 << 28 | 100, 1 << 28 | 5 << 11]
    outside, error = until_error(evt2(tmp_path / "a.raw", [*good, 1 << 28 | WIDTH << 11]))
    assert isinstance(error, EventsOutsideSensor)
    assert (len(outside), f"byte {EVT3_DATA_AT + 8}" in str(error)) == (1, True)
    backward, error = until_error(evt2(tmp_path / "b.raw", [*good, 8 << 28 | 97, 1 << 28]))
    assert isinstance(error, BackwardTime)
    assert len(backward) == 1


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("header", [None, HEADER % b"2.1"])
def test_evt21_halves_in_either_order(tmp_path: Path, legacy: bool, header: bytes | None) -> None:
    events = some_events(3000, seed=4)
    assert same(read(make_evt21(tmp_path / "a.raw", events, legacy=legacy, header=header)), events)


def test_evt21_masks_hold_up_to_32_events(tmp_path: Path) -> None:
    words = np.array([8 << 60 | 2 << 32, 1 << 60 | 3 << 54 | 96 << 43 | 7 << 32 | 0x8000_0101], "<u8")
    path = tmp_path / "a.raw"
    path.write_bytes(HEADER % b"2.1" + words.tobytes())
    events = read(path)
    assert (events.x.tolist(), set(events.t_us.tolist()), set(events.y.tolist())) == (
        [96, 104, 127],
        {131},
        {7},
    )


def test_evt21_masks_beyond_the_sensor_are_refused(tmp_path: Path) -> None:
    words = np.array([8 << 60, 1 << 60 | 608 << 43 | 0x8000_0000, 1 << 60 | 640 << 43 | 1], "<u8")
    path = tmp_path / "a.raw"
    path.write_bytes(HEADER % b"2.1" + words.tobytes())
    events, error = until_error(path)
    assert isinstance(error, EventsOutsideSensor)
    assert events.x.tolist() == [639]


@pytest.mark.parametrize(
    ("header", "size", "source"),
    [
        (b"% evt 3.0\n% plugin_name hal_plugin_gen3_fx3\n", (640, 480), "sensor"),
        (b"% evt 3.0\n% plugin_name hal_plugin_gen31_fx3\n", (640, 480), "sensor"),
        (b"% evt 3.0\n% plugin_name hal_plugin_gen41_evk3\n", (1280, 720), "sensor"),
        (b"% evt 3.0\n% plugin_name hal_plugin_imx636_evk4\n", (1280, 720), "sensor"),
        (b"% evt 3.0\n% sensor_generation 4.2\n", (1280, 720), "sensor"),
        (b"% evt 3.0\n% sensor_name GenX320\n", (320, 320), "sensor"),
        (b"% format EVT3;height=320;width=320\n% sensor_name IMX636\n% end\n", (320, 320), "file"),
        (b"% evt 3.0\n% geometry 304x240\n", (304, 240), "file"),
    ],
)
def test_size_by_the_header(tmp_path: Path, header: bytes, size: tuple[int, int], source: str) -> None:
    path = tmp_path / "a.raw"
    path.write_bytes(header)
    with open_recording(path) as recording:
        assert (recording.info.width, recording.info.height) == size
        assert recording.info.size_source == source
        assert len(Events.concatenate(recording.packets())) == 0


def test_size_by_the_caller_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.raw"
    path.write_bytes(b"% evt 2.0\n% plugin_name something_else\n")
    with pytest.raises(SizeUnknown, match=r"--width and --height"):
        open_recording(path)
    with open_recording(path, width=304, height=240) as recording:
        assert (recording.info.width, recording.info.size_source) == (304, "caller")


def test_a_time_word_that_begins_like_a_header_line_is_data(tmp_path: Path) -> None:
    path = tmp_path / "a.raw"
    words = np.array([high(0x025), high(0x025), row(1), event(3)], "<u2")
    path.write_bytes(b"% evt 3.0\n% geometry 640x480\n" + words.tobytes())
    assert read(path).x.tolist() == [3]
