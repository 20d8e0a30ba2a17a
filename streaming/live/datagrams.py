"""Events in UDP datagrams: the layouts that are read and sent, and decoding of many datagrams at once.

===================  ====================================================================================
evt0                 one pack of `streaming/packed.py` a datagram: it can be told from anything else
t64_x16_y16_on8      faery's default ("faery"): t u64 us, x u16, y u16, on u8; 13 bytes an event, no header
t32_x16_y15_on1      faery's short form: t u32 us that wraps, x u16, y and on in a u16; 8 bytes an event
===================  ====================================================================================

All little-endian. Times do not decrease within a datagram.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from streaming import packed
from streaming.errors import BrokenRecording
from streaming.events import Events, Int64Array
from streaming.packed import FARTHEST_US

PAYLOAD_BYTES: Final = 1472
"""Most that crosses an Ethernet in one piece."""
WRAP_US: Final = 1 << 32

Records = np.ndarray[tuple[int], np.dtype[Any]]


class Layout(Protocol):
    """How events lie in a datagram.

    Attributes:
        name: in the option `format`.
        record: one event.
    """

    name: str
    record: np.dtype[Any]

    def split(self, datagram: bytes) -> tuple[bytes, int]:
        """The bytes of the records, and the time that theirs count from, microseconds.

        Raises:
            BrokenRecording: not a datagram of this layout.
        """
        ...

    def events(self, records: Records, base_us: Int64Array, newest_us: int | None) -> Events:
        """`records` as events, in no way checked; `base_us` for each, `newest_us` the last one known."""
        ...

    def datagrams(self, events: Events) -> Iterator[bytes]:
        """`events` as datagrams of at most PAYLOAD_BYTES."""
        ...


class Evt0:
    """Our own packs."""

    name = "evt0"
    record = packed.RECORD

    def split(self, datagram: bytes) -> tuple[bytes, int]:
        _, base_us = packed.read_header(datagram)
        return datagram[packed.HEADER_BYTES :], base_us

    def events(self, records: Records, base_us: Int64Array, newest_us: int | None) -> Events:
        return Events.of(records["dt"] + base_us, records["x"], records["y"], records["p"])

    def datagrams(self, events: Events) -> Iterator[bytes]:
        most = (PAYLOAD_BYTES - packed.HEADER_BYTES) // packed.RECORD_BYTES
        begin = 0
        while begin < len(events):
            last_us = int(events.t_us[begin]) + packed.LONGEST_US
            end = min(begin + most, int(np.searchsorted(events.t_us, last_us, side="right")))
            yield packed.pack(events[begin:end])
            begin = end


class FaeryLong:
    """faery's `t64_x16_y16_on8`."""

    name = "t64_x16_y16_on8"
    record = np.dtype([("t", "<u8"), ("x", "<u2"), ("y", "<u2"), ("on", "u1")])

    def split(self, datagram: bytes) -> tuple[bytes, int]:
        return _whole_records(datagram, self.record.itemsize, self.name), 0

    def events(self, records: Records, base_us: Int64Array, newest_us: int | None) -> Events:
        # Times beyond int64 stay absurd, and are refused as such.
        t_us = np.minimum(records["t"], np.uint64(2 * FARTHEST_US))
        return Events.of(t_us, records["x"], records["y"], records["on"])

    def datagrams(self, events: Events) -> Iterator[bytes]:
        records = np.empty(len(events), self.record)
        records["t"], records["x"], records["y"] = events.t_us, events.x, events.y
        records["on"] = events.p
        yield from _cut(records)


