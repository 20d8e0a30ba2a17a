"""AEDAT4 (iniVation), decoded by `aedat`.

After the public format description: the line `#!AER-DAT4.0`, a size-prefixed flatbuffer "IOHE" (compression,
position of the file table, XML description), then packets of int32 stream, uint32 size and that many bytes,
up to the file table. The library takes the sizes of packets on trust and panics on some; so each packet's
header is checked against the file before the library reaches it. Of several event streams the first is read.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from io import BufferedReader
from typing import Any

import aedat
from numpy.typing import NDArray

from streaming.errors import BrokenRecording
from streaming.events import Events
from streaming.readers.recording import Recording
from streaming.readers.sizes import Size, recorded_size
from streaming.source import SourceInfo

MAGIC = b"#!AER-DAT4.0\r\n"
MAX_DESCRIPTION_BYTES = 1 << 20
MAX_PACKET_BYTES = 1 << 26
PACKET = struct.Struct("<iI")
SOURCE = re.compile(rb'key="source"[^>]*>\s*([^<\x00]{1,80}?)\s*<')


class Aedat4Recording(Recording):
    """Reader of AEDAT4 files."""

    format = "aedat4"
    _file: BufferedReader
    _decoder: Any
    _stream: int
    _end: int
    _at: int
    _table_at: int

    def fraction(self) -> float:
        return self._at / max(1, self._end)

    def _open(self, opened: ExitStack, stated: Size | None) -> SourceInfo:
        self._file = opened.enter_context(self.path.open("rb"))
        size = self.path.stat().st_size
        description, self._table_at = self._read_description()
        self._at = self._file.tell()
        self._end = self._table_at if self._at <= self._table_at <= size else size
        self._decoder = self._guarded(lambda: aedat.Decoder(self.path), self._at)
        self._stream, sensor_size = self._event_stream()
        source = SOURCE.search(description)
        sensor = source.group(1).decode("utf-8", "replace") if source else None
        return SourceInfo(self.format, sensor_size.width, sensor_size.height, sensor=sensor)

    def _read_description(self) -> tuple[bytes, int]:
        """The flatbuffer that begins the file, and the byte where packets end (-1 where it does not say)."""
        head = self._file.read(len(MAGIC) + 4)
        if len(head) < len(MAGIC) + 4 or not head.startswith(MAGIC):
            raise BrokenRecording(f"{self.name}: is cut off or damaged in its first {len(MAGIC) + 4} bytes")
        (length,) = struct.unpack_from("<I", head, len(MAGIC))
        if length > MAX_DESCRIPTION_BYTES:
            raise BrokenRecording(
                f"{self.name}: its description claims {length} bytes; {MAX_DESCRIPTION_BYTES} are allowed"
            )
        description = self._file.read(length)
        if len(description) < length:
            raise BrokenRecording(f"{self.name}: is cut off at byte {self._file.tell()}, in its description")
        return description, _table_position(description)

    def _event_stream(self) -> tuple[int, Size]:
        streams = self._decoder.id_to_stream()
        events = sorted(key for key, stream in streams.items() if stream["type"] == "events")
        if not events:
            kinds = ", ".join(sorted({stream["type"] for stream in streams.values()})) or "nothing"
            raise BrokenRecording(f"{self.name}: holds {kinds}, but no events")
        first = streams[events[0]]
        return events[0], recorded_size(int(first["width"]), int(first["height"]), self.name)

    def _read(self) -> Iterator[Events]:
        while self._at < self._end:
            begins_at = self._at
            self._at += self._check_packet(begins_at)
            packet = self._guarded(lambda: next(self._decoder, None), begins_at)
            if packet is None:
                break
            if packet["stream_id"] == self._stream and "events" in packet:
                yield _to_events(packet["events"])
        if self._table_at > self._end:
            raise BrokenRecording(
                f"{self.name}: its header says that packets reach to byte {self._table_at}, but it ends at "
                f"byte {self._end}; the recording was cut off there. Everything before it was read."
            )

    def _check_packet(self, at: int) -> int:
        """Length of the packet at byte `at`, its header included."""
        self._file.seek(at)
        header = self._file.read(PACKET.size)
        if len(header) < PACKET.size:
            raise self._cut(at)
        size = int(PACKET.unpack(header)[1])
        if not 0 < size <= MAX_PACKET_BYTES:
            raise BrokenRecording(
                f"{self.name}: the packet at byte {at} claims {size} bytes; "
                f"1 to {MAX_PACKET_BYTES} are allowed"
            )
        if at + PACKET.size + size > self._end:
            raise self._cut(at)
        return PACKET.size + size

    def _cut(self, at: int) -> BrokenRecording:
        return BrokenRecording(
            f"{self.name}: the packet at byte {at} reaches beyond the data, which ends at byte {self._end}; "
            "the recording was cut off there or its size is forged. Everything before it was read."
        )

    def _guarded(self, call: Any, at: int) -> Any:
        """Result of a call into the library, its errors as ours."""
        try:
            return call()
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except BaseException as error:  # a Rust panic is no Exception
            raise BrokenRecording(
                f"{self.name}: the packet at byte {at} cannot be decoded ({str(error)[:120]}); "
                "the file is damaged. Everything before it was read."
            ) from error


def _table_position(description: bytes) -> int:
    """Field 1 (int64) of the flatbuffer's root table, -1 where it is missing or leads outside."""
    try:
        (root,) = struct.unpack_from("<I", description, 0)
        (back,) = struct.unpack_from("<i", description, root)
        (offset,) = struct.unpack_from("<H", description, root - back + 6)
        (position,) = struct.unpack_from("<q", description, root + offset)
    except struct.error:
        return -1
    return int(position) if offset else -1


def _to_events(rows: NDArray[Any]) -> Events:
    return Events.of(rows["t"], rows["x"], rows["y"], rows["on"])
