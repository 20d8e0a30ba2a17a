"""`make_filter` and `Chain`: running filters one after another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from streaming.events import Events
from streaming.filters.activity import BackgroundFilter, RefractoryFilter
from streaming.filters.hot_pixels import HotPixelFilter
from streaming.filters.pixelwise import FlipFilter, PolarityFilter, RegionFilter
from streaming.filters.settings import Background, Flip, HotPixels, Polarity, Refractory, Region, Setting
from streaming.source import DerivedSource, Source


class Filter(Protocol):
    """Gives for every packet one packet, which may be empty; never changes the packet it was given."""

    def __call__(self, events: Events) -> Events: ...

    def reset(self) -> None:
        """Forgets everything learned, as before the first packet."""
        ...


def make_filter(setting: Setting, width: int, height: int) -> Filter:
    """The filter of a setting, for a sensor of `width` x `height` pixels.

    Raises:
        BadSource: the setting does not fit the sensor.
    """
    match setting:
        case HotPixels():
            return HotPixelFilter(setting, width, height)
        case Background():
            return BackgroundFilter(setting, width, height)
        case Refractory():
            return RefractoryFilter(setting, width, height)
        case Region():
            return RegionFilter(setting, width, height)
        case Polarity():
            return PolarityFilter(setting)
        case Flip():
            return FlipFilter(setting, width, height)


class Chain:
    """Filters in order, as one filter."""

    def __init__(self, filters: Sequence[Filter]) -> None:
        self._filters = tuple(filters)

    @classmethod
    def of(cls, settings: Sequence[Setting], width: int, height: int) -> Chain:
        """The chain of `settings` for a sensor; see `make_filter`."""
        return cls([make_filter(setting, width, height) for setting in settings])

    def __call__(self, events: Events) -> Events:
        for apply in self._filters:
            events = apply(events)
        return events

    def reset(self) -> None:
        for each in self._filters:
            each.reset()


class FilteredSource(DerivedSource):
    """A `Source` whose packets went through filters.

    Raises:
        BadSource: a setting does not fit the source's sensor.
    """

    def __init__(self, source: Source, settings: Sequence[Setting]) -> None:
        super().__init__(source)
        self._chain = Chain.of(settings, source.info.width, source.info.height)

    def packets(self) -> Iterator[Events]:
        """As many packets as the source has, shorter ones."""
        return map(self._chain, self._source.packets())
