"""`TrackBook`: the tracks of a stream. Each is new once and ends once, whatever becomes of the worker."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from model.tracking.tracks import TrackChange


class TrackBook:
    """The tracks of one stream, over all its workers and sources.

    Attributes:
        next_id: what the next tracker must begin with, so that ids never come back.
    """

    def __init__(self) -> None:
        self.next_id = 1
        self._alive: dict[int, TrackChange] = {}

    def __len__(self) -> int:
        """Tracks that have begun and not ended."""
        return len(self._alive)

    def take(self, changes: Sequence[TrackChange]) -> tuple[TrackChange, ...]:
        """What of `changes` is news: nothing is told of a track that has ended."""
        return tuple(self._news(changes))

    def end_all(self) -> tuple[TrackChange, ...]:
        """Ends every track that lives: what would have followed them is gone."""
        ended = tuple(replace(change, change="end") for change in self._alive.values())
        self._alive.clear()
        return ended

    def _news(self, changes: Sequence[TrackChange]) -> Iterator[TrackChange]:
        for change in changes:
            if change.track_id >= self.next_id:
                self.next_id = change.track_id + 1
                self._alive[change.track_id] = change
                yield change if change.change in ("new", "end") else replace(change, change="new")
            elif change.track_id in self._alive:
                yield replace(change, change="update") if change.change == "new" else change
            else:
                continue
            if change.change == "end":
                del self._alive[change.track_id]
            else:
                self._alive[change.track_id] = change
