"""`FilePart`: the bytes of the one file of a multipart form, as the body comes in."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from service.errors import BadUpload

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

FIELD = "file"
_ADVICE = "send one part named 'file' (curl -F file=@recording), or the recording alone as the body"


def boundary_of(content_type: str) -> bytes | None:
    """The boundary of a multipart form; None for any other content.

    Raises:
        BadUpload: a form without a boundary.
    """
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data":
        return None
    if not options.get(b"boundary"):
        raise BadUpload(f"found a multipart form without a boundary; {_ADVICE}")
    return options[b"boundary"]


class FilePart:
    """Feed it the body; it gives back what belongs to the part `file`.

    Attributes:
        filename: the file's name in the form, without folders; None where there is none.
    """

    def __init__(self, boundary: bytes) -> None:
        self.filename: str | None = None
        self._files = 0
        self._whole = False
        self._inside = False
        self._name, self._value, self._disposition = b"", b"", b""
        self._found = bytearray()
        try:
            self._parser = MultipartParser(boundary, _callbacks(self))
        except FormParserError as error:
            raise BadUpload(f"found a broken boundary ({error}); {_ADVICE}") from error

    def feed(self, chunk: bytes) -> bytes:
        """The file's bytes in `chunk`. Raises `BadUpload` where the form is broken or holds a second file."""
        self._found.clear()
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise BadUpload(f"found a broken multipart form ({error}); {_ADVICE}") from error
        return bytes(self._found)

    def finish(self) -> None:
        """Raises `BadUpload` where the form ended early or held no file."""
        if self._files == 0:
            raise BadUpload(f"found no part named 'file' in the form; {_ADVICE}")
        if not self._whole:
            raise BadUpload(f"found a form that ends before its closing boundary; {_ADVICE}")

    def on_part_begin(self) -> None:
        self._disposition, self._inside = b"", False

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def on_header_end(self) -> None:
        if self._name.lower() == b"content-disposition":
            self._disposition = self._value
        self._name, self._value = b"", b""

    def on_headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._inside = options.get(b"name") == FIELD.encode()
        if not self._inside:
            return
        self._files += 1
        if self._files > 1:
            raise BadUpload(f"found more than one part named 'file' in the form; {_ADVICE}")
        self.filename = plain_name(options.get(b"filename", b"").decode("utf8", "replace"))

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._inside:
            self._found += data[start:end]

    def on_end(self) -> None:
        self._whole = True


def _callbacks(part: FilePart) -> MultipartCallbacks:
    return {
        "on_part_begin": part.on_part_begin,
        "on_header_field": part.on_header_field,
        "on_header_value": part.on_header_value,
        "on_header_end": part.on_header_end,
        "on_headers_finished": part.on_headers_finished,
        "on_part_data": part.on_part_data,
        "on_end": part.on_end,
    }


def plain_name(name: str) -> str | None:
    """The last part of a path of any system, printable and at most 100 characters; None for nothing."""
    last = PurePosixPath(name.replace("\\", "/")).name
    kept = "".join(character for character in last if character.isprintable())[:100]
    return kept or None
