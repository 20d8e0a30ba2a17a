"""Filters against slow references, in any cut, and their text form."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from streaming.errors import BadSource, EventsOutsideSensor
from streaming.events import Events
from streaming.filters.chain import Chain, FilteredSource, make_filter
from streaming.filters.hot_pixels import HotPixelFilter
from streaming.filters.settings import (
    Background,
    Flip,
    HotPixels,
    Polarity,
    Refractory,
    Region,
    Setting,
    parse_filter,
)
from streaming.filters.uri import split_filters
from tests.streaming.sources import ListSource

WIDTH, HEIGHT = 12, 9


def random_events(seed: int, n: int = 3_000, span_us: int = 60_000) -> Events:
    rng = np.random.default_rng(seed)
    times = np.sort(rng.integers(0, span_us, n))
    return Events.of(times, rng.integers(0, WIDTH, n), rng.integers(0, HEIGHT, n), rng.integers(0, 2, n))


def with_hot_pixels(seed: int) -> Events:
    """Background over the whole sensor, and pixels (3, 4), (4, 4) and the corner that fire fast."""
    quiet = random_events(seed, 2_000, 2_000_000)
    times = np.arange(0, 2_000_000, 2_000)
    hot = [Events.of(times, [x] * 1_000, [y] * 1_000, [1] * 1_000) for x, y in ((3, 4), (4, 4), (0, 0))]
    mixed = Events.concatenate([quiet, *hot])
    return mixed[np.argsort(mixed.t_us, kind="stable")]


def slow_background(events: Events, setting: Background) -> list[bool]:
    keep: list[bool] = []
    last: dict[tuple[int, int], int] = {}
    for t, x, y in zip(events.t_us.tolist(), events.x.tolist(), events.y.tolist(), strict=True):
        near = [(x + dx, y + dy) for dx, dy in itertools.product((-1, 0, 1), repeat=2) if (dx, dy) != (0, 0)]
        keep.append(any(0 <= t - last.get(pixel, -(10**12)) <= setting.dt_us for pixel in near))
        last[x, y] = t
    return keep


def slow_refractory(events: Events, setting: Refractory) -> list[bool]:
    keep: list[bool] = []
    last: dict[tuple[int, int], int] = {}
    for t, x, y in zip(events.t_us.tolist(), events.x.tolist(), events.y.tolist(), strict=True):
        rested = not 0 <= t - last.get((x, y), -(10**12)) < setting.period_us
        keep.append(rested)
        if rested:
            last[x, y] = t
    return keep


def slow_region(events: Events, setting: Region) -> list[bool]:
    return [
        setting.x0 <= x < setting.x1 and setting.y0 <= y < setting.y1
        for x, y in zip(events.x.tolist(), events.y.tolist(), strict=True)
    ]


def slow_polarity(events: Events, setting: Polarity) -> list[bool]:
    return [(p == 1) == (setting.keep == "on") for p in events.p.tolist()]


def slow_hot_pixels(events: Events, setting: HotPixels) -> list[bool]:
    keep: list[bool] = []
    hot: set[tuple[int, int]] = set()
    counts = np.zeros((HEIGHT, WIDTH), int)
    begin = int(events.t_us[0])
    least = setting.rate_hz * setting.window_us / 1e6
    for t, x, y in zip(events.t_us.tolist(), events.x.tolist(), events.y.tolist(), strict=True):
        if t >= begin + setting.window_us:
            around = np.pad(counts, 1)
            hot = set()
            for row, column in itertools.product(range(HEIGHT), range(WIDTH)):
                square = np.delete(around[row : row + 3, column : column + 3].ravel(), 4)
                own = counts[row, column]
                if own >= least and own > setting.factor * (sorted(square)[-3] + 1):
                    hot.add((column, row))
            counts[:] = 0
            begin = t
        counts[y, x] += 1
        keep.append((x, y) not in hot)
    return keep


MASKS: list[tuple[Setting, Callable[..., list[bool]], Events]] = [
    (Background(dt_us=300), slow_background, random_events(1)),
    (Refractory(period_us=4_000), slow_refractory, random_events(2)),
    (Region(2, 1, 7, 8), slow_region, random_events(3)),
    (Polarity("on"), slow_polarity, random_events(4)),
    (Polarity("off"), slow_polarity, random_events(4)),
    (HotPixels(window_us=300_000), slow_hot_pixels, with_hot_pixels(5)),
]


def same(left: Events, right: Events) -> bool:
    return all(
        np.array_equal(getattr(left, name), getattr(right, name))
        and getattr(left, name).dtype == getattr(right, name).dtype
        for name in ("t_us", "x", "y", "p")
    )


@pytest.mark.parametrize(("setting", "slow", "events"), MASKS, ids=lambda value: getattr(value, "name", ""))
@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_masks_equal_a_slow_reference_in_any_cut(
    setting: Setting, slow: Callable[..., list[bool]], events: Events, size: int
) -> None:
    expected = np.array(slow(events, setting))
    assert 0 < expected.sum() < len(events)
    apply = make_filter(setting, WIDTH, HEIGHT)
    packets = [apply(events[i : i + size]) for i in range(0, len(events), size)]
    assert same(Events.concatenate(packets), events[expected])
    apply.reset()
    assert same(apply(events), events[expected])


def test_hot_pixels_are_found_even_in_pairs_and_corners_and_forgotten() -> None:
    events = with_hot_pixels(6)
    apply = HotPixelFilter(HotPixels(), WIDTH, HEIGHT)
    first = apply(events[events.t_us < 500_000])
    assert len(first) == (events.t_us < 500_000).sum()
    apply(events[events.t_us >= 500_000])
    assert sorted(zip(*np.nonzero(apply.hot), strict=True)) == [(0, 0), (4, 3), (4, 4)]
    for begin_us in (3_000_000, 4_000_000):
        apply(Events.of([begin_us], [5], [5], [1]))
    assert not apply.hot.any()


def test_a_bright_area_is_not_hot() -> None:
    times = np.repeat(np.arange(0, 1_000_000, 2_000), 9)
    columns, rows = np.tile([4, 5, 6] * 3, 500), np.tile(np.repeat([4, 5, 6], 3), 500)
    apply = HotPixelFilter(HotPixels(), WIDTH, HEIGHT)
    assert len(apply(Events.of(times, columns, rows, [1] * len(times)))) == len(times)


@pytest.mark.parametrize("setting", [Background(1_000), Refractory(1_000), HotPixels(window_us=1_000)])
def test_backward_time_is_no_eternal_silence(setting: Setting) -> None:
    apply = make_filter(setting, WIDTH, HEIGHT)
    pair = Events.of([10**9, 10**9 + 1], [3, 4], [3, 3], [1, 1])
    fresh = len(make_filter(setting, WIDTH, HEIGHT)(pair))
    apply(pair)
    assert len(apply(Events.of([5, 6], [3, 4], [3, 3], [1, 1]))) == fresh


@pytest.mark.parametrize(("axis", "x", "y"), [("h", 11 - 2, 3), ("v", 2, 8 - 3), ("hv", 11 - 2, 8 - 3)])
def test_flips_mirror_within_the_sensor(axis: str, x: int, y: int) -> None:
    setting = parse_filter(f"flip:{axis}")
    event = Events.of([5], [2], [3], [1])
    flipped = make_filter(setting, WIDTH, HEIGHT)(event)
    assert (int(flipped.x[0]), int(flipped.y[0]), flipped.x.dtype) == (x, y, np.dtype(np.uint16))
    assert same(make_filter(setting, WIDTH, HEIGHT)(flipped), event)


TIMED: list[Setting] = [HotPixels(), Background(), Refractory()]
EVERY: list[Setting] = [*TIMED, Region(0, 0, 5, 5), Polarity("on"), Flip("h")]


@pytest.mark.parametrize("setting", EVERY, ids=lambda setting: setting.name)
def test_every_packet_gives_a_packet_and_stays_as_it_is(setting: Setting) -> None:
    apply = make_filter(setting, WIDTH, HEIGHT)
    events = random_events(7, 50)
    before = Events.of(events.t_us.copy(), events.x.copy(), events.y.copy(), events.p.copy())
    assert len(apply(Events.empty())) == 0
    assert isinstance(apply(events), Events)
    assert same(events, before)
    assert len(apply(events[::2])) <= 25


@pytest.mark.parametrize("setting", TIMED, ids=lambda setting: setting.name)
@pytest.mark.parametrize(("x", "y"), [(WIDTH, 0), (0, HEIGHT), (65_535, 65_535)])
def test_events_outside_are_refused(setting: Setting, x: int, y: int) -> None:
    with pytest.raises(EventsOutsideSensor, match=f"x={x}, y={y}"):
        make_filter(setting, WIDTH, HEIGHT)(Events.of([0, 1], [0, x], [0, y], [0, 0]))


def test_a_chain_runs_in_order_and_resets() -> None:
    chain = Chain.of([Region(0, 0, 6, 9), Flip("h"), Refractory(1_000_000)], WIDTH, HEIGHT)
    events = random_events(8)
    kept = chain(events)
    assert set(kept.x.tolist()) == {6, 7, 8, 9, 10, 11}
    assert len(kept) == 6 * 9
    assert len(chain(events[:0])) == 0
    chain.reset()
    assert same(chain(events), kept)


def test_a_filtered_source_has_as_many_packets() -> None:
    events = random_events(9, 100)
    source = ListSource([events[:50], Events.empty(), events[50:]], WIDTH, HEIGHT)
    with FilteredSource(source, [Polarity("on"), Flip("v")]) as filtered:
        packets = list(filtered.packets())
        assert filtered.info == source.info
    assert len(packets) == 3
    assert sum(map(len, packets)) == int(events.p.sum())
    assert source.closed


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ("hot_pixels", HotPixels()),
        ("hot_pixels:window_us=200000,factor=5.5", HotPixels(window_us=200_000, factor=5.5)),
        ("background", Background()),
        ("background:dt_us=700", Background(700)),
        ("refractory:500", Refractory(500)),
        (" region:1, 2,3,4 ", Region(1, 2, 3, 4)),
        ("region:1,2,y1=4,x1=3", Region(1, 2, 3, 4)),
        ("polarity:on", Polarity("on")),
        ("flip:hv", Flip("hv")),
    ],
)
def test_filters_are_read_from_text(text: str, setting: Setting) -> None:
    assert parse_filter(text) == setting


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("blur", "unknown filter 'blur'; filters are hot_pixels"),
        ("", "unknown filter"),
        ("background:dt=5", "write background:dt_us=2000"),
        ("background:1,2", "found '2'"),
        ("background:1,dt_us=2", "found 'dt_us=2'"),
        ("background:soon", "dt_us is a whole number, got 'soon'"),
        ("background:0", "dt_us 1..3600000000"),
        ("refractory:-5", "period_us 1.."),
        ("refractory:99999999999999999999", "period_us 1.."),
        ("hot_pixels:factor=inf", "factor 1..1e6"),
        ("hot_pixels:rate_hz=nan", "rate_hz up to 1e6"),
        ("region:1,2,3", "lacks a value; write region:X0,Y0,X1,Y1"),
        ("region:5,0,5,9", "0 <= x0 < x1"),
        ("region:-1,0,5,9", "0 <= x0 < x1"),
        ("polarity:up", "keep is on or off, got 'up'"),
        ("polarity", "write polarity:on|off"),
        ("flip:x", "axis is h or v or hv"),
    ],
)
def test_bad_text_is_refused_with_what_is_allowed(text: str, says: str) -> None:
    with pytest.raises(BadSource) as caught:
        parse_filter(text)
    assert says in str(caught.value)


def test_a_region_beyond_the_sensor_is_refused() -> None:
    with pytest.raises(BadSource, match="beyond the 12 x 9 sensor"):
        make_filter(Region(0, 0, 13, 5), WIDTH, HEIGHT)


@pytest.mark.parametrize(
    ("uri", "without", "filters"),
    [
        ("usb://evk4?filter=hot_pixels&biases=x", "usb://evk4?biases=x", [HotPixels()]),
        (
            "usb://evk4?biases=x&filter=polarity:on&filter=flip:h",
            "usb://evk4?biases=x",
            [Polarity("on"), Flip("h")],
        ),
        ("sim://street?filter=hot_pixels%3Arate_hz%3D10", "sim://street", [HotPixels(rate_hz=10.0)]),
        ("udp://:3333?width=3&height=4", "udp://:3333?width=3&height=4", []),
        ("dv://host:1?compression=&x", "dv://host:1?compression=&x", []),
        ("file:///a.raw?filter=hot_pixels", "file:///a.raw?filter=hot_pixels", []),
    ],
)
def test_a_live_sources_uri_may_ask_for_filters(uri: str, without: str, filters: list[Setting]) -> None:
    assert split_filters(uri) == (without, filters)


def test_a_live_sources_filter_that_means_nothing_is_refused() -> None:
    with pytest.raises(BadSource, match="unknown filter 'hotpixels'; filters are hot_pixels"):
        split_filters("usb://evk4?filter=hotpixels")
