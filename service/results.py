"""A detection as messages: heading, answers, summary; as NDJSON lines and as one JSON document of them."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio

from model.errors import ModelError
from service.answers import Answer
from service.errors import ServiceError
from service.options import DetectOptions
from service.problems import problem_body
from service.runtime import DetectRun
from streaming.errors import StreamingError
from streaming.source import SourceInfo

Message = dict[str, Any]
NDJSON = "application/x-ndjson"


@dataclass(frozen=True, slots=True)
class Heading:
    """What is known before the first answer: name and bytes of the recording, model and device."""

    name: str
    size_bytes: int
    options: DetectOptions
    device: str

    def to_message(self, info: SourceInfo) -> Message:
        """The message `recording`, always first."""
        recording = {
            "name": self.name,
            "size_bytes": self.size_bytes,
            "format": info.format,
            "width": info.width,
            "height": info.height,
        }
        return {
            "type": "recording",
            "recording": recording,
            "model": self.options.model,
            "device": self.device,
        }


@dataclass(slots=True)
class Summary:
    """Sums over the answers of one detection."""

    answers: int = 0
    boxes: int = 0
    events: int = 0
    synops: float = 0.0
    energy_mj: float = 0.0
    start_us: int | None = None
    end_us: int | None = None
    started_s: float = field(default_factory=time.monotonic)

    def add(self, answer: Answer) -> None:
        self.answers += 1
        self.boxes += len(answer.detections)
        self.events += answer.events
        self.synops += answer.spikes.synops
        self.energy_mj += answer.spikes.energy_mj
        self.start_us = answer.t_us[0] if self.start_us is None else self.start_us
        self.end_us = answer.t_us[1]

    def to_message(self) -> Message:
        """The message `summary`, last where nothing broke."""
        return {
            "type": "summary",
            "answers": self.answers,
            "boxes": self.boxes,
            "events": self.events,
            "t_us": None if self.start_us is None else [self.start_us, self.end_us],
            "synops": self.synops,
            "energy_mj": self.energy_mj,
            "elapsed_s": round(time.monotonic() - self.started_s, 3),
        }


async def messages(run: DetectRun, heading: Heading) -> AsyncGenerator[Message]:
    """`recording`, then every `detections`, then `summary`; errors are raised. Closing it cancels the run."""
    summary = Summary()
    async with _held(run):
        yield heading.to_message(await run.opened())
        async for answer in run:
            summary.add(answer)
            yield answer.to_message()
    yield summary.to_message()


@asynccontextmanager
async def _held(run: DetectRun) -> AsyncIterator[None]:
    """`async with run`, but leaving takes its time even where the request around it is cancelled."""
    await run.__aenter__()
    try:
        yield
    finally:
        with anyio.CancelScope(shield=True):
            await run.__aexit__(None, None, None)


async def told(stream: AsyncGenerator[Message]) -> AsyncGenerator[Message]:
    """The same messages, with an error as the last one, for answers whose status line is gone."""
    try:
        async for message in stream:
            yield message
    except (ServiceError, StreamingError, ModelError) as error:
        yield {"type": "error", "problem": problem_body(error)}
    except Exception as error:
        yield {"type": "error", "problem": problem_body(error)}
        raise
    finally:
        await stream.aclose()


def line(message: Message) -> bytes:
    return json.dumps(message, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def document(lines: Iterable[bytes]) -> Iterator[bytes]:
    """`{recording, model, device, answers, summary}` of the NDJSON lines of a whole detection, in pieces."""
    waiting = b""
    for number, text in enumerate(lines):
        if number == 0:
            yield _opening(text)
        elif number == 1:
            waiting = text
        else:
            yield (b"" if number == 2 else b",") + waiting.rstrip()
            waiting = text
    yield b'],"summary":' + _without_type(waiting) + b"}"


def _opening(text: bytes) -> bytes:
    return _without_type(text)[:-1] + b',"answers":['


def _without_type(text: bytes) -> bytes:
    message = json.loads(text)
    del message["type"]
    return line(message).rstrip()
