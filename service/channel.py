"""Messages between the API process and a child, over one socket pair.

A frame is two little-endian u32 lengths, a JSON object and a blob (pushed events). JSON and not pickle: no
process may run code in another. A process that dies closes its end, so the end of the stream is how its death
is noticed, at once.
"""

from __future__ import annotations

import asyncio
import json
import select
import socket
import struct
import threading
from collections.abc import Mapping
from typing import Any, TypeAlias

Message: TypeAlias = dict[str, Any]

_LENGTHS = struct.Struct("<II")
MAX_FRAME_BYTES = 64 << 20


class ChannelClosed(Exception):
    """The other end is gone."""


def socket_pair() -> tuple[socket.socket, socket.socket]:
    """Two connected sockets: one for the API, one for the child."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)


def encode_frame(message: Mapping[str, Any], blob: bytes = b"") -> bytes:
    text = json.dumps(message, separators=(",", ":"), allow_nan=False).encode()
    return _LENGTHS.pack(len(text), len(blob)) + text + blob


def _lengths(head: bytes) -> tuple[int, int]:
    text, blob = _LENGTHS.unpack(head)
    if text + blob > MAX_FRAME_BYTES:
        raise ChannelClosed(f"a frame of {text + blob} bytes; at most {MAX_FRAME_BYTES} are allowed")
    return text, blob


class Channel:
    """A child's end: blocking, safe to send from several threads."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._sock.setblocking(True)
        self._lock = threading.Lock()

    def fileno(self) -> int:
        return self._sock.fileno()

    def send(self, message: Mapping[str, Any], blob: bytes = b"") -> None:
        """Raises ChannelClosed when the API is gone."""
        with self._lock:
            try:
                self._sock.sendall(encode_frame(message, blob))
            except OSError as error:
                raise ChannelClosed(str(error)) from error

    def recv(self) -> tuple[Message, bytes]:
        """The next message, waiting for it without end; raises ChannelClosed when the API is gone."""
        text, blob = _lengths(self._read(_LENGTHS.size))
        message: Message = json.loads(self._read(text))
        return message, self._read(blob)

    def poll(self, timeout_s: float | None) -> bool:
        """Whether a message, or the end, is there within `timeout_s` (None waits without end)."""
        return bool(select.select([self._sock], [], [], timeout_s)[0])

    def close(self) -> None:
        self._sock.close()

    def _read(self, count: int) -> bytes:
        data = bytearray(count)
        view, at = memoryview(data), 0
        while at < count:
            try:
                got = self._sock.recv_into(view[at:])
            except OSError as error:
                raise ChannelClosed(str(error)) from error
            if got == 0:
                raise ChannelClosed("the other process closed the channel")
            at += got
        return bytes(data)


class AsyncChannel:
    """The API's end: never blocks the event loop."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, sock: socket.socket) -> AsyncChannel:
        sock.setblocking(False)
        return cls(*await asyncio.open_unix_connection(sock=sock))

    def send(self, message: Mapping[str, Any], blob: bytes = b"") -> None:
        """Queues a message; what is sent to a dead child is lost (its end shows in `recv`)."""
        if not self._writer.is_closing():
            self._writer.write(encode_frame(message, blob))

    async def drain(self) -> None:
        """Waits until the child has taken most of what was sent; raises ChannelClosed when it is gone."""
        try:
            await self._writer.drain()
        except OSError as error:
            raise ChannelClosed(str(error)) from error

    async def recv(self) -> tuple[Message, bytes]:
        """The next message; raises ChannelClosed when the child is gone."""
        try:
            text, blob = _lengths(await self._reader.readexactly(_LENGTHS.size))
            message: Message = json.loads(await self._reader.readexactly(text))
            return message, await self._reader.readexactly(blob)
        except (asyncio.IncompleteReadError, OSError) as error:
            raise ChannelClosed("the child closed the channel") from error

    def close(self) -> None:
        self._writer.close()
