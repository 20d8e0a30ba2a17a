"""Hostile files: for every format the ways a file can be wrong, and the errors that each may end in."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np

from streaming.errors import (
    BackwardTime,
    BrokenRecording,
    EventsOutsideSensor,
    LimitExceeded,
    SizeUnknown,
    StreamingError,
    UnknownFormat,
    UnsupportedEncoding,
)
from streaming.events import Events
from tests.streaming.made import HEIGHT, MAKERS, WIDTH, make, some_events

Make: TypeAlias = Callable[[Path], Path]
Change: TypeAlias = Callable[[bytes], bytes]
Expect: TypeAlias = tuple[type[StreamingError], ...]

EVENTS = some_events(20_000, seed=11)
FLIPS = 15
ENDLESS = 5 << 20
TEXT = b"Dear reader,\nthis is a letter and no recording.\n" * 50
BROKEN = (UnknownFormat, UnsupportedEncoding, BrokenRecording, EventsOutsideSensor, BackwardTime)
ANY = (*BROKEN, SizeUnknown, LimitExceeded)
TEXT_HEADERS = ("evt2", "evt21", "evt3", "dat")
QUIET_ENDS = ("evt2", "evt21", "evt3", "dat", "es", "csv")
"""Formats without a length or a checksum: a cut between two events cannot be seen."""


@dataclass(frozen=True, slots=True)
class Attack:
    """One hostile file.

    Attributes:
        name: unique.
        format: the format whose reader it is aimed at.
        make: writes the file into a folder and returns its path.
        expect: the errors that reading it may end in, each by its own class.
        may_pass: the damage need not show: whole and valid events are right too.
    """

    name: str
    format: str
    make: Make
    expect: Expect
    may_pass: bool = False

    def __str__(self) -> str:
        return self.name


def written(folder: Path, *, format: str, content: bytes) -> Path:
    """A file of that content, named as recordings of the format are."""
    path = folder / f"hostile{MAKERS[format][0]}"
    path.write_bytes(content)
    return path


def changed(folder: Path, *, format: str, change: Change) -> Path:
    """A good recording with its bytes changed."""
    path = make(folder, format, EVENTS, name="hostile")
    path.write_bytes(change(path.read_bytes()))
    return path


def of_events(folder: Path, *, format: str, events: Events) -> Path:
    """A recording of bad events by an encoder that does not mind."""
    return make(folder, format, events, name="hostile")


def data_at(format: str, content: bytes) -> int:
    """The byte at which the header of a good recording ends, or about so."""
    if format in TEXT_HEADERS:
        match = re.match(rb"(%[^\n]*\n)+", content)
        assert match
        return match.end() + 2 * (format == "dat")
    if format == "aedat4":
        return int(18 + struct.unpack_from("<I", content, 14)[0])
    if format == "csv":
        return content.index(b"\n") + 1
    return {"es": 20, "npy": 128, "npz": 64, "hdf5": 96}[format]


def _flipped(content: bytes, seed: int) -> bytes:
    bit = int(np.random.default_rng(seed).integers(0, len(content) * 8))
    damaged = bytearray(content)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


def _half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _header_only(content: bytes, format: str) -> bytes:
    return content[: data_at(format, content)]


def _random_body(content: bytes, format: str) -> bytes:
    return _header_only(content, format) + np.random.default_rng(5).bytes(1 << 16)


def replaced(content: bytes, old: bytes, new: bytes) -> bytes:
    """The content with one thing in it replaced."""
    assert old in content
    return content.replace(old, new, 1)


def _common(format: str) -> Iterator[Attack]:
    """What every format meets."""
    quiet = format in QUIET_ENDS

    def content(name: str, what: bytes, expect: Expect = (UnknownFormat,)) -> Attack:
        return Attack(f"{format}-{name}", format, partial(written, format=format, content=what), expect)

    def change(name: str, how: Change, expect: Expect, may_pass: bool = False) -> Attack:
        return Attack(
            f"{format}-{name}", format, partial(changed, format=format, change=how), expect, may_pass
        )

    yield content("empty", b"")
    yield content("text", TEXT)
    yield content("picture", b"\x89PNG\r\n\x1a\n" + bytes(5000))
    yield change("one-byte", lambda good: good[:1], (UnknownFormat, BrokenRecording))
    yield change("half", _half, BROKEN, may_pass=quiet)
    yield change("cut-by-one", lambda good: good[:-1], BROKEN, may_pass=format in ("csv", "aedat4"))
    yield change("header-only", partial(_header_only, format=format), (*BROKEN, SizeUnknown), may_pass=quiet)
    yield change("random-body", partial(_random_body, format=format), BROKEN)
    for seed in range(FLIPS):
        flip = partial(_flipped, seed=seed)
        yield change(f"flip-{seed}", flip, ANY, may_pass=True)


def _endless(format: str, content: bytes) -> bytes:
    """A header that never ends."""
    filler = b"a" * ENDLESS
    return {
        "aedat4": content[:14] + struct.pack("<I", 0x7FFFFFFF) + filler,
        "csv": b"t,x,y,p," + filler,
        "es": content[:20] + b"\xff" * ENDLESS,
        "npy": b"\x93NUMPY\x02\x00" + struct.pack("<I", 0x7FFFFFFF) + filler,
        "npz": content[:26] + b"\xff\xff\xff\xff" + filler,
        "hdf5": content[:8] + filler,
    }.get(format, b"% " + filler)


def _backward() -> Events:
    events = EVENTS[:5000]
    later = Events(events.t_us + 3_000_000, events.x, events.y, events.p)
    return Events.concatenate([later, events])


def _outside() -> Events:
    events = EVENTS[:5000]
    x, y = events.x.copy(), events.y.copy()
    x[2500], y[2500] = 60_000, HEIGHT
    return Events(events.t_us, x, y, events.p)


def _by_all() -> Iterator[Attack]:
    for format in MAKERS:
        yield from _common(format)
        endless = partial(changed, format=format, change=partial(_endless, format))
        yield Attack(f"{format}-endless-header", format, endless, BROKEN, may_pass=format == "es")
    for format in ("npy", "npz", "hdf5"):
        # NPY and NPZ have no size of their own: no sensor reaches that far, or the caller's does not.
        expect = (EventsOutsideSensor,) if format == "hdf5" else (BrokenRecording, EventsOutsideSensor)
        yield Attack(
            f"{format}-outside", format, partial(of_events, format=format, events=_outside()), expect
        )
        backward = partial(of_events, format=format, events=_backward())
        yield Attack(f"{format}-backward", format, backward, (BackwardTime,))


def _by_bytes() -> Iterator[Attack]:
    """Damage that only makes sense in the bytes of one format."""

    def bytes_of(format: str, name: str, how: Change, *expect: type[StreamingError]) -> Attack:
        return Attack(f"{format}-{name}", format, partial(changed, format=format, change=how), expect)

    def twice(content: bytes, format: str) -> bytes:
        return content + content[data_at(format, content) :]

    for format in ("evt2", "evt21", "dat", "csv"):
        yield bytes_of(format, "backward", partial(twice, format=format), BackwardTime)
    late = b"\x00\x88\x00\x60"  # TIME_HIGH 0x800, then everything again from 0
    yield bytes_of("evt3", "backward", lambda good: twice(good + late, "evt3"), BackwardTime)
    smaller = partial(replaced, old=b"640", new=b"320")
    for format in ("evt2", "evt21", "evt3"):
        yield bytes_of(format, "outside", smaller, EventsOutsideSensor)
        yield bytes_of(format, "giant-sensor", partial(replaced, old=b"640", new=b"999999"), BrokenRecording)
    yield bytes_of(
        "evt3", "unknown-encoding", partial(replaced, old=b"EVT3", new=b"EVT9"), UnsupportedEncoding
    )
    yield bytes_of("dat", "outside", partial(replaced, old=b"640", new=b"320"), EventsOutsideSensor)
    yield bytes_of(
        "dat", "event-type", partial(replaced, old=b"\x0c\x08", new=b"\x0e\x08"), UnsupportedEncoding
    )
    yield bytes_of("csv", "outside", smaller, EventsOutsideSensor)
    yield bytes_of("csv", "endless-line", lambda good: good + b"1" * ENDLESS, BrokenRecording)
    yield bytes_of("csv", "nan", lambda good: good + b"nan,1,1,1\n", BrokenRecording)
    size = struct.pack("<HH", WIDTH, HEIGHT)
    yield bytes_of(
        "es", "outside", partial(replaced, old=size, new=struct.pack("<HH", 320, 240)), EventsOutsideSensor
    )
    yield bytes_of("es", "other-type", lambda good: good[:15] + b"\x02" + good[16:], UnsupportedEncoding)
    yield bytes_of("es", "no-size", lambda good: good[:16] + bytes(4) + good[20:], BrokenRecording)
    for name, claim in (("zero", 0), ("forged", 0x7FFFFFFF), ("longer", 200_000)):
        forge = partial(_aedat4_packet_of, claim=claim)
        yield bytes_of("aedat4", f"{name}-packet", forge, BrokenRecording)


def _aedat4_packet_of(content: bytes, claim: int) -> bytes:
    """The second packet claims another size."""
    first = data_at("aedat4", content)
    second = first + 8 + struct.unpack_from("<I", content, first + 4)[0]
    return content[: second + 4] + struct.pack("<I", claim) + content[second + 8 :]


def attacks() -> list[Attack]:
    """Every hostile file of every format."""
    from tests.streaming.bombs import BOMBS

    return [*_by_all(), *_by_bytes(), *(Attack(*bomb) for bomb in BOMBS)]


ATTACKS: list[Attack] = attacks()
