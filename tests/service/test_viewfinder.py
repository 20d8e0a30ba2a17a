"""Pictures for viewers: made only while somebody looks, of the newest events alone."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from service.viewfinder import SHOWN_US, Viewfinder
from streaming.events import Events
from streaming.source import SourceInfo

INFO = SourceInfo("sim", 64, 48)


def block(t_us: int, left: int) -> Events:
    """A lit block of 8 x 8 pixels at one time."""
    x, y = np.meshgrid(np.arange(left, left + 8), np.arange(20, 28))
    return Events.of(np.full(64, t_us), x.ravel(), y.ravel(), np.ones(64))


def bright(webp: bytes, left: int) -> bool:
    picture: NDArray[np.uint8] = cv2.imdecode(np.frombuffer(webp, np.uint8), cv2.IMREAD_COLOR)
    return bool(picture[22:26, left + 2 : left + 6].max() > 100)


def finder(width: int | None = 64) -> Viewfinder:
    viewfinder = Viewfinder(INFO, fps=1e9)
    viewfinder.width = width
    return viewfinder


def test_nothing_is_drawn_while_nobody_looks() -> None:
    assert finder(width=None).add(block(0, 8)) is None


def test_a_picture_shows_the_newest_events_only() -> None:
    viewfinder = finder()
    first = viewfinder.add(block(0, 8))
    assert first is not None
    assert bright(first, 8)
    viewfinder._due_s = 0.0
    second = viewfinder.add(block(SHOWN_US + 1, 40))
    assert second is not None
    assert bright(second, 40)
    assert not bright(second, 8)


def test_time_that_runs_back_begins_a_new_picture() -> None:
    viewfinder = finder()
    viewfinder.add(block(1_000_000, 8))
    viewfinder._due_s = 0.0
    picture = viewfinder.add(block(0, 40))
    assert picture is not None
    assert not bright(picture, 8)


def test_a_small_sensor_is_not_enlarged() -> None:
    picture = finder(width=960).add(block(0, 8))
    assert picture is not None
    assert cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR).shape == (48, 64, 3)
