"""The inference worker: a process that owns the detectors and batches over streams.

Started as `python -m service.worker FD` with one end of a socket pair (`service/channel.py`). Messages:

::

    open {stream, model, options, size, ring, resume, next_track_id} -> opened {stream}
    step {stream, serial, slot, t_us, ...}            -> done {stream, serial, count, answered, early, due}
    flush {stream}                                    -> flushed {stream, answer}
    update {stream, threshold, iou}, close {stream}, stop {}
                            ready {pid, engine, device, models} and failed {stream, error, message}

Models are loaded in a thread of their own, so that streams of other models go on meanwhile. A request that is
wrong fails its own stream with a typed error and nothing else.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.card import find
from model.detector import Detector
from model.errors import ModelError
from service.channel import Channel, ChannelClosed, Message
from service.errors import BadRequest, to_wire
from service.inference import LaneOptions, Outcome, StreamBatcher, lane_options
from service.models import ModelCache
from service.parentage import end_with_parent, leave_interrupts_to_parent
from service.windows import Resume
from service.wire import answer_to_wire, ring_from_wire
from service.worker_config import WorkerConfig
from streaming.ring import attach
from streaming.step import Step

Batcher = StreamBatcher[int]


@dataclass(slots=True)
class _Seat:
    """An open stream: its model's batcher and its ring."""

    batcher: Batcher
    slots: NDArray[np.uint16]  # (slots, 2, H, W)
    model: str


@dataclass(slots=True)
class _Waiting:
    """An opened stream whose model is still being loaded, and what came for it meanwhile."""

    request: Message
    backlog: list[Message] = field(default_factory=list)


