"""What rules must be like to be raised at all, and what keeps those that are there from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from service.alarms.rule import Rule
from service.alarms.schemas import InsideWhen, LineWhen, ZoneWhen
from service.errors import BadAlarm
from service.observers import StreamPort
from service.zones.zones import Zones


def check_name(rule: Rule, others: Iterable[Rule]) -> None:
    """Raises `BadAlarm` where its name is taken."""
    if any(rule.name == other.name and rule.id != other.id for other in others):
        raise BadAlarm(f"an alarm is named {rule.name!r} already; choose another name")


def check_rule(rule: Rule, streams: Sequence[StreamPort], zones: Zones) -> None:
    """Raises `BadAlarm` where a rule for one stream could not be raised as things are.

    One for all streams may speak of zones that are still to come.
    """
    if rule.stream is not None and (problem := problem_of_rule(rule, streams, zones)):
        raise BadAlarm(problem)


def problem_of_rule(rule: Rule, streams: Sequence[StreamPort], zones: Zones) -> str | None:
    """Why it cannot be raised as things are; None where it can, on one stream at least."""
    own = [stream for stream in streams if rule.is_for(stream.id, stream.name)]
    if not own:
        names = ", ".join(repr(stream.name) for stream in streams) or "none"
        return (
            f"there is no stream {rule.stream!r} now; there are {names}"
            if rule.stream
            else "there is no stream"
        )
    problems = [_problem(rule, stream, zones) for stream in own]
    return None if None in problems else problems[0]


def _problem(rule: Rule, stream: StreamPort, zones: Zones) -> str | None:
    unknown = sorted(set(rule.classes) - set(stream.classes))
    if unknown:
        known = ", ".join(stream.classes)
        return f"the model of stream {stream.name!r} does not know {', '.join(unknown)}; it knows {known}"
    if not stream.spec.track and _needs_tracks(rule):
        return f"stream {stream.name!r} is not tracked; PATCH it with track true"
    return _zone_problem(rule, stream, zones)


def _needs_tracks(rule: Rule) -> bool:
    return rule.when.on in ("zone", "inside", "line") or getattr(rule.when, "of", "") == "tracks"


def _zone_problem(rule: Rule, stream: StreamPort, zones: Zones) -> str | None:
    when = rule.when
    if isinstance(when, ZoneWhen | InsideWhen):
        wanted, kind = when.zone, "zone"
    elif isinstance(when, LineWhen):
        wanted, kind = when.line, "line"
    else:
        return None
    there = [zone for zone in zones.all(stream.id) if zone.kind == kind]
    found = next((zone for zone in there if wanted in (zone.id, zone.name)), None)
    if found is None:
        names = ", ".join(repr(zone.name) for zone in there) or "none"
        return f"stream {stream.name!r} has no {kind} {wanted!r}; it has {names}"
    if isinstance(when, ZoneWhen) and when.event == "dwell" and found.dwell_s is None:
        return f"zone {wanted!r} tells of no stays; PATCH it with dwell_s"
    return None
