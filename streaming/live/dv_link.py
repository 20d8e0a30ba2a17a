"""`DvLink`: one connection to a server of AEDAT4 events, by dv-processing's `NetworkReader`.

Written against dv-processing 2.0.4. The constructor of `NetworkReader` blocks and holds the GIL until the
peer has sent its header (`streaming/live/dv_probe.py`); nothing else in it blocks. A peer that falls silent
between our look and that call stops this process: whoever runs live sources ends a process that says nothing.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np

from streaming.errors import SourceLost
from streaming.events import Events
from streaming.live.dv_address import LARGEST_SIDE, Endpoint
from streaming.live.dv_pump import MOST_EVENTS, Pump
from streaming.live.dv_sockets import identity, notice_death, own_sockets
from streaming.live.library import plain


class DvLink:
    """An open connection.

    Args:
        library: the module `dv_processing`.
        peer: an address that `probe` has just seen, no name.
        most_events: events that may wait to be read.

    Attributes:
        name: of the camera, as the stream says it.
        width, height: size of the sensor, pixels, likewise.

    Raises:
        SourceLost: the connection failed, or the peer serves no events.
    """

    def __init__(self, library: Any, peer: Endpoint, most_events: int = MOST_EVENTS) -> None:
        before = {identity(own) for own in own_sockets()}
        try:
            reader = library.io.NetworkReader(peer.host, peer.port)
        except (RuntimeError, ValueError) as error:
            raise SourceLost(f"{peer} could not be read: {_reason(error)}") from None
        self._peer = peer
        self._sockets = {identity(own) for own in own_sockets() if _leads_to(own, peer)} - before
        self._set_up()
        self._pump = Pump(reader, most_events)
        try:
            self.name = str(reader.getCameraName())
            self.width, self.height = _size(reader, peer)
        except SourceLost:
            del reader
            self.close()
            raise

    @property
    def dropped(self) -> int:
        """Events given up because they were not read in time."""
        return self._pump.dropped

    def read(self, timeout_s: float) -> Events | None:
        """The next events as they came: neither their order nor their pixels are checked.

        Returns:
            A batch, or None where nothing came within `timeout_s`.

        Raises:
            SourceLost: the connection is gone, and everything that came was read.
        """
        batch = self._pump.take(timeout_s)
        if batch is not None:
            return _events(batch.numpy())
        if not self._pump.ended:
            return None
        fault = self._pump.fault
        raise SourceLost(f"{self._peer} went away" + (f": {_reason(fault)}" if fault else ""))

    def close(self) -> None:
        """Ends the connection; may be called again."""
        for own in own_sockets():
            if identity(own) in self._sockets:
                with suppress(OSError):  # the other side was quicker
                    own.shutdown(2)  # so that the library's thread ends, which its destructor waits for
        self._pump.close()

    def _set_up(self) -> None:
        for own in own_sockets():
            if identity(own) in self._sockets:
                notice_death(own)


def _size(reader: Any, peer: Endpoint) -> tuple[int, int]:
    if not reader.isEventStreamAvailable():
        kind = reader.getStreamDefinition().mTypeIdentifier
        raise SourceLost(f"{peer} serves {kind!r} and no events; point at the output that has the events")
    resolution = reader.getEventResolution()
    width, height = (0, 0) if resolution is None else map(int, resolution)
    if not (0 < width <= LARGEST_SIDE and 0 < height <= LARGEST_SIDE):
        raise SourceLost(f"{peer} says that its sensor has {width} x {height} pixels; set its resolution")
    return width, height


def _events(records: np.ndarray[Any, Any]) -> Events:
    # Negative coordinates become large ones, which no sensor has.
    return Events.of(
        records["timestamp"],
        np.ascontiguousarray(records["x"]).view(np.uint16),
        np.ascontiguousarray(records["y"]).view(np.uint16),
        records["polarity"] != 0,
    )


def _leads_to(own: Any, peer: Endpoint) -> bool:
    with suppress(OSError):  # a socket that listens, or is connected no more
        return bool(own.getpeername()[1] == peer.port)
    return False


def _reason(error: Exception) -> str:
    """What the library says, without the place in its own source."""
    return plain(error).partition(" [")[0]