class FaeryShort:
    """faery's `t32_x16_y15_on1`: whole times are those nearest to the newest one known."""

    name = "t32_x16_y15_on1"
    record = np.dtype([("t", "<u4"), ("x", "<u2"), ("y_on", "<u2")])

    def split(self, datagram: bytes) -> tuple[bytes, int]:
        return _whole_records(datagram, self.record.itemsize, self.name), 0

    def events(self, records: Records, base_us: Int64Array, newest_us: int | None) -> Events:
        t_us = records["t"].astype(np.int64)
        near_us = int(t_us[0]) if newest_us is None else newest_us
        t_us = near_us + (t_us - near_us + WRAP_US // 2) % WRAP_US - WRAP_US // 2
        return Events.of(t_us, records["x"], records["y_on"] >> 1, records["y_on"] & 1)

    def datagrams(self, events: Events) -> Iterator[bytes]:
        records = np.empty(len(events), self.record)
        records["t"], records["x"] = events.t_us % WRAP_US, events.x
        records["y_on"] = events.y << 1 | events.p
        yield from _cut(records)


LAYOUTS: Final[Mapping[str, Layout]] = {
    "evt0": Evt0(),
    "faery": FaeryLong(),
    "t64_x16_y16_on8": FaeryLong(),
    "t32_x16_y15_on1": FaeryShort(),
}
"""By the names of the option `format`."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What several datagrams held.

    Attributes:
        events: of the good ones, in the order of arrival; times may decrease from datagram to datagram.
        starts: where each good one begins in `events`.
        malformed: how many were refused.
        complaint: about the last of those, None where all were good.
    """

    events: Events
    starts: list[int]
    malformed: int
    complaint: BrokenRecording | None


def decode(
    datagrams: Sequence[bytes], layout: Layout, width: int, height: int, newest_us: int | None
) -> Decoded:
    """The events of `datagrams`. One that is broken, or holds one impossible event, is refused whole.

    Args:
        datagrams: as they came.
        layout: of all of them.
        width, height: size of the sensor, pixels.
        newest_us: time of the newest event known, None before the first.
    """
    payloads: list[bytes] = []
    bases: list[int] = []
    malformed, complaint = 0, None
    for datagram in datagrams:
        try:
            payload, base_us = layout.split(datagram)
        except BrokenRecording as error:
            malformed, complaint = malformed + 1, error
            continue
        if payload:
            payloads.append(payload)
            bases.append(base_us)
    if not payloads:
        return Decoded(Events.empty(), [], malformed, complaint)
    counts = np.array([len(payload) for payload in payloads]) // layout.record.itemsize
    records = np.frombuffer(b"".join(payloads), layout.record)
    events = layout.events(records, np.repeat(np.array(bases, np.int64), counts), newest_us)
    starts = np.cumsum(counts) - counts
    bad = np.logical_or.reduceat(_impossible(events, starts, width, height), starts)
    if not bad.any():
        return Decoded(events, starts.tolist(), malformed, complaint)
    last = int(np.flatnonzero(bad)[-1])
    complaint = _complaint(events[starts[last] : starts[last] + counts[last]], width, height)
    good = counts[~bad]
    kept = events[~np.repeat(bad, counts)]
    return Decoded(kept, (np.cumsum(good) - good).tolist(), malformed + int(bad.sum()), complaint)


def _impossible(events: Events, starts: NDArray[np.intp], width: int, height: int) -> NDArray[np.bool_]:
    """(N,) bool: events that no sensor of this size gives, or that come before the one before them."""
    bad: NDArray[np.bool_] = (events.x >= width) | (events.y >= height) | (events.p > 1)
    bad |= np.abs(events.t_us) > FARTHEST_US
    falls = np.zeros(len(events), bool)
    falls[1:] = events.t_us[1:] < events.t_us[:-1]
    falls[starts] = False
    return bad | falls


def _complaint(events: Events, width: int, height: int) -> BrokenRecording:
    """What is wrong with the events of one datagram."""
    x, y = int(events.x.max()), int(events.y.max())
    if x >= width or y >= height:
        return BrokenRecording(f"found an event at x={x}, y={y} outside the {width} x {height} sensor")
    if int(events.p.max()) > 1:
        return BrokenRecording(f"found polarity {int(events.p.max())}; polarity is 0 (OFF) or 1 (ON)")
    return BrokenRecording("found times that decrease within a datagram, or that are absurd")


def _whole_records(datagram: bytes, record_bytes: int, name: str) -> bytes:
    if len(datagram) % record_bytes:
        raise BrokenRecording(
            f"found a datagram of {len(datagram)} bytes; events of {name} have {record_bytes} bytes each"
        )
    return datagram


def _cut(records: Records) -> Iterator[bytes]:
    most = PAYLOAD_BYTES // records.dtype.itemsize
    for begin in range(0, len(records), most):
        yield records[begin : begin + most].tobytes()
