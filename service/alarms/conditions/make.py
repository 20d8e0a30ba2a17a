"""`condition_of`: the machine of a rule's condition."""

from __future__ import annotations

from collections.abc import Callable, Collection

from service.alarms.conditions.base import Condition
from service.alarms.conditions.boxes import ClassCondition, CountCondition
from service.alarms.conditions.source import HealthCondition, LinkCondition
from service.alarms.conditions.zones import InsideCondition, LineCondition, ZoneCondition
from service.alarms.schemas import (
    ClassWhen,
    CountWhen,
    HealthWhen,
    InsideWhen,
    LineWhen,
    LinkWhen,
    When,
    ZoneWhen,
)


def condition_of(when: When, classes: Collection[str], inside: Callable[[str], dict[str, int]]) -> Condition:
    """Fresh, and knowing nothing of what was before.

    Args:
        when: what the rule says.
        classes: those that count, empty for all.
        inside: how many are in a zone of the stream, by class.
    """
    match when:
        case ZoneWhen():
            return ZoneCondition(when, classes)
        case InsideWhen():
            return InsideCondition(when, classes, lambda: inside(when.zone))
        case LineWhen():
            return LineCondition(when, classes)
        case ClassWhen():
            return ClassCondition(when, classes)
        case CountWhen():
            return CountCondition(when, classes)
        case HealthWhen():
            return HealthCondition(when)
        case LinkWhen():
            return LinkCondition(when)
