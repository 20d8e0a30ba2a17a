"""What a live stream says of itself: `hello`, `status`, and `GET /streams/{id}`."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from service.windows import plan_of

if TYPE_CHECKING:
    from service.streams import LiveStream

PROTOCOL = 1


def hello(stream: LiveStream) -> dict[str, Any]:
    card, info = stream.card, stream.info
    return {
        "type": "hello",
        "protocol": PROTOCOL,
        "stream": stream.id,
        "name": stream.name,
        "model": card.name,
        "classes": list(card.classes),
        "resolution": None if info is None else [info.width, info.height],
        "step_us": card.step_us,
        "steps": card.steps,
        "stride": plan_of(card, stream.spec.stride).stride,
        "policy": stream.spec.policy,
        "track": stream.spec.track,
        **thresholds(stream),
    }


def status(stream: LiveStream) -> dict[str, Any]:
    counts, flow, health = stream.relay.counts, stream.relay.flow, stream.host.supervisor.health()
    return {
        "type": "status",
        "state": "running" if stream.running else "ended",
        "link": stream.relay.link.to_json(),
        "worker": health.state,
        "device": health.device,
        "t_us": None if flow is None else flow.newest_us,
        "answers": stream.relay.answers,
        "events": counts.events,
        "steps_in": counts.steps,
        "events_per_s": round(stream.rate.per_s, 1),
        "behind_ms": 0.0 if stream.last is None else round(stream.last.behind_ms, 3),
        "queue": queue(stream),
        "dropped": asdict(counts.dropped),
        "left_out": {} if flow is None else flow.left_out,
        "tracks": len(stream.tracks),
        "viewers": len(stream.hub),
        **thresholds(stream),
    }


def queue(stream: LiveStream) -> dict[str, Any]:
    feed = None if stream.relay.flow is None else stream.relay.flow.feed
    return {
        "name": stream.id,
        "policy": stream.spec.policy,
        "bound": stream.host.settings.live_queue_steps if feed is None else feed.bound,
        "depth": 0 if feed is None else len(feed),
        "oldest_ms": 0.0 if feed is None else round(feed.oldest_ms(), 3),
        "dropped": stream.relay.counts.dropped.steps,
    }


def describe(stream: LiveStream) -> dict[str, Any]:
    about = {**stream.hello(), **stream.status()}
    del about["type"], about["stream"]
    flow, info = stream.relay.flow, stream.info
    return {
        "id": stream.id,
        "source": stream.spec.source,
        "format": None if info is None else info.format,
        "keep": stream.spec.keep,
        **about,
        "pid": None if flow is None else flow.source.pid,
        "age_s": round(time.monotonic() - stream.started_s, 3),
        "last": None if stream.last is None else stream.last.to_message(),
    }


def figures(stream: LiveStream) -> dict[str, float]:
    """For Prometheus, see `telemetry.Metrics.show_streams`."""
    counts = stream.relay.counts
    return {
        "connected": stream.relay.link.state in ("live", "stalled"),
        "events_per_second": stream.rate.per_s,
        "events": counts.events,
        "dropped_events": counts.dropped.events,
        "answers": stream.relay.answers,
        "behind_seconds": 0.0 if stream.last is None else stream.last.behind_ms / 1e3,
        "tracks": len(stream.tracks),
        "viewers": len(stream.hub),
    }


def thresholds(stream: LiveStream) -> dict[str, float]:
    """Those in force: as asked for, else the card's."""
    spec, card = stream.spec, stream.card
    return {
        "threshold": card.threshold if spec.threshold is None else spec.threshold,
        "iou": card.iou if spec.iou is None else spec.iou,
    }
