"""`ClipWriter`: writes one clip's events in a thread of its own, in the source's child.

The steps never wait for it: packets wait in a queue with a bound, and what does not fit is counted as lost.
It never writes beyond its lease, which the API raises while there is room, nor into the disk's reserve.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name

from service.clips.ring import Packed
from service.source_messages import ClipNews, ClipState
from streaming.events import Events
from streaming.source import SourceInfo
from streaming.span import Span
from streaming.writers.recording import FORMATS, Write

QUEUE_BYTES = 32 << 20
BATCH_EVENTS = 1 << 16
NEWS_S = 0.5
LEASE_WAIT_S = 3.0
"""How long a writer at the end of its lease waits for a longer one."""
BYTES_PER_EVENT = {"aedat4": 18, "evt3": 8}
"""Most that an event takes in each format that clips may have: in AEDAT4 one that could not be compressed,
with its part in the table of packets. Events of a busy scene take 6 and 2."""
MARGIN_BYTES = 16 << 10
SILENCE_US_PER_BYTE = 8_000
"""EVT3 writes about a byte for so much silence."""


@dataclass(frozen=True, slots=True)
class ClipOrder:
    """What a writer is to do; plain values of a command's message.

    Attributes:
        id: of the clip.
        path: of the file to be written.
        format: of `streaming.writers`.
        before_s: seconds of the ring that begin it.
        until_s: `time.monotonic()` at which it ends.
        lease_bytes: most that the file may have.
        reserve_bytes: of the disk, to be left free.
    """

    id: str
    path: str
    format: str
    before_s: float
    until_s: float
    lease_bytes: int
    reserve_bytes: int


class ClipWriter:
    """Writes what it is offered until its time is over, then tells the API that the file is whole.

    Args:
        order: what to do; `until_s` and `lease_bytes` may be changed later.
        info: size of the sensor.
        before: packets that came before now, oldest first.
        tell: sends news to the API; any thread may call it.
    """

    def __init__(
        self, order: ClipOrder, info: SourceInfo, before: Sequence[Packed], tell: Callable[[ClipNews], None]
    ) -> None:
        self.id, self._order, self._info, self._tell = order.id, order, info, tell
        self._path = Path(order.path)
        self._changed = threading.Condition()
        self._before, self._waiting = deque(before), deque[Packed]()
        self._waiting_bytes = 0
        self._until_s, self._lease_bytes = order.until_s, order.lease_bytes
        self._note: str | None = None
        self._finishing = self._done = False
        self._lost = self._wants_bytes = 0
        self._span = Span()
        self._told_s = 0.0
        self._thread = threading.Thread(target=self._run, name=f"clip-{order.id}", daemon=True)

    @property
    def done(self) -> bool:
        return self._done

    def start(self) -> None:
        self._thread.start()

    def offer(self, packet: Packed) -> None:
        """Takes a packet that came before `until_s`; counts it as lost where too many wait."""
        with self._changed:
            if self._finishing or packet.came_s >= self._until_s:
                return
            if self._waiting_bytes + packet.size_bytes > QUEUE_BYTES:
                self._lost += len(packet)
                return
            self._waiting.append(packet)
            self._waiting_bytes += packet.size_bytes
            self._changed.notify()

    def extend(self, *, until_s: float | None = None, lease_bytes: int | None = None) -> None:
        """Another end, or a longer lease; None leaves one."""
        with self._changed:
            self._until_s = self._until_s if until_s is None else until_s
            self._lease_bytes = self._lease_bytes if lease_bytes is None else lease_bytes
            self._changed.notify()

    def finish(self, note: str | None = None) -> None:
        """Writes what waits and ends; `note` says why, where it is before its time."""
        with self._changed:
            self._note = self._note or note
            self._finishing = True
            self._changed.notify()

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    def _run(self) -> None:
        state: ClipState = "whole"
        try:
            write: Write = resolve_name(FORMATS[self._order.format])
            with _locked(self._path) as fd:
                write(self._packets(), self._info, self._path)
                os.fsync(fd)
        except BaseException as error:  # noqa: BLE001  # the edge of a thread; panics of encoders are no Exception
            state, self._note = "broken", str(error) or type(error).__name__
        with self._changed:
            self._done = self._finishing = True
            self._before.clear()
            self._waiting.clear()
        with contextlib.suppress(OSError):  # the API is gone; it finds the file when it is back
            self._tell(self._news(state))

    def _packets(self) -> Iterator[Events]:
        """What the format's writer writes: it has written a packet when it asks for the next."""
        while (events := self._next()) is not None:
            shortage = self._shortage(events)
            if shortage is not None:
                self.finish(shortage)
                return
            yield events
            self._span.add(events)
            if time.monotonic() - self._told_s > NEWS_S:
                self._tell_news()

    def _next(self) -> Events | None:
        """The next events, waiting for them; None at the end."""
        batch: list[Packed] = []
        with self._changed:
            while not (self._before or self._waiting):
                left_s = self._until_s - time.monotonic()
                if self._finishing or left_s <= 0:
                    return None
                self._changed.wait(left_s)
            while queue := self._before or self._waiting:
                if batch and sum(map(len, batch)) + len(queue[0]) > BATCH_EVENTS:
                    break
                if queue is self._waiting:
                    self._waiting_bytes -= queue[0].size_bytes
                batch.append(queue.popleft())
        return Events.concatenate(packet.unpack() for packet in batch)

    def _shortage(self, events: Events) -> str | None:
        """Why `events` must not be written; None where there is room, or where it was made in time."""
        last_us = self._span.last_us
        silent_us = int(events.t_us[-1]) - int(events.t_us[0] if last_us is None else last_us)
        most = BYTES_PER_EVENT[self._order.format] * len(events) + silent_us // SILENCE_US_PER_BYTE
        self._wants_bytes = self._size_bytes() + most + MARGIN_BYTES
        free = shutil.disk_usage(self._path.parent).free - self._order.reserve_bytes
        if most + MARGIN_BYTES > free:
            return f"the disk has {max(0, free)} bytes left beside its reserve"
        if self._wants_bytes <= self._lease_bytes:
            return None
        self._tell_news()
        with self._changed:
            longer = self._changed.wait_for(lambda: self._wants_bytes <= self._lease_bytes, LEASE_WAIT_S)
        return None if longer else f"clips may not take more than {self._lease_bytes} bytes here now"

    def _tell_news(self) -> None:
        self._told_s = time.monotonic()
        self._tell(self._news("recording"))

    def _news(self, state: ClipState) -> ClipNews:
        return ClipNews(
            id=self.id,
            state=state,
            events=self._span.events,
            lost_events=self._lost,
            size_bytes=self._size_bytes(),
            wants_bytes=self._wants_bytes,
            first_t_us=self._span.first_us,
            last_t_us=self._span.last_us,
            note=self._note,
        )

    def _size_bytes(self) -> int:
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Holds the file's lock until it is whole, so that the API can tell a file at rest from one being
    written, whatever became of the writer."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield fd
    finally:
        os.close(fd)
