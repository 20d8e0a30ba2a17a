"""The text header of Prophesee RAW and DAT files: lines of `% key value`, an optional `% end`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO

from streaming.errors import BrokenRecording
from streaming.readers.sizes import Sensor, Size, known_info, recorded_size, sensor_named_in
from streaming.source import SourceInfo

MAX_LINE_BYTES = 4096
MAX_HEADER_BYTES = 1 << 16
SENSOR_KEYS = ("sensor_name", "sensor_generation", "generation", "plugin_name", "camera")


@dataclass(frozen=True, slots=True)
class Header:
    """What a Prophesee header says.

    Attributes:
        fields: values by lower-case key; parts of a `format` line (`EVT3;width=640;height=480`) count as
            fields of their own unless a line of that key exists.
    """

    fields: Mapping[str, str]

    def size(self, where: str) -> Size | None:
        """The stated size, None where there is none.

        Raises:
            BrokenRecording: it is no size.
        """
        width, height = self.fields.get("width"), self.fields.get("height")
        if width is None or height is None:
            width, _, height = self.fields.get("geometry", "").partition("x")
        if not width and not height:
            return None
        if not (width.strip().isdecimal() and height.strip().isdecimal()):
            raise BrokenRecording(f"{where}: its header states a size of {width!r} x {height!r}; not numbers")
        return recorded_size(int(width), int(height), where)

    def sensor(self) -> Sensor | None:
        """The sensor that the header names, None where it names no known one."""
        values = [self.fields[key] for key in SENSOR_KEYS if key in self.fields]
        bare = self.fields.get("sensor_generation") or self.fields.get("generation")
        return sensor_named_in([*values, f"gen{bare}"] if bare else values)

    def offset_us(self, where: str) -> int:
        """What writers (faery's and ours) subtracted from all times, 0 where the header does not say.

        Raises:
            BrokenRecording: it is no time.
        """
        text = self.fields.get("t0", "0")
        if not (text.lstrip("-").isdecimal() and len(text) < 19):
            raise BrokenRecording(
                f"{where}: its header states t0 {text[:40]!r}; that is no time in microseconds"
            )
        return int(text)

    def info(self, format: str, stated: Size | None, where: str) -> SourceInfo | None:
        """What is known before the first event, None where nobody says the size.

        Raises:
            BrokenRecording: the header states a size that is none.
        """
        return known_info(format, self.size(where), stated, self.sensor())


def read_header(file: BinaryIO, where: str) -> Header:
    """Reads the header and leaves `file` at the first byte of data.

    Raises:
        BrokenRecording: a line or the whole header is longer than any real one.
    """
    fields: dict[str, str] = {}
    start = file.tell()
    while (line := _next_line(file, where)) is not None:
        key, _, value = line.strip().partition(" ")
        if key.lower() == "end" and not value:
            break
        fields.setdefault(key.lower(), value.strip())
        if file.tell() - start > MAX_HEADER_BYTES:
            raise BrokenRecording(
                f"{where}: its header is longer than {MAX_HEADER_BYTES} bytes and does not end"
            )
    for part in fields.get("format", "").split(";")[1:]:
        key, _, value = part.partition("=")
        fields.setdefault(key.strip().lower(), value.strip())
    return Header(fields)


def _next_line(file: BinaryIO, where: str) -> str | None:
    """Text of the next header line without its percent sign; None, and nothing read, where data begins."""
    at = file.tell()
    line = file.readline(MAX_LINE_BYTES)
    text = line[1:].rstrip(b"\r\n")
    if line.startswith(b"%") and _is_text(text):
        if line.endswith(b"\n"):
            return text.decode("ascii")
        raise BrokenRecording(
            f"{where}: the header line at byte {at} does not end within {MAX_LINE_BYTES} bytes; "
            "the file is cut off or damaged"
        )
    file.seek(at)
    return None


def _is_text(text: bytes) -> bool:
    # A time word may begin with a percent sign's byte; binary data soon shows a byte that no text has.
    return all(32 <= byte < 127 or byte == 9 for byte in text)
