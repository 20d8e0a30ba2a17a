"""`Complaining`: a source that refuses some of what comes and goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from streaming.errors import BrokenRecording


@runtime_checkable
class Complaining(Protocol):
    """What a `Source` has besides when anybody may send it anything.

    Attributes:
        on_fault: called at most once a second with what was refused since.
    """

    on_fault: Callable[[BrokenRecording], None]
