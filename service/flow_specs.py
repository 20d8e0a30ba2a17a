"""What the flows of live streams and uploads are made of, by the service's settings."""

from __future__ import annotations

import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

from model.card import Card
from service.flow import FlowSpec
from service.options import DetectOptions, StreamSpec
from service.settings import Settings
from service.source_messages import SourceRequest
from streaming.limits import Limits

LIVE_IN_FLIGHT, UPLOAD_IN_FLIGHT = 5, 8  # enough to hide the way between processes on a busy machine
OPEN_LIVE_S, OPEN_UPLOAD_S = 60.0, 60.0
WORKER_PATIENCE_S = 60.0
LIVE_MEMORY_BYTES = 4 << 30


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
