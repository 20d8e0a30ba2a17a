"""`Linked`: a source at the end of a wire, whose other side comes and goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable


@runtime_checkable
class Linked(Protocol):
    """What a `Source` has besides when it is a camera or a peer on the network.

    Entering it waits until the other side is there and says what it is; `info` is known from then on. Its
    `packets` yield empty `Events` at least twice a second while nothing comes, unless the driver makes that
    impossible, and raise `SourceLost` when the other side went away. Who opened it opens it again.

    Attributes:
        on_wait: called at least every second while entering waits, with what it waits for, in words.
    """

    on_wait: Callable[[str], None]


@runtime_checkable
class Counting(Protocol):
    """What a `Source` has besides when it leaves out some of what came: broken, outside the sensor, late."""

    @property
    def counters(self) -> Mapping[str, int]:
        """What was left out since the source was opened, by reason."""
        ...
