"""What zones must be like to make sense on their stream, and what keeps them from counting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from service.errors import BadZone
from service.observers import StreamPort
from service.zones.geometry import check, outside
from service.zones.schemas import ZoneChange
from service.zones.zone import Zone


def check_zones(stream: StreamPort, zones: Sequence[Zone], news: Sequence[Zone], most: int) -> None:
    """Raises `BadZone` where there are more than `most`, or one of `news` makes no sense."""
    if len(zones) > most:
        raise BadZone(f"found {len(zones)} zones and lines; a stream may have {most} of them")
    if len({zone.id for zone in zones}) < len(zones):
        raise BadZone("two zones or lines have the same id; leave the id of one of them out")
    names = [zone.name for zone in zones]
    for zone in news:
        if names.count(zone.name) > 1:
            raise BadZone(f"two zones or lines are named {zone.name!r}; give each a name of its own")
        unknown = _unknown_classes(stream, zone)
        if unknown:
            raise BadZone(
                f"{zone.kind} {zone.name!r} counts {', '.join(unknown)}; the model knows "
                f"{', '.join(stream.classes)}"
            )
        check(zone, size_of(stream))


def problem_of_zone(stream: StreamPort, zone: Zone) -> str | None:
    """Why a zone counts nothing, or less than it should; None where it does."""
    if not stream.spec.track:
        return "the stream is not tracked, so nothing can enter or cross; PATCH it with track true"
    unknown = _unknown_classes(stream, zone)
    if unknown:
        return f"the model does not know {', '.join(unknown)}; it knows {', '.join(stream.classes)}"
    size = size_of(stream)
    if size is not None and outside(zone, size) is not None:
        return f"it reaches beyond the sensor, which has {size[0]} x {size[1]} pixels"
    return None


def changed(zone: Zone, change: ZoneChange) -> Zone:
    """`zone` with what `change` gives; raises BadZone where that is not for its kind."""
    chosen = change.model_dump(exclude_unset=True)
    if zone.kind == "line" and chosen.get("dwell_s") is not None:
        raise BadZone(f"{zone.name!r} is a line, on which nothing stays; dwell_s is for zones")
    if zone.kind == "zone" and change.points is not None and len(change.points) < 3:
        raise BadZone(f"found {len(change.points)} points; zone {zone.name!r} needs at least 3 corners")
    given = {name: value for name, value in chosen.items() if value is not None or name == "dwell_s"}
    return replace(zone, **given)


def size_of(stream: StreamPort) -> tuple[int, int] | None:
    """(width, height) of its sensor, None before it is known."""
    return None if stream.info is None else (stream.info.width, stream.info.height)


def _unknown_classes(stream: StreamPort, zone: Zone) -> list[str]:
    return sorted(set(zone.classes) - set(stream.classes))
