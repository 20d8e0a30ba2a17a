"""`RawRecording`: what Prophesee RAW files of all encodings share, and how the encoding is told."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from streaming.errors import BrokenRecording
from streaming.readers.prophesee_header import Header, read_header
from streaming.readers.sizes import Size, size_unknown
from streaming.readers.words import WordRecording
from streaming.source import SourceInfo

FARTHEST_US = 1 << 60
OFFSET_KEY = "t_offset_us"
"""Header key by which our own writer keeps absolute times that do not fit the encoding's time loop."""


class RawRecording(WordRecording):
    """A Prophesee header, then EVT words."""

    header: Header

    def _open(self, opened: ExitStack, stated: Size | None) -> SourceInfo:
        self.header = read_header(self._open_file(opened), self.name)
        self.offset_us = self._stated_offset()
        return raw_info(self.format, self.header, stated, self.path)

    def _stated_offset(self) -> int:
        text = self.header.fields.get(OFFSET_KEY, "0")
        try:
            offset = int(text)
        except ValueError:
            offset = FARTHEST_US + 1
        if abs(offset) > FARTHEST_US:
            raise BrokenRecording(f"{self.name}: its header says {OFFSET_KEY} {text[:40]!r}; that is no time")
        return offset


def raw_info(encoding: str, header: Header, stated: Size | None, path: Path) -> SourceInfo:
    """Size and sensor of a RAW file.

    Raises:
        SizeUnknown: nobody says the size.
        BrokenRecording: the header states a size that is none.
    """
    sensor = header.sensor()
    name = sensor.name if sensor else None
    recorded = header.size(path.name)
    if recorded:
        return SourceInfo(encoding, recorded.width, recorded.height, sensor=name)
    if stated:
        return SourceInfo(encoding, stated.width, stated.height, sensor=name, size_source="caller")
    if sensor:
        return SourceInfo(encoding, sensor.size.width, sensor.size.height, sensor=name, size_source="sensor")
    raise size_unknown(path.name)
