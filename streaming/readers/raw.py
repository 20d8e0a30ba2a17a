"""`RawRecording`: what Prophesee RAW files of all encodings share."""

from __future__ import annotations

from contextlib import ExitStack

from streaming.readers.prophesee_header import read_header
from streaming.readers.sizes import Size, size_unknown
from streaming.readers.words import WordRecording
from streaming.source import SourceInfo


class RawRecording(WordRecording):
    """A Prophesee header, then EVT words.

    Raises:
        SizeUnknown: neither the header nor the caller says the size.
    """

    def _open(self, opened: ExitStack, stated: Size | None) -> SourceInfo:
        self.header = read_header(self._open_file(opened), self.name)
        self.offset_us = self.header.offset_us(self.name)
        info = self.header.info(self.format, stated, self.name)
        if info is None:
            raise size_unknown(self.name)
        return info
