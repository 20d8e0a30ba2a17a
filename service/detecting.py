"""`DetectRun`: one recording on its way through the service."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from service.answers import Answer
from service.errors import JobCancelled
from service.flow import Flow
from service.options import DetectOptions
from service.source_messages import Fault, TapMessage
from service.turns import Turns
from streaming.source import SourceInfo

MOST_UNREAD = 64
"""Answers that may wait for whoever reads them; then the network and the reader of the file wait too."""


class FlowMaker(Protocol):
    """Makes the flow of a run that has its turn."""

    def __call__(self, run: DetectRun) -> Flow: ...


class DetectRun:
    """A recording being looked at.

    ::

        async with runtime.detect(path, options) as run:
            info = await run.opened()
            async for answer in run: ...

    Leaving the block cancels what still runs. `opened` raises what is wrong with the file before any answer;
    the iterator raises what turns up later (broken in the middle, a limit, WorkerDied), after the answers
    from what came before.

    Attributes:
        options: how it is looked at.
        info: what the recording is, None until it is opened.
        answers: how many there were so far.
    """

    def __init__(
        self,
        options: DetectOptions,
        turns: Turns,
        make_flow: FlowMaker,
        on_end: Callable[[DetectRun], None],
    ) -> None:
        self.options = options
        self.info: SourceInfo | None = None
        self.answers = 0
        self._turns, self._make_flow, self._on_end = turns, make_flow, on_end
        self._flow: Flow | None = None
        self._has_turn = self._done = self._cancelled = False
        self._error: Exception | None = None
        self._unread: deque[Answer] = deque()
        self._news = asyncio.Event()
        self._next_track_id = 1
        self._opening: asyncio.Task[SourceInfo] | None = None

    @property
    def progress(self) -> float:
        """How much of the recording is answered, 0..1."""
        return self._flow.progress if self._flow is not None else 0.0

    @property
    def outcome(self) -> str:
        """ "ok", "cancelled", "failed", or "running"."""
        if self._cancelled:
            return "cancelled"
        if self._error is not None:
            return "failed"
        return "ok" if self._done else "running"

    @property
    def pid(self) -> int | None:
        """Process that reads the file."""
        return self._flow.source.pid if self._flow is not None else None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._done and self._error is None:
            self._cancelled = True
        await self._stop()

    async def opened(self) -> SourceInfo:
        """Waits for its turn and for the recording's header.

        Raises:
            StreamingError: the recording cannot be read, and why.
            JobCancelled: `cancel` was called.
        """
        if self._opening is None:
            self._opening = asyncio.create_task(self._open(), name="detect-open")
        try:
            return await asyncio.shield(self._opening)
        except asyncio.CancelledError:
            if self._cancelled:
                raise _cancelled() from None
            raise

    async def cancel(self) -> None:
        """Kills the reader and forgets the rest; whoever iterates gets `JobCancelled`."""
        if not self._done:
            self._cancelled = True
        await self._stop()
        self._news.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Answer:
        await self.opened()
        assert self._flow is not None
        while not self._unread:
            if self._cancelled:
                raise _cancelled()
            if self._error is not None:
                raise self._error
            if self._done:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()  # ends by `ended`, which the limits of child and worker bring about
        answer = self._unread.popleft()
        if len(self._unread) == MOST_UNREAD // 2:
            self._flow.hold(False)
        return answer

    # what the flow brings, see flow.Listener

    def answered(self, answer: Answer) -> None:
        self.answers += 1
        self._next_track_id = max([self._next_track_id, *(change.track_id + 1 for change in answer.changes)])
        self._unread.append(answer)
        self._news.set()
        if len(self._unread) >= MOST_UNREAD and self._flow is not None:
            self._flow.hold(True)

    def ended(self, error: Exception | None) -> None:
        self._done, self._error = True, error
        self._news.set()

    def was_reset(self, reason: str) -> None:
        """A gap in a recording shows in the answers' times."""

    def told(self, message: TapMessage) -> None:
        """Uploads make no pictures."""

    def refused(self, fault: Fault) -> None:
        """Uploads refuse as a whole, by an error."""

    def waiting(self, what: str) -> None:
        """A file is there or not."""

    def sized(self, info: SourceInfo) -> None:
        self.info = info

    def next_track_id(self) -> int:
        """A recording that is taken up again goes on behind the ids it has given."""
        return self._next_track_id

    async def _open(self) -> SourceInfo:
        await self._turns.take()
        self._has_turn = True
        self._flow = self._make_flow(self)
        try:
            info = await self._flow.start()
        except Exception as error:
            self._done, self._error = True, error
            await self._stop()
            raise
        assert info is not None, "nothing is waited for with a file"
        return info

    async def _stop(self) -> None:
        opening = self._opening
        if opening is not None and opening is not asyncio.current_task() and not opening.done():
            opening.cancel()
            await asyncio.wait([opening], timeout=5.0)
        if self._flow is not None:
            await self._flow.stop()
        if self._has_turn:
            self._has_turn = False
            self._turns.give_back()
        self._on_end(self)


def _cancelled() -> JobCancelled:
    return JobCancelled("the recording was cancelled before its end; send it again for the rest")
