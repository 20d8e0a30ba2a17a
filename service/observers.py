"""`Observer`: what looks at a live stream beside its viewers: zones, alarms, history, recordings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol, TypeAlias

from service.answers import Answer
from service.channel import Message
from service.happenings import Happening
from service.options import StreamSpec
from service.source_messages import TapMessage
from streaming.source import SourceInfo

LinkState: TypeAlias = Literal["connecting", "live", "stalled", "lost"]


class StreamPort(Protocol):
    """A live stream, as its observers see it. All calls are made on the event loop.

    Attributes:
        id: unique, lasts as long as the stream is kept.
        name: shown to people, unique among streams.
        spec: what was asked for.
        classes: labels of its model.
        info: what the source is, None before it is known.
    """

    @property
    def id(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def spec(self) -> StreamSpec: ...

    @property
    def classes(self) -> tuple[str, ...]: ...

    @property
    def info(self) -> SourceInfo | None: ...

    def publish(self, message: Message) -> None:
        """To all viewers."""

    def happened(self, happening: Happening) -> None:
        """To all viewers and all observers."""

    def command(self, message: Message) -> None:
        """To the taps in the source's child; lost where there is no child."""


class Observer:
    """Takes what a stream brings; a subclass says what it wants of that. It must not block and not raise."""

    def sized(self, info: SourceInfo) -> None:
        """The source is there; the same again after every connection."""

    def answered(self, answer: Answer) -> None:
        """Boxes, and the changes of tracks."""

    def told(self, message: TapMessage) -> None:
        """A tap in the source's child said something."""

    def linked(self, state: LinkState, detail: str) -> None:
        """The link to the source changed."""

    def was_reset(self, reason: str) -> None:
        """The network forgot what it saw; all tracks have ended before."""

    def happened(self, happening: Happening) -> None:
        """Another observer found something, or this one."""

    def tick(self) -> None:
        """Once every `status_s`, also when nothing moves."""

    def status(self) -> dict[str, Any]:
        """Fields to be added to `status` messages and to `GET /streams/{id}`."""
        return {}

    def ended(self) -> None:
        """The stream was stopped, or its source has ended."""


ObserverMaker: TypeAlias = Callable[[StreamPort], Observer]
