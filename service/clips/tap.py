"""`RecordTap`: keeps the last seconds of events in the source's child, and writes clips when it is asked to.

Commands, all with `{"type": ...}`:

- `ring {seconds, max_bytes}`: how much is kept; nothing is until it is said.
- `record {id, path, format, before_s, until_s, lease_bytes, reserve_bytes}`: see `writing.ClipOrder`.
- `record_until {id, until_s}`, `record_lease {id, lease_bytes}`: another end, a longer lease.
- `record_stop {id}`: it ends now.
"""

from __future__ import annotations

import threading
import time

from service.channel import Message
from service.clips.ring import EventRing, Packed
from service.clips.writing import ClipOrder, ClipWriter
from service.source_messages import SourceRequest
from streaming.events import Events
from streaming.outlet import Outlet
from streaming.source import SourceInfo

LONGEST_LEAP_US = 60_000_000
"""A clip ends where time leaps further: formats hold silences, not other times."""
JOIN_S = 3.0


class RecordTap:
    """Sees every packet; writes in threads. Safe to be commanded while packets come."""

    def __init__(self, outlet: Outlet, info: SourceInfo, _request: SourceRequest) -> None:
        self._outlet, self._info = outlet, info
        self._lock = threading.Lock()
        self._ring: EventRing | None = None
        self._writers: dict[str, ClipWriter] = {}
        self._newest_us: int | None = None

    def add(self, events: Events) -> None:
        now_s = time.monotonic()
        with self._lock:
            if self._writers:
                self._writers = {id_: writer for id_, writer in self._writers.items() if not writer.done}
            if self._ring is not None:
                self._ring.forget(now_s)
            if len(events):
                self._check_time(events)
                self._keep(events, now_s)

    def command(self, message: Message) -> None:
        with self._lock:
            kind = message["type"]
            if kind == "ring":
                self._ring = EventRing(message["seconds"], message["max_bytes"])
            elif kind == "record":
                self._begin(ClipOrder(**{name: message[name] for name in ClipOrder.__slots__}))
            elif kind in ("record_until", "record_lease", "record_stop"):
                self._change(kind, message)

    def close(self) -> None:
        with self._lock:
            writers = list(self._writers.values())
        for writer in writers:
            writer.finish("the source ended")
        end_s = time.monotonic() + JOIN_S
        for writer in writers:
            writer.join(max(0.0, end_s - time.monotonic()))

    def _check_time(self, events: Events) -> None:
        """Ends what is written and forgets what is kept where `events` do not go on from there in time."""
        if self._newest_us is not None:
            step_us = int(events.t_us[0]) - self._newest_us
            if step_us < 0 or step_us > LONGEST_LEAP_US:
                back = "ran back" if step_us < 0 else f"leapt {step_us / 1e6:.0f} s ahead"
                for writer in self._writers.values():
                    writer.finish(f"the source's time {back}")
                if self._ring is not None:
                    self._ring.clear()
        self._newest_us = int(events.t_us[-1])

    def _keep(self, events: Events, now_s: float) -> None:
        if self._ring is None and not self._writers:
            return
        packet = Packed.of(events, now_s)
        if self._ring is not None:
            self._ring.add(packet)
        for writer in self._writers.values():
            writer.offer(packet)

    def _begin(self, order: ClipOrder) -> None:
        before = [] if self._ring is None else self._ring.last(order.before_s, time.monotonic())
        writer = self._writers[order.id] = ClipWriter(order, self._info, before, self._outlet.send)
        writer.start()

    def _change(self, kind: str, message: Message) -> None:
        writer = self._writers.get(message["id"])
        if writer is None:
            return
        if kind == "record_stop":
            writer.finish()
        else:
            writer.extend(until_s=message.get("until_s"), lease_bytes=message.get("lease_bytes"))
