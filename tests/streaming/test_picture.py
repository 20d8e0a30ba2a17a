"""Pictures and clips, read back by a decoder."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from streaming.clip import SHEET_PICTURES, render_clip
from streaming.errors import BadSource, BrokenRecording, EventsOutsideSensor, UnsupportedEncoding
from streaming.events import Events
from streaming.letterbox import Letterbox
from streaming.picture import (
    DARK,
    Boxes,
    Picture,
    count_events,
    draw_boxes,
    draw_counts,
    encode_png,
    encode_webp,
    fit_width,
)


def decode(data: bytes) -> Picture:
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), np.uint8)


def brightness(picture: Picture) -> float:
    return float(np.linalg.norm(picture.astype(float) - DARK.background))


def test_polarities_have_their_colours_on_the_background() -> None:
    events = Events.of([0] * 40, [1] * 20 + [3] * 20, [2] * 40, [1] * 20 + [0] * 20)
    picture = draw_counts(count_events(events, Letterbox(6, 4, 6, 4)))
    assert picture.shape == (4, 6, 3)
    assert tuple(picture[2, 1]) == DARK.on
    assert tuple(picture[2, 3]) == DARK.off
    assert tuple(picture[0, 0]) == DARK.background


def test_more_events_are_brighter_and_one_is_seen() -> None:
    rows = np.zeros((2, 1, 4), np.uint16)
    rows[1, 0] = (0, 1, 4, 60_000)
    picture = draw_counts(rows)
    steps = [brightness(picture[0, column]) for column in range(4)]
    assert steps[0] == 0
    assert steps == sorted(set(steps))
    assert steps[1] > 0.4 * steps[3]


def test_a_smaller_picture_keeps_every_event() -> None:
    rng = np.random.default_rng(3)
    events = Events.of(
        range(500), rng.integers(0, 1280, 500), rng.integers(0, 720, 500), rng.integers(0, 2, 500)
    )
    counts = count_events(events, Letterbox(1280, 720, 320, 180))
    assert counts.shape == (2, 180, 320)
    assert counts.sum() == 500


def test_events_outside_are_refused() -> None:
    with pytest.raises(EventsOutsideSensor, match="6 x 4 sensor"):
        count_events(Events.of([0], [6], [0], [0]), Letterbox(6, 4, 6, 4))
    with pytest.raises(BrokenRecording, match="found polarity 2"):
        count_events(Events.of([0], [5], [0], [2]), Letterbox(6, 4, 6, 4))


def test_width_is_fitted_in_proportion() -> None:
    picture = np.zeros((240, 304, 3), np.uint8)
    assert fit_width(picture, 608).shape == (480, 608, 3)
    assert fit_width(picture, 152).shape == (120, 152, 3)
    assert fit_width(picture, 304) is picture


def test_boxes_are_drawn_where_they_are_and_labelled() -> None:
    picture = np.zeros((200, 480, 3), np.uint8)
    boxes = Boxes(np.array([[50.0, 40, 100, 90]]), np.array([1]), np.array([0.876]), ("person", "car"))
    drawn = draw_boxes(picture, boxes, scale=2)
    assert boxes.caption(0) == "car 0.88"
    assert not picture.any()
    for x, y in ((100, 130), (200, 130), (150, 180)):
        assert np.abs(drawn[y, x].astype(int) - DARK.boxes[1]).max() < 40
    assert not drawn[100:160, 120:180].any()
    chip = drawn[62:78, 102:150].reshape(-1, 3)
    assert (chip == DARK.boxes[1]).all(1).any()
    assert (np.abs(chip.astype(int) - DARK.ink).max(1) < 60).any()


@pytest.mark.parametrize(
    "xyxy",
    [[-50, -50, 10, 10], [300, 180, 900, 900], [0, 0, 320, 200], [400, 400, 500, 500], [5, 5, 5, 5]],
)
def test_boxes_over_the_border_are_drawn_inside(xyxy: list[float]) -> None:
    boxes = Boxes(np.array([xyxy], np.float32), np.array([0]), None, ("a name that is rather long",))
    drawn = draw_boxes(np.zeros((200, 320, 3), np.uint8), boxes)
    assert drawn.shape == (200, 320, 3)
    assert (drawn == DARK.boxes[0]).all(2).sum() > 100


def test_labels_of_boxes_on_top_of_each_other_are_both_readable() -> None:
    boxes = Boxes(np.array([[50.0, 60, 200, 150]] * 2), np.array([0, 1]), None, ("person", "car"))
    both = draw_boxes(np.zeros((200, 480, 3), np.uint8), boxes)
    chips = [(both == colour).all(2) for colour in DARK.boxes[:2]]
    assert all(chip.sum() > 250 for chip in chips)  # the second box's outline is covered, its chip is not
    assert np.nonzero(chips[1])[0].min() >= 60


def test_no_boxes_leave_the_picture_as_it_is() -> None:
    picture = np.full((20, 30, 3), 7, np.uint8)
    none = Boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), None, ("person",))
    np.testing.assert_array_equal(draw_boxes(picture, none), picture)


def test_encodings_decode_to_what_was_drawn() -> None:
    picture = draw_counts(np.random.default_rng(0).poisson(0.1, (2, 60, 80)))
    np.testing.assert_array_equal(decode(encode_png(picture)), picture)
    assert encode_webp(picture)[8:12] == b"WEBP"
    assert decode(encode_webp(picture, width=160)).shape == (120, 160, 3)


def grey_frames(n: int, size: tuple[int, int] = (48, 64)) -> list[Picture]:
    return [np.full((*size, 3), 10 * i, np.uint8) for i in range(n)]


@pytest.mark.parametrize("size", [(48, 64), (61, 53)])
def test_a_film_holds_every_frame(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "clip.mp4"
    assert render_clip(iter(grey_frames(9, size)), path, fps=25) == 9
    film = cv2.VideoCapture(str(path))
    shown = []
    while True:
        there, frame = film.read()
        if not there:
            break
        shown.append(float(np.asarray(frame).mean()))
    film.release()
    assert shown == pytest.approx([10.0 * i for i in range(9)], abs=4)
    assert [entry.name for entry in tmp_path.iterdir()] == ["clip.mp4"]


@pytest.mark.parametrize(("n", "tiles"), [(1, (1, 1)), (5, (2, 3)), (25, (3, 3)), (24, (3, 4))])
def test_a_sheet_spreads_frames_over_time(tmp_path: Path, n: int, tiles: tuple[int, int]) -> None:
    assert SHEET_PICTURES == 12
    assert render_clip(grey_frames(n), tmp_path / "sheet.png") == n
    sheet = decode((tmp_path / "sheet.png").read_bytes())
    assert sheet.shape == (48 * tiles[0], 64 * tiles[1], 3)
    assert sheet[0, 0, 0] == 0


@pytest.mark.parametrize(
    ("name", "frames", "error", "says"),
    [
        ("clip.avi", grey_frames(2), BadSource, ".mp4 or .png"),
        ("clip", grey_frames(2), BadSource, ".mp4 or .png"),
        ("clip.mp4", [], BadSource, "no frame"),
        ("clip.mp4", grey_frames(1) + grey_frames(1, (8, 8)), ValueError, "one size"),
        ("clip.png", grey_frames(1) + grey_frames(1, (8, 8)), ValueError, "one size"),
        ("no/such/folder/clip.mp4", grey_frames(1), FileNotFoundError, "folder"),
    ],
)
def test_a_failing_clip_leaves_nothing_behind(
    tmp_path: Path, name: str, frames: list[Picture], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        render_clip(frames, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_codec_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streaming.clip.FILM_CODEC", "none")
    with pytest.raises(UnsupportedEncoding, match=r"cannot write MPEG-4.*\.png"):
        render_clip(grey_frames(2), tmp_path / "clip.mp4")
    assert list(tmp_path.iterdir()) == []
