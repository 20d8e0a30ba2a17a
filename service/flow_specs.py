"""`FlowSpec`: what a flow is made of; those of live streams and uploads, by the service's settings."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from model.card import Card
from service.options import DetectOptions, StreamSpec
from service.settings import Settings
from service.source_messages import SourceRequest
from service.windows import WindowPlan, plan_of
from streaming.limits import Limits
from streaming.ring import MAX_SLOTS

LIVE_IN_FLIGHT, UPLOAD_IN_FLIGHT = 5, 8  # enough to hide the way between processes on a busy machine
OPEN_LIVE_S, OPEN_UPLOAD_S = 60.0, 60.0
WORKER_PATIENCE_S = 60.0
LIVE_MEMORY_BYTES = 4 << 30


@dataclass(frozen=True, slots=True)
class FlowSpec:
    """What a flow is made of.

    Attributes:
        id: unique among flows.
        card: of the model.
        request: for the source's child.
        limits: of the source's child.
        options: `threshold`, `iou`, `stride`; None means the card's.
        queue_steps: steps that may wait.
        in_flight: steps sent to the worker and not answered.
        live: a live source: what a dead worker had is given up and counted; else it is done again.
        redo: how often it is done again.
        patience_s: longest time without a worker.
        open_s: longest time until the source says what it is.
    """

    id: str
    card: Card
    request: SourceRequest
    limits: Limits
    options: dict[str, Any]
    queue_steps: int
    in_flight: int
    live: bool
    redo: int
    patience_s: float
    open_s: float

    @property
    def kind(self) -> str:
        """The label of its metrics."""
        return "live" if self.live else "upload"

    @property
    def plan(self) -> WindowPlan:
        return plan_of(self.card, self.options["stride"])

    @property
    def slots(self) -> int:
        """Steps there can be: waiting, on their way, kept to be done again, being filled, one spare."""
        return min(MAX_SLOTS, self.queue_steps + self.in_flight + self.card.steps + 2)


def live_flow(stream_id: str, spec: StreamSpec, card: Card, settings: Settings) -> FlowSpec:
    """A stream's flow for one turn of its source; the worker knows it by a name of its own."""
    request = SourceRequest(
        spec.source,
        card.step_us,
        card.grid,
        spec.policy,
        spec.width,
        spec.height,
        picture_fps=settings.picture_fps,
    )
    memory = settings.parse_memory_mb << 20
    return FlowSpec(
        f"{stream_id}-{uuid.uuid4().hex[:6]}",
        card,
        request,
        replace(Limits.live(), memory_bytes=max(memory, LIVE_MEMORY_BYTES)),
        {**_options(spec), "track": spec.track},
        max(settings.live_queue_steps, 2 * card.steps),
        LIVE_IN_FLIGHT,
        live=True,
        redo=0,
        patience_s=settings.worker_start_s,
        open_s=OPEN_LIVE_S,
    )


def upload_flow(path: Path, options: DetectOptions, card: Card, settings: Settings) -> FlowSpec:
    request = SourceRequest(
        str(path),
        card.step_us,
        card.grid,
        "block",
        options.width,
        options.height,
        options.format,
        options.start_us,
        options.end_us,
    )
    limits = Limits(
        max_bytes=settings.max_upload_bytes,
        max_events=settings.parse_max_events,
        max_duration_us=int(settings.parse_max_duration_s * 1e6),
        memory_bytes=settings.parse_memory_mb << 20,
        cpu_s=settings.parse_cpu_s,
        wall_s=settings.parse_wall_s,
    )
    return FlowSpec(
        f"upload-{uuid.uuid4().hex[:12]}",
        card,
        request,
        limits,
        {**_options(options), "track": options.track},
        settings.upload_queue_steps,
        UPLOAD_IN_FLIGHT,
        live=False,
        redo=settings.worker_redo,
        patience_s=min(WORKER_PATIENCE_S, settings.worker_start_s),
        open_s=OPEN_UPLOAD_S,
    )


def _options(chosen: DetectOptions | StreamSpec) -> dict[str, Any]:
    return {"threshold": chosen.threshold, "iou": chosen.iou, "stride": chosen.stride}
