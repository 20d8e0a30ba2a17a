"""`TableRecording`: what NPY, NPZ and text share once they are blocks of columns."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

from numpy.typing import NDArray

from streaming.errors import BrokenRecording
from streaming.events import Events
from streaming.readers.columns import Roles, roles_by_content, roles_by_name, to_events
from streaming.readers.recording import Recording, longest
from streaming.readers.sizes import Sensor, Size, info_by_extent, known_info
from streaming.source import SourceInfo


class TableRecording(Recording):
    """Events from blocks of columns; the first block settles what each column holds."""

    _rows_done = 0

    @abstractmethod
    def _blocks(self) -> Iterator[Sequence[NDArray[Any]]]:
        """Blocks of columns from the beginning of the data; may be called more than once."""

    @abstractmethod
    def _names(self) -> Sequence[str] | None:
        """Names of the columns, None where they have none."""

    def _read(self) -> Iterator[Events]:
        roles: Roles | None = None
        self._rows_done = 0
        for block in self._blocks():
            if roles is None:
                roles = self._roles(block)
            yield from self._converted(block, roles)
            self._rows_done += len(block[0])

    def _converted(self, block: Sequence[NDArray[Any]], roles: Roles) -> Iterator[Events]:
        """The block as events; where a row is none, what is good before it, then the error."""

        def convert(count: int) -> Events:
            return to_events([column[:count] for column in block], roles, self.name)

        rows = len(block[0])
        try:
            events = convert(rows)
        except BrokenRecording:
            if good := longest(rows, convert):
                yield convert(good)
            raise
        yield events

    def _roles(self, block: Sequence[NDArray[Any]]) -> Roles:
        names = self._names()
        roles = roles_by_name(names) if names else None
        if roles is None:
            roles = roles_by_content(block)
        return roles.with_unit(block[roles.t])

    def _sized(
        self, stated: Size | None, recorded: Size | None = None, sensor: Sensor | None = None
    ) -> SourceInfo:
        """Size by the rules of `streaming/readers/sizes.py`, at last by a first pass over the events."""
        info = known_info(self.format, recorded, stated, sensor)
        return info or info_by_extent(self.format, self._read(), self.name)
