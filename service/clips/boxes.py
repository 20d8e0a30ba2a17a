"""`BoxesFile`: a clip's messages, one JSON text a line, exactly as the viewers got them."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

from service.channel import Message

MOST_BYTES = 64 << 20
WRITE_BYTES = 256 << 10


class BoxesFile:
    """Gathers messages and writes them in a thread, in their order.

    Args:
        path: of the new file.
        reserve_bytes: of the disk, to be left free.

    Attributes:
        size_bytes: what was added.
        answers: messages `detections` among them.
        problem: why later messages are missing; None where they are not.
    """

    def __init__(self, path: Path, reserve_bytes: int) -> None:
        self.size_bytes = self.answers = 0
        self.problem: str | None = None
        self._path, self._reserve_bytes = path, reserve_bytes
        self._lines: list[bytes] = []
        self._waiting_bytes = 0
        self._turn = asyncio.Lock()

    def add(self, message: Message) -> None:
        if self.problem is not None:
            return
        line = json.dumps(message, separators=(",", ":"), allow_nan=False).encode() + b"\n"
        if self.size_bytes + len(line) > MOST_BYTES:
            self.problem = f"its boxes take more than {MOST_BYTES} bytes"
            return
        self.size_bytes += len(line)
        self.answers += message["type"] == "detections"
        self._lines.append(line)
        self._waiting_bytes += len(line)

    @property
    def due(self) -> bool:
        """Enough waits to be written."""
        return self._waiting_bytes >= WRITE_BYTES

    def give_up(self, problem: str) -> None:
        """Forgets what waits, and takes no more."""
        self.problem = self.problem or problem
        self.size_bytes -= self._waiting_bytes
        self._lines, self._waiting_bytes = [], 0

    async def flush(self) -> None:
        """Writes what waits; where it cannot, `problem` says why."""
        async with self._turn:
            data, self._lines, self._waiting_bytes = b"".join(self._lines), [], 0
            try:
                await asyncio.to_thread(_append, self._path, data, self._reserve_bytes)
            except OSError as error:
                self.problem = f"its boxes could not be written: {error.strerror}"
                self.size_bytes -= len(data)


def _append(path: Path, data: bytes, reserve_bytes: int) -> None:
    if data and shutil.disk_usage(path.parent).free - reserve_bytes < len(data):
        raise OSError(28, "no room is left beside the disk's reserve")
    with path.open("ab") as file:
        file.write(data)
