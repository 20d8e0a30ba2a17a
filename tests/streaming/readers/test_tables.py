"""NPY, NPZ and text: names, orders, units, layouts, cuts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from streaming.errors import BrokenRecording
from streaming.events import MAX_PACKET_EVENTS, Events
from streaming.readers import csv_text
from streaming.sources import open_recording
from tests.streaming.made import columns_of, same, some_events

EVENTS = some_events(4000, seed=1)


def read(path: Path, **options: int) -> Events:
    with open_recording(path, **options) as source:
        return Events.concatenate(source.packets())


def until_error(path: Path) -> tuple[Events, str]:
    packets: list[Events] = []
    with open_recording(path) as source, pytest.raises(BrokenRecording) as caught:
        packets.extend(source.packets())
    return Events.concatenate(packets), str(caught.value)


def saved(path: Path, array: NDArray[Any]) -> Path:
    np.save(path, array)
    return path


def structured(t: str, x: str, y: str, p: str, kinds: str = "i8 u2 u2 u1") -> NDArray[Any]:
    names, types = (t, x, y, p), kinds.split()
    rows = np.empty(len(EVENTS), list(zip(names, types, strict=True)))
    rows[t], rows[x], rows[y], rows[p] = EVENTS.t_us, EVENTS.x, EVENTS.y, EVENTS.p
    return rows


@pytest.mark.parametrize("time", ["t", "ts", "timestamp", "Timestamp"])
@pytest.mark.parametrize("polarity", ["p", "pol", "polarity"])
def test_structured_arrays_by_their_names(tmp_path: Path, time: str, polarity: str) -> None:
    assert same(read(saved(tmp_path / "a.npy", structured(time, "x", "y", polarity))), EVENTS)


@pytest.mark.parametrize("kinds", ["u8 i4 i4 ?", "f8 f4 f4 i1", ">i8 >u2 >u2 u1", "u4 i2 i2 i8"])
def test_structured_arrays_of_any_numbers(tmp_path: Path, kinds: str) -> None:
    assert same(read(saved(tmp_path / "a.npy", structured("t", "x", "y", "p", kinds))), EVENTS)


@pytest.mark.parametrize("kind", ["int64", "int32", "uint32", "float64"])
@pytest.mark.parametrize("layout", ["rows", "columns", "rows-fortran", "columns-fortran"])
def test_four_columns_in_any_layout(tmp_path: Path, layout: str, kind: str) -> None:
    table = columns_of(EVENTS).astype(kind)
    array = {
        "rows": table,
        "columns": np.ascontiguousarray(table.T),
        "rows-fortran": np.asfortranarray(table),
        "columns-fortran": np.asfortranarray(table.T),
    }[layout]
    assert same(read(saved(tmp_path / "a.npy", array)), EVENTS)
    np.savez(tmp_path / "b.npz", events=array)
    assert same(read(tmp_path / "b.npz"), EVENTS)


@pytest.mark.parametrize("order", ["txyp", "xytp", "xypt", "ptxy", "tpxy"])
def test_nameless_columns_by_their_content(tmp_path: Path, order: str) -> None:
    table = columns_of(EVENTS)[:, ["txyp".index(role) for role in order]]
    assert same(read(saved(tmp_path / "a.npy", table)), EVENTS)


def test_polarity_minus_one_is_off(tmp_path: Path) -> None:
    table = columns_of(EVENTS)
    table[:, 3] = table[:, 3] * 2 - 1
    assert same(read(saved(tmp_path / "a.npy", table)), EVENTS)


def test_fractions_of_time_are_seconds(tmp_path: Path) -> None:
    table = columns_of(EVENTS).astype(np.float64)
    table[:, 0] /= 1e6
    assert same(read(saved(tmp_path / "a.npy", table)), EVENTS)
    named = structured("t_ns", "x", "y", "p")
    named["t_ns"] *= 1000
    assert same(read(saved(tmp_path / "b.npy", named)), EVENTS)


def test_a_named_unit_is_believed_whatever_the_numbers(tmp_path: Path) -> None:
    fractions = [(t_us + 0.25, x, y, p) for t_us, x, y, p in columns_of(EVENTS).tolist()]
    fields = [("t_us", "<f8"), ("x", "<u2"), ("y", "<u2"), ("p", "u1")]
    assert same(read(saved(tmp_path / "a.npy", np.array(fractions, fields))), EVENTS)


def test_long_arrays_come_in_bounded_packets(tmp_path: Path) -> None:
    events = some_events(2 * MAX_PACKET_EVENTS + 5, seed=2)
    with open_recording(saved(tmp_path / "a.npy", np.asfortranarray(columns_of(events)))) as source:
        packets = list(source.packets())
    assert [len(packet) for packet in packets] == [MAX_PACKET_EVENTS, MAX_PACKET_EVENTS, 5]
    assert same(Events.concatenate(packets), events)


def test_a_cut_array_gives_its_whole_rows_first(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.npy", columns_of(EVENTS))
    whole = path.read_bytes()
    path.write_bytes(whole[: 128 + 1000 * 32 + 7])
    with pytest.raises(BrokenRecording, match="row 1000"):
        open_recording(path)  # the size is found by a first pass
    packets: list[Events] = []
    with (
        open_recording(path, width=640, height=480) as source,
        pytest.raises(BrokenRecording, match="byte 32128"),
    ):
        packets.extend(source.packets())
    assert same(Events.concatenate(packets), EVENTS[:1000])


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((10, 3)), "shape"),
        (np.zeros(10), "shape"),
        (np.zeros((10, 4), complex), "complex"),
        (np.zeros(10, [("a", "i4"), ("b", "i4")]), "fields a, b"),
        (columns_of(EVENTS) * [1, 1, 1, 7], "polarity 7"),
        (columns_of(EVENTS) - np.array([0, -0.5, 0, 0]), "fractions"),
        (columns_of(EVENTS) * [np.nan, 1, 1, 1], "no time"),
    ],
)
def test_arrays_that_are_no_events(tmp_path: Path, array: NDArray[Any], message: str) -> None:
    with pytest.raises(BrokenRecording, match=message):
        read(saved(tmp_path / "a.npy", array), width=640, height=480)


def test_npz_of_columns_and_of_several_arrays(tmp_path: Path) -> None:
    columns = {"timestamp": EVENTS.t_us, "x": EVENTS.x, "y": EVENTS.y, "polarity": EVENTS.p}
    np.savez_compressed(tmp_path / "a.npz", **columns, label=np.array(3))
    assert same(read(tmp_path / "a.npz"), EVENTS)
    np.savez(tmp_path / "b.npz", boxes=np.zeros((5, 7)), events=columns_of(EVENTS))
    assert same(read(tmp_path / "b.npz"), EVENTS)
    np.savez(tmp_path / "c.npz", boxes=np.zeros((5, 7)), names=np.zeros(3))
    with pytest.raises(BrokenRecording, match="boxes, names"):
        read(tmp_path / "c.npz")
    np.savez(tmp_path / "d.npz", **{**columns, "x": EVENTS.x[:-1]})
    with pytest.raises(BrokenRecording, match="must be equal"):
        read(tmp_path / "d.npz")


def text(path: Path, *lines: str, columns: str = "txyp", separator: str = ",", seconds: bool = False) -> Path:
    table = columns_of(EVENTS)
    cells = {role: [str(value) for value in table[:, index]] for index, role in enumerate("txyp")}
    if seconds:
        cells["t"] = [f"{value / 1e6:.6f}" for value in table[:, 0]]
    rows = zip(*(cells[role] for role in columns), strict=True)
    path.write_text("\n".join([*lines, *(separator.join(row) for row in rows)]) + "\n")
    return path


@pytest.mark.parametrize("separator", [",", ";", " ", "\t", ", ", "  "])
@pytest.mark.parametrize("seconds", [False, True])
def test_text_without_header(tmp_path: Path, separator: str, seconds: bool) -> None:
    assert same(read(text(tmp_path / "a.txt", separator=separator, seconds=seconds)), EVENTS)


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        ("t,x,y,p", "txyp"),
        ("x,y,polarity,timestamp", "xypt"),
        ("# timestamp x y pol", "txyp"),
        ('"p","t","x","y"', "ptxy"),
        ("\ufeffx,y,p,t", "xypt"),
    ],
)
def test_text_by_its_header(tmp_path: Path, header: str, columns: str) -> None:
    assert same(read(text(tmp_path / "a.csv", header, columns=columns)), EVENTS)


def test_text_with_a_size_line_comments_and_blank_lines(tmp_path: Path) -> None:
    path = text(tmp_path / "a.txt", "# made by hand", "", "700 500", "", separator=" ", seconds=True)
    path.write_text(path.read_text() + "# the end\n\n")
    with open_recording(path) as source:
        assert (source.info.width, source.info.height, source.info.size_source) == (700, 500, "file")
        assert same(Events.concatenate(source.packets()), EVENTS)


def test_text_with_windows_line_ends_and_no_last_one(tmp_path: Path) -> None:
    path = text(tmp_path / "a.csv", "t,x,y,p")
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n")[:-2])
    assert same(read(path), EVENTS)


def test_text_over_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_text, "BLOCK_BYTES", 100)
    assert same(read(text(tmp_path / "a.csv", "t,x,y,p")), EVENTS)


@pytest.mark.parametrize("line", ["5000,1,1", "5000,1,1,1,1", "5000,one,1,1", "5000,,1,1", "nan,1,1,1"])
def test_a_faulty_line_is_told_by_its_byte_after_all_rows_before_it(tmp_path: Path, line: str) -> None:
    path = text(tmp_path / "a.csv", "t,x@640,y@480,p")
    size = path.stat().st_size
    path.write_text(path.read_text() + f"{line}\n{10**9},1,1,1\n")
    events, message = until_error(path)
    assert same(events, EVENTS)
    assert f"byte {size}" in message or ("nan" in line and "no time" in message)
