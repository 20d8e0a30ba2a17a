"""`render_clip`: pictures into an MP4 film, or into one PNG sheet."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import cv2
import numpy as np

from streaming.errors import BadSource, UnsupportedEncoding
from streaming.picture import Picture, encode_png

FILM_CODEC = "mp4v"
SHEET_PICTURES = 12


def render_clip(frames: Iterable[Picture], path: Path, fps: float = 30.0) -> int:
    """Writes `frames` to `path` and returns how many there were; nothing is left behind where it fails.

    Args:
        frames: pictures of one size.
        path: `.mp4` for a film (MPEG-4), `.png` for one sheet of up to 12 frames evenly spread in time.
        fps: frames per second of the film.

    Raises:
        BadSource: the suffix is neither, or there was no frame.
        UnsupportedEncoding: this build of OpenCV cannot write MPEG-4.
        OSError: the file cannot be written.
    """
    writers = {".mp4": _write_film, ".png": _write_sheet}
    if path.suffix.lower() not in writers:
        raise BadSource(f"cannot write {path.name}: a clip ends in {' or '.join(writers)}")
    part = path.with_name(f".{path.stem}.part{path.suffix.lower()}")
    try:
        frames = iter(frames)
        first = next(frames, None)
        if first is None:
            raise BadSource(f"nothing to draw: {path.name} would have no frame")
        part.touch()
        count = writers[path.suffix.lower()](chain([first], frames), part, fps)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return count


def _write_film(frames: Iterator[Picture], path: Path, fps: float) -> int:
    first = next(frames)
    height, width = first.shape[:2]
    code = cv2.VideoWriter.fourcc(*FILM_CODEC)
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, fps, (width, height))
    if not writer.isOpened():
        raise UnsupportedEncoding(
            f"this build of OpenCV {cv2.__version__} cannot write MPEG-4; install opencv-python-headless "
            "from the package index, or write a .png"
        )
    count = 0
    try:
        for frame in chain([first], frames):
            _check_size(frame, first)
            writer.write(frame)
            count += 1
    finally:
        writer.release()
    if path.stat().st_size == 0:
        raise OSError(f"OpenCV wrote nothing to {path}; is the disk full?")
    return count


def _write_sheet(frames: Iterator[Picture], path: Path, _fps: float) -> int:
    kept: list[Picture] = []
    stride, count = 1, 0
    for count, frame in enumerate(frames, 1):
        if (count - 1) % stride == 0:
            kept.append(frame)
            _check_size(frame, kept[0])
        if len(kept) > SHEET_PICTURES:
            kept, stride = kept[::2], stride * 2
    path.write_bytes(encode_png(_sheet(kept)))
    return count


def _sheet(pictures: list[Picture]) -> Picture:
    """The pictures side by side in rows; empty places stay black."""
    columns = math.ceil(math.sqrt(len(pictures)))
    rows = math.ceil(len(pictures) / columns)
    height, width = pictures[0].shape[:2]
    sheet = np.zeros((rows * height, columns * width, 3), np.uint8)
    for index, picture in enumerate(pictures):
        top, left = index // columns * height, index % columns * width
        sheet[top : top + height, left : left + width] = picture
    return sheet


def _check_size(frame: Picture, first: Picture) -> None:
    if frame.shape != first.shape:
        raise ValueError(f"frames must have one size, got {first.shape} and then {frame.shape}")
