"""`Counts`: what a stream took in and gave up, over all its sources."""

from __future__ import annotations

from dataclasses import dataclass, field

from service.answers import Dropped
from service.feed import Feed


@dataclass(frozen=True, slots=True)
class Counts:
    """Steps and events since the stream began.

    Attributes:
        steps, events: that came.
        dropped: of those, what was given up.
    """

    steps: int = 0
    events: int = 0
    dropped: Dropped = field(default_factory=Dropped)

    def with_feed(self, feed: Feed) -> Counts:
        """These and what passed through `feed`."""
        dropped = Dropped(self.dropped.steps + feed.dropped.steps, self.dropped.events + feed.dropped.events)
        return Counts(self.steps + feed.steps_in, self.events + feed.events_in, dropped)
