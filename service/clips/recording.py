"""`Recording`: one clip while it is being written."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from service.channel import Message
from service.clips.boxes import BoxesFile
from service.clips.clip import MOST_REASONS, Clip
from service.observers import StreamPort
from service.source_messages import ClipNews

GRACE_S = 2.0
"""How long boxes of a clip's last events are waited for."""
OVERDUE_S = 15.0
"""A writer that said nothing for so long after its end is given up."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Something that viewers were told.

    Attributes:
        came_s: `time.monotonic()` at which it came.
        span_us: times of the events that it is about, None where it is about none.
        messages: what was told, made only when it is written.
    """

    came_s: float
    span_us: tuple[int, int] | None
    messages: Callable[[], list[Message]]


class Recording:
    """A clip being written: its card, its boxes, its end. All calls come on the event loop.

    Args:
        clip: as it was ordered.
        stream: that it is of.
        boxes: its file of messages.
        before: what viewers were told in the seconds before.
        until_s: `time.monotonic()` at which it ends. longest_s: the latest that this may become.

    Attributes:
        clip: as it is now.
        until_s: likewise.
        lease_bytes: what its file of events may take.
        broken: its writer is gone, and what it left must be mended.
    """

    def __init__(
        self,
        clip: Clip,
        stream: StreamPort,
        boxes: BoxesFile,
        before: Sequence[Seen],
        until_s: float,
        longest_s: float,
    ) -> None:
        self.clip, self.stream, self.boxes, self.until_s = clip, stream, boxes, until_s
        self.lease_bytes = 0
        self.broken = False
        self._longest_s = longest_s
        self._begun_s = time.monotonic()
        self._held: list[Seen] | None = list(before)
        self._whole_s: float | None = None
        self._boxes_done = False

    @property
    def writing(self) -> bool:
        """Its events are still being written."""
        return self._whole_s is None and not self.broken

    def finished(self, now_s: float) -> bool:
        """Nothing more is to be waited for."""
        if self.broken or self._whole_s is None:
            return self.broken
        return self._boxes_done or now_s - self._whole_s > GRACE_S

    def overdue(self, now_s: float) -> bool:
        return self.writing and now_s > self.until_s + OVERDUE_S

    def see(self, seen: Seen) -> None:
        """Takes what viewers are told, as far as it is of the clip's time."""
        if self._held is not None:
            self._held.append(seen)
            return
        last_us = self.clip.last_t_us
        if self._whole_s is not None and seen.span_us is not None:
            # After the last event only a window that still holds it is of this clip.
            self._boxes_done = last_us is None or seen.span_us[1] > last_us
            if last_us is None or seen.span_us[0] > last_us:
                return
        for message in seen.messages():
            self.boxes.add(message)

    def hear(self, news: ClipNews) -> None:
        """Takes what the writer says."""
        self.clip = replace(
            self.clip,
            events=news.events,
            lost_events=news.lost_events,
            size_bytes=news.size_bytes,
            first_t_us=news.first_t_us,
            last_t_us=news.last_t_us,
            note=self.clip.note or news.note,
        )
        if news.first_t_us is not None or news.state != "recording":
            self._release(news.first_t_us)
        if news.state == "whole":
            self._whole_s = time.monotonic()
        elif news.state == "broken":
            self.break_off(news.note)

    def break_off(self, note: str | None) -> None:
        """The writer is gone."""
        self.broken = True
        self.clip = replace(self.clip, note=self.clip.note or note)
        self._release(self.clip.first_t_us)

    def extend(self, after_s: float, reason: Message) -> bool:
        """Another alarm while this is recorded: it goes on for `after_s` from now. False where it cannot."""
        now_s = time.monotonic()
        if not self.writing or now_s >= self.until_s or now_s >= self._longest_s:
            return False
        self.until_s = min(self._longest_s, max(self.until_s, now_s + after_s))
        reasons = (*self.clip.reasons, reason)[:MOST_REASONS]
        self.clip = replace(
            self.clip, reasons=reasons, after_s=max(self.clip.after_s, round(self.until_s - self._begun_s, 3))
        )
        return True

    def stop(self) -> None:
        """Ends it now."""
        self.until_s = min(self.until_s, time.monotonic())

    def card(self) -> Clip:
        """The clip with what is known at this moment."""
        whole_s = max(1e-3, self.until_s - self._begun_s)
        progress = min(1.0, (time.monotonic() - self._begun_s) / whole_s)
        return replace(
            self.clip,
            progress=round(progress if self.writing else 1.0, 3),
            answers=self.boxes.answers,
            boxes_bytes=self.boxes.size_bytes,
            note=self.clip.note or self.boxes.problem,
        )

    def order(self, path: str, format_: str, reserve_bytes: int) -> dict[str, Any]:
        """The command to the tap."""
        return {
            "type": "record",
            "id": self.clip.id,
            "path": path,
            "format": format_,
            "before_s": self.clip.before_s,
            "until_s": self.until_s,
            "lease_bytes": self.lease_bytes,
            "reserve_bytes": reserve_bytes,
        }

    def longer_lease(self) -> dict[str, Any]:
        """The command to the tap after `lease_bytes` was raised."""
        return {"type": "record_lease", "id": self.clip.id, "lease_bytes": self.lease_bytes}

    def _release(self, first_t_us: int | None) -> None:
        """Writes what was held back until the first event's time was known: boxes of older events go."""
        held, self._held = self._held, None
        for seen in held or ():
            if first_t_us is None or seen.span_us is None or seen.span_us[1] > first_t_us:
                self.see(seen)
