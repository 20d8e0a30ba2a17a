"""Request bodies to disk: bounded, off the loop, and never left behind."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from starlette.requests import Request

from service.errors import DiskFull, TooLarge, UploadStalled
from service.multipart import FilePart, boundary_of, plain_name
from service.settings import Settings
from streaming.errors import UnsupportedEncoding

_WRITE_BYTES = 1 << 20
_FORM_BYTES = 64 << 10  # what a form may add around its file


@dataclass(frozen=True, slots=True)
class Upload:
    """A body on disk.

    Attributes:
        path: where it lies, alone in a folder; whoever needs it longer moves that folder away. It is always
            called "upload", because readers begin their messages with the file's name.
        name: what the client calls it, without folders; "upload" where it says nothing.
        size: bytes.
    """

    path: Path
    name: str
    size: int

    async def remove(self) -> None:
        await asyncio.to_thread(remove_folder, self.path.parent)


async def receive(request: Request, folder: Path, settings: Settings) -> Upload:
    """The body of `request`, raw or the part `file` of a form, as a file in `folder`.

    Raises:
        TooLarge: longer than `max_upload_bytes`; where `Content-Length` says so, before a byte is read.
        BadUpload: a broken form, or one without exactly one file.
        UploadStalled: nothing came for `upload_idle_s`.
        DiskFull: it would eat into `disk_reserve_bytes`.
        UnsupportedEncoding: a compressed body.
        ClientDisconnect: the client left.
    """
    boundary = boundary_of(request.headers.get("content-type", ""))
    most = settings.max_upload_bytes + (_FORM_BYTES if boundary else 0)
    _check_coding(request)
    stated = _stated_bytes(request)
    if stated > most:
        raise TooLarge(_too_large(f"{stated} bytes stated by Content-Length", settings))
    disk = _Disk(folder, settings.disk_reserve_bytes)
    await disk.check(stated)
    part = FilePart(boundary) if boundary else None
    path = await asyncio.to_thread(_new_file, folder)
    try:
        size = await _write(request, path, part, most, settings, disk)
    except BaseException:
        await asyncio.to_thread(remove_folder, path.parent)
        raise
    name = part.filename if part else plain_name(request.query_params.get("name", ""))
    return Upload(path, name or "upload", size)


def _new_file(folder: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=folder)) / "upload"


def remove_folder(folder: Path) -> None:
    """Removes `folder` with all in it; nothing where it is gone already."""
    shutil.rmtree(folder, ignore_errors=True)


async def _write(
    request: Request, path: Path, part: FilePart | None, most: int, settings: Settings, disk: _Disk
) -> int:
    received = size = 0
    waiting = bytearray()
    with await asyncio.to_thread(path.open, "wb") as file:
        async with aclosing(_chunks(request, settings.upload_idle_s)) as chunks:
            async for chunk in chunks:
                received += len(chunk)
                if received > most:
                    raise TooLarge(_too_large(f"more than {most} bytes", settings))
                waiting += part.feed(chunk) if part else chunk
                if len(waiting) >= _WRITE_BYTES:
                    size += await disk.write(file, waiting)
                    waiting.clear()
        if part:
            part.finish()
        size += await disk.write(file, waiting)
    if size > settings.max_upload_bytes:
        raise TooLarge(_too_large(f"{size} bytes", settings))
    return size


async def _chunks(request: Request, idle_s: float) -> AsyncGenerator[bytes]:
    async with aclosing(request.stream()) as stream:
        while True:
            try:
                chunk = await asyncio.wait_for(anext(stream), idle_s)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise UploadStalled(
                    f"found no byte for {idle_s:g} s in the middle of the upload; send it without pauses, or "
                    "raise upload_idle_s"
                ) from None
            yield chunk


class _Disk:
    """Writes that stop before the disk is full."""

    def __init__(self, folder: Path, reserve_bytes: int) -> None:
        self._folder, self._reserve_bytes = folder, reserve_bytes

    async def check(self, wanted_bytes: int) -> None:
        await asyncio.to_thread(self._check, wanted_bytes)

    async def write(self, file: BinaryIO, data: bytearray) -> int:
        return await asyncio.to_thread(self._write, file, data)

    def _check(self, wanted_bytes: int) -> None:
        free = shutil.disk_usage(self._folder).free - self._reserve_bytes
        if wanted_bytes > free:
            raise DiskFull(
                f"found room for {max(free, 0)} more bytes of uploads, {wanted_bytes} are needed; "
                "try later, or give the service more disk"
            )

    def _write(self, file: BinaryIO, data: bytearray) -> int:
        self._check(len(data))
        try:
            return file.write(data)
        except OSError as error:
            raise DiskFull(f"the upload could not be written: {error.strerror}; try later") from error


def _check_coding(request: Request) -> None:
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("", "identity"):
        raise UnsupportedEncoding(
            f"found Content-Encoding {coding!r}; bodies are taken as they are. Send the file uncompressed."
        )


def _stated_bytes(request: Request) -> int:
    stated = request.headers.get("content-length", "0")
    return int(stated) if stated.isascii() and stated.isdigit() else 0


def _too_large(found: str, settings: Settings) -> str:
    return (
        f"found an upload of {found}; the limit is {settings.max_upload_bytes} bytes. "
        "Cut the recording (`spikesight convert` does), or raise max_upload_bytes."
    )