class Worker:
    """The worker's loop; one object a process."""

    def __init__(self, channel: Channel, config: WorkerConfig) -> None:
        self._channel, self._config = channel, config
        self._models = ModelCache(self._load, config.max_models)
        self._seats: dict[str, _Seat] = {}
        self._waiting: dict[str, _Waiting] = {}
        self._stopping = False

    def run(self) -> None:
        """Loads the first models, then serves until `stop` or until the API is gone."""
        for model in self._config.models:
            self._models.load_now(model)
        self._announce()
        while not self._stopping:
            self._receive()
            self._seat_loaded()
            for batcher in self._models.batchers():
                self._step(batcher)

    def _load(self, model: str) -> Batcher:
        config = self._config
        engine: Any = config.engine
        card = find(model, config.models_dir).card
        detector = Detector.load(card, engine=engine, device=config.device, threads=config.threads)
        batcher: Batcher = StreamBatcher(detector, config.max_batch)
        batcher.warm_up()
        return batcher

    def _announce(self) -> None:
        first = next(iter(self._models.batchers()))
        self._channel.send(
            {
                "type": "ready",
                "pid": os.getpid(),
                "engine": first.detector.engine.name,
                "device": first.detector.engine.device,
                "models": self._models.names(),
            }
        )

    def _receive(self) -> None:
        """Handles all messages that are there; waits for one where there is nothing to do."""
        timeout_s = self._idle_s()
        while not self._stopping and self._models.wait(self._channel, timeout_s):
            message, _ = self._channel.recv()
            self._handle(message)
            timeout_s = 0.0

    def _idle_s(self) -> float | None:
        """How long there is nothing to run, None for until a message comes."""
        waits_s = [batcher.wait_s() for batcher in self._models.batchers()]
        return min((wait_s for wait_s in waits_s if wait_s is not None), default=None)

    def _handle(self, message: Message) -> None:
        kind, stream = message["type"], message.get("stream", "")
        if kind == "stop":
            self._stopping = True
        elif kind == "open":
            self._open(stream, message)
        elif kind == "close":
            self._close(stream)
        elif stream in self._waiting:
            self._waiting[stream].backlog.append(message)
        elif stream in self._seats:
            self._serve(kind, stream, message)

    def _open(self, stream: str, message: Message) -> None:
        self._close(stream)
        self._waiting[stream] = _Waiting(message)
        self._models.request(message["model"])

    def _seat_loaded(self) -> None:
        """Opens the streams whose model is there by now, or tells why it is not."""
        for stream, waiting in list(self._waiting.items()):
            try:
                batcher = self._models.get(waiting.request["model"])
            except Exception as error:  # noqa: BLE001 - a process edge: the cause goes to the stream, by name
                del self._waiting[stream]
                self._fail(stream, error)
                continue
            if batcher is not None:
                del self._waiting[stream]
                self._seat(stream, batcher, waiting)

    def _seat(self, stream: str, batcher: Batcher, waiting: _Waiting) -> None:
        request = waiting.request
        try:
            slots = attach(ring_from_wire(request["ring"]))
            batcher.open(
                stream,
                _options(batcher, request),
                Resume(**request["resume"]),
                next_track_id=request.get("next_track_id", 1),
            )
        except (KeyError, OSError, TypeError, ValueError) as error:
            self._fail(stream, BadRequest(f"the stream cannot be opened: {error}"))
            return
        self._seats[stream] = _Seat(batcher, slots, request["model"])
        self._models.hold(request["model"])
        self._channel.send({"type": "opened", "stream": stream})
        for message in waiting.backlog:
            self._handle(message)

    def _serve(self, kind: str, stream: str, message: Message) -> None:
        seat = self._seats[stream]
        try:
            if kind == "step":
                self._push(seat, stream, message)
            elif kind == "update":
                seat.batcher.update(stream, threshold=message["threshold"], iou=message["iou"])
            elif kind == "flush":
                self._flush(seat, stream)
            else:
                raise BadRequest(f"the worker knows no message {kind!r}")
        except (BadRequest, IndexError, KeyError, TypeError, ValueError) as error:
            self._fail(stream, BadRequest(f"{type(error).__name__}: {error}"))

    def _push(self, seat: _Seat, stream: str, message: Message) -> None:
        slot = message["slot"]
        if not 0 <= slot < len(seat.slots):
            raise BadRequest(f"found slot {slot} in a ring of {len(seat.slots)}")
        begin_us, end_us = message["t_us"]
        step = Step(seat.slots[slot], (begin_us, end_us), message["events"], message["newest_us"])
        seat.batcher.push(
            stream,
            step,
            message["serial"],
            ready_s=message["ready_s"],
            restart=message["restart"],
            ends_tracks=message["reset"],
            joins=message["joins"],
        )

    def _flush(self, seat: _Seat, stream: str) -> None:
        answer = seat.batcher.flush(stream)
        self._channel.send({"type": "flushed", "stream": stream, "answer": answer_to_wire(answer)})

    def _step(self, batcher: Batcher) -> None:
        """One batch; what goes wrong in it ends the streams that took part, not the worker."""
        if not batcher.pending:
            return
        try:
            outcomes = batcher.run_once()
        except Exception as error:  # noqa: BLE001 - a process edge: the cause goes to the streams, by name
            for stream in list(batcher.running):
                self._fail(stream, error)
            return
        for outcome in outcomes:
            self._channel.send(_done(outcome))

    def _fail(self, stream: str, error: BaseException) -> None:
        self._close(stream)
        self._channel.send({"type": "failed", "stream": stream, **to_wire(error)})

    def _close(self, stream: str) -> None:
        self._waiting.pop(stream, None)
        seat = self._seats.pop(stream, None)
        if seat is not None:
            seat.batcher.close(stream)
            self._models.release(seat.model)


def _options(batcher: Batcher, request: Mapping[str, Any]) -> LaneOptions:
    width, height = request["size"]
    return lane_options(batcher.detector.card, width, height, request["options"])


def _done(outcome: Outcome[int]) -> Message:
    return {
        "type": "done",
        "stream": outcome.stream_id,
        "serial": outcome.token,
        "count": outcome.count,
        "answered": outcome.answered,
        "early": answer_to_wire(outcome.early),
        "due": answer_to_wire(outcome.due),
    }


def main() -> None:
    """`python -m service.worker FD`: the first message is the config."""
    leave_interrupts_to_parent()
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    try:
        config = WorkerConfig(**channel.recv()[0])
        end_with_parent(config.parent_pid)
        Worker(channel, config).run()
    except ModelError as error:
        channel.send({"type": "refused", **to_wire(error)})
        sys.exit(1)
    except ChannelClosed:
        return


if __name__ == "__main__":
    main()
