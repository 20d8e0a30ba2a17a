"""`Recorder`: the observer of one live stream that keeps what viewers were told, and feeds its recordings."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from service.answers import Answer, changes_to_message
from service.channel import Message
from service.clips.recording import Recording, Seen
from service.happenings import Happening
from service.observers import LinkState, Observer, StreamPort
from service.settings import Settings
from service.source_messages import ClipNews, TapMessage
from streaming.source import SourceInfo

MOST_SEEN = 4096
LOST = "the source was lost"


class ClipKeeper(Protocol):
    """Who looks after recordings; calls come on the event loop and must not block."""

    def around(self, recorder: Recorder, before_s: float, after_s: float, reason: Message) -> None:
        """An alarm wants to be recorded."""

    def heard(self, recorder: Recorder, recording: Recording, news: ClipNews) -> None:
        """A recording's writer said something."""

    def due(self, recorder: Recorder, recording: Recording) -> None:
        """A recording is over, or its boxes wait to be written."""

    def ended(self, recorder: Recorder) -> None:
        """The stream is over."""


class Recorder(Observer):
    """Keeps the answers of the last seconds, and tells the source's child to keep its events.

    Args:
        stream: that is observed.
        settings: the ring's bounds.
        keeper: looks after the recordings.

    Attributes:
        recordings: those being written, by clip's id.
        turn: held while an alarm begins or extends a recording.
        of_alarm: the recording that alarms extend, None without one.
        ended_already: the stream is over.
    """

    def __init__(self, stream: StreamPort, settings: Settings, keeper: ClipKeeper) -> None:
        self.stream, self._settings, self._keeper = stream, settings, keeper
        self.recordings: dict[str, Recording] = {}
        self.turn = asyncio.Lock()
        self.of_alarm: Recording | None = None
        self.ended_already = False
        self._there = False
        self._seen: deque[Seen] = deque(maxlen=MOST_SEEN)
        self._last: tuple[int, tuple[int, int]] | None = None

    @property
    def info(self) -> SourceInfo | None:
        """The source, None while it is not there."""
        return self.stream.info if self._there else None

    def seen_since(self, came_s: float) -> list[Seen]:
        """What viewers were told from `came_s` on."""
        return [seen for seen in self._seen if seen.came_s >= came_s]

    def stop(self, clip_id: str) -> None:
        """Ends one of the recordings now."""
        if recording := self.recordings.get(clip_id):
            recording.stop()
            self.stream.command({"type": "record_stop", "id": clip_id})

    # what the stream brings

    def sized(self, info: SourceInfo) -> None:
        self._break_off()
        self._there = True
        settings = self._settings
        if settings.ring_seconds:
            self.stream.command(
                {"type": "ring", "seconds": settings.ring_seconds, "max_bytes": settings.ring_max_mb << 20}
            )

    def answered(self, answer: Answer) -> None:
        # The end of all tracks comes as the last answer once more, of which viewers get the changes alone.
        known, self._last = self._last, (answer.seq, answer.t_us)
        self._see(answer.t_us, partial(_messages, answer, known != self._last))

    def was_reset(self, reason: str) -> None:
        self._see(None, lambda: [{"type": "reset", "reason": reason}])

    def happened(self, happening: Happening) -> None:
        self._see(None, lambda: [happening.to_message()])
        record: tuple[float, float] | None = getattr(happening, "record", None)
        if record is not None:
            self._keeper.around(self, *record, happening.to_message())

    def told(self, message: TapMessage) -> None:
        if isinstance(message, ClipNews) and (recording := self.recordings.get(message.id)):
            self._keeper.heard(self, recording, message)

    def linked(self, state: LinkState, detail: str) -> None:
        if state in ("lost", "connecting"):
            self._there = False
            self._break_off()

    def tick(self) -> None:
        now_s = time.monotonic()
        for recording in list(self.recordings.values()):
            if recording.overdue(now_s):
                recording.break_off("its writer said nothing more")
            if recording.finished(now_s) or recording.boxes.due:
                self._keeper.due(self, recording)

    def status(self) -> dict[str, Any]:
        return {"recording": [id_ for id_, recording in self.recordings.items() if recording.writing]}

    def ended(self) -> None:
        self._there, self.ended_already = False, True
        self._break_off("the stream ended")
        for recording in list(self.recordings.values()):
            self._keeper.due(self, recording)
        self._keeper.ended(self)

    def _see(self, span_us: tuple[int, int] | None, messages: Callable[[], list[Message]]) -> None:
        seen = Seen(time.monotonic(), span_us, messages)
        for recording in list(self.recordings.values()):
            recording.see(seen)
            if recording.boxes.due or recording.finished(seen.came_s):
                self._keeper.due(self, recording)
        self._seen.append(seen)
        while self._seen[0].came_s < seen.came_s - self._settings.ring_seconds:
            self._seen.popleft()

    def _break_off(self, note: str = LOST) -> None:
        """The child is gone, with all its writers."""
        for recording in list(self.recordings.values()):
            if recording.writing:
                recording.break_off(note)
                self._keeper.due(self, recording)


def _messages(answer: Answer, fresh: bool) -> list[Message]:
    told = [answer.to_message()] if fresh else []
    return [*told, changes_to_message(answer)] if answer.changes else told
