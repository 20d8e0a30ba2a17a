"""What runs in the child process of a source: events in, steps into the ring.

Imports the compiled kernels; the API process names these functions through `service/source_entry.py`.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from service.clipping import clipped
from service.source_messages import Clock, Lost, Produced, SourceRequest
from streaming.events import Events
from streaming.letterbox import Letterbox
from streaming.limits import wall_clock_paused
from streaming.outlet import Outlet
from streaming.ring import Counts, RingWriter
from streaming.slicing import Stepper
from streaming.source import SourceInfo
from streaming.sources import open_recording
from streaming.step import Step


class Emitter:
    """Steps events into slots of the ring and tells the API of each.

    Args:
        outlet: to the API.
        writer: gives free slots.
        info: size of the sensor.
        request: grid, step and policy.
    """

    def __init__(self, outlet: Outlet, writer: RingWriter, info: SourceInfo, request: SourceRequest) -> None:
        letterbox = Letterbox(info.width, info.height, *request.grid)
        self._outlet, self._writer, self._waits = outlet, writer, request.policy == "block"
        self._spare: Counts = np.empty((2, request.grid[1], request.grid[0]), np.uint16)
        # Steps of a silence come all at once; the API needs a moment to give the oldest up. Less than a step,
        # so that a source never falls behind by it.
        self._patience_s = request.step_us * 1e-6 / 2
        self._stepper = Stepper(letterbox, request.step_us, allocate=self._allocate)
        self._before_s: float | None = None  # when the packet before came

    def push(
        self,
        events: Events,
        *,
        event_clock_s: float | None = None,
        arrived_s: float | None = None,
        progress: float | None = None,
    ) -> None:
        """Sends the steps that `events` complete.

        Args:
            events: a packet.
            event_clock_s: `time.monotonic()` at event time 0; None where the clocks cannot be compared.
            arrived_s: `time.monotonic()` at which the packet came; None for a file.
            progress: how much of the source is read.
        """
        first_us = int(events.t_us[0]) if len(events) else None
        for step in self._stepper.push(events):
            # Its newest event came with this packet, or with the one before.
            came_s = arrived_s if first_us is not None and step.newest_us >= first_us else self._before_s
            self._send(step, event_clock_s, came_s or arrived_s, progress)
        self._before_s = arrived_s

    def finish(self) -> None:
        """Sends the last, unfinished step."""
        step = self._stepper.flush()
        if step is not None:
            self._send(step, None, None, None)

    def _allocate(self) -> Counts:
        try:
            if not self._waits:
                return self._writer.acquire(self._patience_s)
            with wall_clock_paused():
                return self._writer.acquire()
        except TimeoutError:
            return self._spare

    def _send(
        self, step: Step, event_clock_s: float | None, arrived_s: float | None, progress: float | None
    ) -> None:
        ready_s = time.monotonic()
        if step.counts is self._spare:
            self._outlet.send(Lost(1, step.events))
            return
        clock: Clock | None = None
        arrive_ms: float | None = None
        if event_clock_s is not None:
            clock, arrive_ms = "source", (ready_s - event_clock_s) * 1e3 - step.newest_us / 1e3
        elif arrived_s is not None:
            clock, arrive_ms = "arrival", (ready_s - arrived_s) * 1e3
        self._outlet.send(Produced(self._writer.message(step), ready_s, arrive_ms, progress, clock))


def read_upload(outlet: Outlet, request: SourceRequest, writer: RingWriter) -> None:
    """Reads a recording to its end, as fast as its steps are taken."""
    path = Path(request.source)
    outlet.limits.check_size(path)
    with open_recording(path, format=request.format, width=request.width, height=request.height) as recording:
        outlet.send(recording.info)
        emitter = Emitter(outlet, writer, recording.info, request)
        packets = outlet.limits.enforced(recording.packets())
        for events in clipped(packets, request.start_us, request.end_us):
            emitter.push(events, progress=recording.fraction())
        emitter.finish()
