"""`Limits`: how much of the machine one reading of a recording may take."""

from __future__ import annotations

import math
import resource
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from streaming.errors import LimitExceeded
from streaming.events import Events
from streaming.span import Span


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a child process and of what it reads; None leaves one out (live sources).

    Attributes:
        max_bytes: size of the recording's file.
        max_events: events of the recording.
        max_duration_us: time from its first to its last event, microseconds.
        memory_bytes: private memory of the child (RLIMIT_DATA: heap and anonymous mappings; libraries and
            shared memory do not count, so address space that is only reserved does no harm).
        cpu_s: CPU seconds of the child, rounded up to whole ones.
        wall_s: seconds the child may take, not counting the time it waits for its consumer.
    """

    max_bytes: int | None = 4 << 30
    max_events: int | None = 2_000_000_000
    max_duration_us: int | None = 6 * 3_600_000_000
    memory_bytes: int | None = 1 << 30
    cpu_s: float | None = 600.0
    wall_s: float | None = 1_800.0

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} must be above 0, or None for no limit; got {value}")

    @classmethod
    def live(cls) -> Limits:
        """Limits of a source that never ends: memory only."""
        return cls(max_bytes=None, max_events=None, max_duration_us=None, cpu_s=None, wall_s=None)

    def check_size(self, path: Path) -> None:
        """Refuses a file that is too large before it is opened.

        Raises:
            LimitExceeded: it has more than `max_bytes`.
        """
        size = path.stat().st_size
        if self.max_bytes is not None and size > self.max_bytes:
            raise LimitExceeded(
                f"the recording has {size} bytes; at most {self.max_bytes} are allowed. Send a part of it."
            )

    def enforced(self, packets: Iterable[Events]) -> Iterator[Events]:
        """`packets`, until one would pass `max_events` or `max_duration_us`.

        Raises:
            LimitExceeded: before the packet that passes a limit is given.
        """
        span = Span()
        for packet in packets:
            span.add(packet)
            self._check(span)
            yield packet

    def _check(self, span: Span) -> None:
        if self.max_events is not None and span.events > self.max_events:
            raise LimitExceeded(
                f"the recording has more than {self.max_events} events, which is the most allowed. "
                "Send a part of it."
            )
        if self.max_duration_us is not None and span.duration_us > self.max_duration_us:
            raise LimitExceeded(
                f"the recording lasts {span.duration_us / 1e6:.3f} s or more; at most "
                f"{self.max_duration_us / 1e6:.3f} s are allowed. Send a part of it, or its times are forged."
            )


def limit_process(limits: Limits) -> None:
    """Puts the kernel in charge of memory, CPU time and wall time of the calling process, from now on.

    Past them: MemoryError (or an abort of a native library), SIGXCPU, SIGALRM. The last two end the process
    whatever holds the GIL, because their default action is the kernel's, not Python's.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if limits.memory_bytes is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (limits.memory_bytes, limits.memory_bytes))
    if limits.cpu_s is not None:
        cpu_s = math.ceil(limits.cpu_s)
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    if limits.wall_s is not None:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, limits.wall_s)


@contextmanager
def wall_clock_paused() -> Iterator[None]:
    """Stops the process's wall limit while it waits for its consumer; may be nested."""
    left_s, _ = signal.setitimer(signal.ITIMER_REAL, 0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, left_s)
