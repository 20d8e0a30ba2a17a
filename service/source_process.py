"""`SourceProcess`: a source's child, its ring and its commands, as the event loop sees them."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any

from service import source_entry
from service.channel import AsyncChannel, ChannelClosed, Message, socket_pair
from service.errors import StreamEnded
from service.finishing import finished
from service.source_messages import ADMITTED, SourceRequest
from streaming.errors import StreamingError
from streaming.isolation import Child
from streaming.limits import Limits
from streaming.ring import RingAddress, StepRing

PUSHED = "push:"
STOPPED = "the stream was ended while it started; open a new one"


class SourceProcess:
    """Runs a source in a child; everything it says arrives on the event loop.

    The child's pipe is read by one thread, which ends with the child. Steps are bounded by the slots of the
    ring, pictures by their rate.

    Args:
        request: what is asked of the child.
        limits: what the child may take.
        slots: of the ring.
        live: a source of its own clock, with commands; else an upload.
        on_message: called on the loop with every message.
        on_end: called once on the loop; the error, or None where the source ended in order or was stopped.
    """

    def __init__(
        self,
        request: SourceRequest,
        limits: Limits,
        slots: int,
        *,
        live: bool,
        on_message: Callable[[Any], None],
        on_end: Callable[[Exception | None], None],
    ) -> None:
        self._request, self._limits, self._slots, self._live = request, limits, slots, live
        self._on_message, self._on_end = on_message, on_end
        self._ring: StepRing | None = None
        self._child: Child | None = None
        self._commands: AsyncChannel | None = None
        self._thread: threading.Thread | None = None
        self._ended = asyncio.Event()
        self._stopped = False

    @property
    def pid(self) -> int | None:
        """Process id of the child, None before it starts."""
        return None if self._child is None else self._child.pid

    @property
    def ring(self) -> RingAddress:
        """Where the steps lie."""
        assert self._ring is not None, "start() first"
        return self._ring.address

    async def start(self) -> None:
        """Makes the ring and starts the child.

        Raises:
            OSError: shared memory or processes are short.
            StreamEnded: it was stopped before.
        """
        try:
            await finished(self._begin())
        except BaseException:  # cancelled ones too: nothing of it may stay
            await self.stop()
            raise

    async def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        if not self._stopped:
            ours, theirs = socket_pair()
            with theirs:
                self._commands = await AsyncChannel.open(ours)
                await asyncio.to_thread(self._launch, theirs)
        if self._stopped:
            raise StreamEnded(STOPPED)
        self._thread = threading.Thread(
            target=self._read, args=(loop,), name=f"source-{self.pid}", daemon=True
        )
        self._thread.start()

    def release(self, slot: int) -> None:
        """Gives a slot back to the child."""
        if self._ring is not None:
            self._ring.release(slot)

    def command(self, message: Message) -> None:
        """Asks the taps of a live source for something (`service/taps.py`)."""
        if self._commands is not None and self._live:
            self._commands.send(message)

    async def push(self, frame: bytes) -> None:
        """Hands a frame to the child; waits while it is behind. Raises StreamEnded where it is gone."""
        if self._commands is None or self._ended.is_set():
            raise StreamEnded("the stream has ended; open a new one")
        self._commands.send({"type": "events"}, frame)
        with contextlib.suppress(ChannelClosed):
            await self._commands.drain()

    async def stop(self, timeout_s: float = 5.0) -> None:
        """Ends the child at once and frees everything; may be called more than once."""
        self._stopped = True
        if self._child is not None:
            self._child.kill()
        if self._commands is not None:
            self._commands.close()
        try:
            if self._thread is not None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(timeout_s):
                        await self._ended.wait()
        finally:
            await finished(asyncio.to_thread(self._free))

    def _launch(self, commands: Any) -> None:
        grid_width, grid_height = self._request.grid
        ring = self._ring = StepRing((2, grid_height, grid_width), self._slots)
        arguments: tuple[Any, ...] = (self._request, ring.writer())
        function: Callable[..., None] = source_entry.upload
        if self._live:
            pushed = self._request.source.startswith(PUSHED)
            function = source_entry.pushed if pushed else source_entry.live
            arguments = (*arguments, commands)
        self._child = Child(function, arguments, limits=self._limits, admits=ADMITTED)
        ring.started()

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        """The thread: from the child's pipe to the loop."""
        assert self._child is not None
        end: Exception | None = None
        with contextlib.suppress(RuntimeError):  # the loop was closed before us: nobody listens any more
            try:
                for message in self._child:
                    loop.call_soon_threadsafe(self._on_message, message)
            except StreamingError as error:
                end = error
            loop.call_soon_threadsafe(self._finish, end)

    def _finish(self, error: Exception | None) -> None:
        self._ended.set()
        self._on_end(error)

    def _free(self) -> None:
        if self._child is not None:
            self._child.close()
        ring, self._ring = self._ring, None  # its memory goes now, not when cycles are collected
        if ring is not None:
            ring.close()
