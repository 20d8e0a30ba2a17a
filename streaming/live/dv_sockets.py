"""Sockets that dv-processing opens in this process: it gives no way to set or end them, the kernel does."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

IDLE_S: Final = 5
"""Silence after which the kernel asks whether the other machine is there."""
ASK_EVERY_S: Final = 2
ASK_TIMES: Final = 3
UNSENT_MS: Final = 5_000
"""Longest time that what we send may stay unacknowledged, milliseconds."""


def own_sockets() -> Iterator[socket.socket]:
    """Every TCP socket of this process as a duplicate, which is closed when the next one is asked for.

    Settings and shutdowns of a duplicate are those of the socket itself.
    """
    for entry in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # closed since, the listing's own among them
            number = int(entry)
            if not stat.S_ISSOCK(os.fstat(number).st_mode):
                continue
            with socket.socket(fileno=os.dup(number)) as duplicate:
                if duplicate.family != socket.AF_UNIX and duplicate.type == socket.SOCK_STREAM:
                    yield duplicate


def identity(own: socket.socket) -> int:
    """The same number for every duplicate of a socket."""
    return os.fstat(own.fileno()).st_ino


def notice_death(own: socket.socket) -> None:
    """Has the kernel break a connection off whose other machine is gone without a word, after some 11 s."""
    own.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    own.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, IDLE_S)
    own.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, ASK_EVERY_S)
    own.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, ASK_TIMES)


def give_up_on_the_stuck(own: socket.socket) -> None:
    """Has the kernel break a connection off whose other side takes nothing for UNSENT_MS."""
    own.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNSENT_MS)
