"""`Hub`: messages of one stream to its viewers, each with a bounded queue and a sender of its own.

A viewer that is behind loses pictures first, then the oldest answers (counted), then, when it has taken
nothing for too long, the connection. What one viewer does never holds up another: `publish` only appends.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, TypeAlias

from service.errors import ViewerTooSlow, error_message
from service.telemetry import Metrics

Message: TypeAlias = dict[str, Any]
Kind: TypeAlias = Literal["frame", "control"]

NORMAL, GOING_AWAY, SERVER_ERROR, TRY_LATER = 1000, 1001, 1011, 1013
MOST_CONTROL_MESSAGES = 256


class Viewer:
    """One viewer: `async for message in viewer` (dict is JSON text, bytes is a picture), or better `pump`.

    Iteration ends when the stream ended or the viewer was too slow; `close_code` then says why. The last
    message is an `error` where there was one.

    Args:
        limit: answers that may wait.
        stall_s: longest time without taking anything while something waits.
        metrics: where losses are counted.
        view_width: wanted columns of pictures, None for none.

    Attributes:
        dropped_frames: answers this viewer did not get.
        dropped_pictures: pictures this viewer did not get.
        close_code: WebSocket close code.
    """

    def __init__(self, limit: int, stall_s: float, metrics: Metrics, view_width: int | None = None) -> None:
        self.view_width = view_width
        self.dropped_frames = self.dropped_pictures = 0
        self.close_code = NORMAL
        self._limit, self._stall_s, self._metrics = limit, stall_s, metrics
        self._waiting: deque[tuple[Kind, Message]] = deque()
        self._frames = 0
        self._picture: bytes | None = None
        self._news = asyncio.Event()
        self._closed = False
        self._took_s = time.monotonic()

    def __aiter__(self) -> AsyncIterator[Message | bytes]:
        return self

    async def __anext__(self) -> Message | bytes:
        while not self._waiting and self._picture is None:
            if self._closed:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()  # ends by the next status message, or by close()
        self._took_s = time.monotonic()
        if self._waiting:
            return self._take()
        picture, self._picture = self._picture, None
        assert picture is not None
        return picture

    async def pump(self, send: Callable[[Message | bytes], Awaitable[None]]) -> int:
        """Sends everything until the end; the close code. A send that stalls ends it with 1013."""
        async for message in self:
            try:
                async with asyncio.timeout(self._stall_s):
                    await send(message)
            except TimeoutError:
                self._too_slow()
                break
        return self.close_code

    def offer(self, kind: Kind, message: Message) -> None:
        """Queues a message; makes room where there is none."""
        if self._closed or self._is_stalled():
            return
        if kind == "frame":
            if self._frames >= self._limit:
                self._drop_oldest_frame()
            self._frames += 1
        elif len(self._waiting) >= MOST_CONTROL_MESSAGES + self._limit:
            return
        if not self._waiting:
            self._took_s = time.monotonic()  # from now on something waits to be taken
        self._waiting.append((kind, message))
        self._news.set()

    def offer_picture(self, webp: bytes) -> None:
        """Keeps the newest picture, given when no message waits; one that was not taken in time is lost."""
        if self._closed:
            return
        if self._picture is not None:
            self.dropped_pictures += 1
            self._metrics.viewer_drops.labels("picture").inc()
        self._picture = webp
        self._news.set()

    def close(self, code: int) -> None:
        """No more messages; those that wait are still given."""
        if not self._closed:
            self._closed, self.close_code = True, code
            self._news.set()

    def _take(self) -> Message:
        kind, message = self._waiting.popleft()
        self._frames -= kind == "frame"
        if message.get("type") == "status":
            lost = {"dropped_frames": self.dropped_frames, "dropped_pictures": self.dropped_pictures}
            return {**message, "viewer": lost}
        return message

    def _drop_oldest_frame(self) -> None:
        at = next(i for i, (kind, _) in enumerate(self._waiting) if kind == "frame")
        del self._waiting[at]
        self._frames -= 1
        self.dropped_frames += 1
        self._metrics.viewer_drops.labels("frame").inc()

    def _is_stalled(self) -> bool:
        """Whether the viewer has taken nothing for too long; it is then closed."""
        stalled = bool(self._waiting) and time.monotonic() - self._took_s > self._stall_s
        if stalled:
            self._too_slow()
        return stalled

    def _too_slow(self) -> None:
        if self.close_code == TRY_LATER:
            return
        self._metrics.viewers_closed.inc()
        self._waiting.clear()
        self._frames, self._picture = 0, None
        why = ViewerTooSlow(
            f"nothing was taken for {self._stall_s:g} s; connect again, with a smaller picture or none"
        )
        self._waiting.append(("control", error_message(why, fatal=True)))
        self.close(TRY_LATER)
        self.close_code = TRY_LATER


class Hub:
    """All viewers of one stream.

    Args:
        limit: answers that may wait for one viewer.
        stall_s: longest time a viewer may take nothing.
        metrics: where viewers and losses are counted.
        on_view: called with the widest picture wanted, None for none, whenever that changes.
    """

    def __init__(
        self, limit: int, stall_s: float, metrics: Metrics, on_view: Callable[[int | None], None]
    ) -> None:
        self._limit, self._stall_s, self._metrics, self._on_view = limit, stall_s, metrics, on_view
        self._viewers: set[Viewer] = set()
        self._view_width: int | None = None
        self.last_viewer_s = time.monotonic()

    def __len__(self) -> int:
        return len(self._viewers)

    @contextmanager
    def viewer(self, hello: Message, view_width: int | None) -> Iterator[Viewer]:
        """A viewer for as long as the block lasts; its first message is `hello`."""
        viewer = Viewer(self._limit, self._stall_s, self._metrics, view_width)
        viewer.offer("control", hello)
        self._viewers.add(viewer)
        self._metrics.viewers.inc()
        self._tell_width()
        try:
            yield viewer
        finally:
            self._viewers.discard(viewer)
            self._metrics.viewers.dec()
            self.last_viewer_s = time.monotonic()
            self._tell_width()

    def publish(self, message: Message, kind: Kind = "control") -> None:
        """To all viewers; never waits."""
        for viewer in list(self._viewers):
            viewer.offer(kind, message)

    def publish_picture(self, webp: bytes) -> None:
        """To the viewers that asked for pictures."""
        for viewer in list(self._viewers):
            if viewer.view_width is not None:
                viewer.offer_picture(webp)

    def close(self, code: int) -> None:
        """Ends all viewers after what waits for them."""
        for viewer in list(self._viewers):
            viewer.close(code)

    def _tell_width(self) -> None:
        widths = [viewer.view_width for viewer in self._viewers if viewer.view_width is not None]
        width = max(widths, default=None)
        if width != self._view_width:
            self._view_width = width
            self._on_view(width)
