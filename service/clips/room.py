"""`Room`: how many bytes clips may take, counted with what is being written."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from service.errors import NoRoomForClips

SMALLEST_STEP, LARGEST_STEP = 256 << 10, 32 << 20


@dataclass(slots=True)
class Lease:
    """What one file being written may take.

    Attributes:
        granted: bytes that it may take.
        used: bytes that it has.
    """

    granted: int = 0
    used: int = 0


class Room:
    """Grants leases within a quota and outside the disk's reserve; old clips make room.

    Args:
        folder: where clips lie.
        max_bytes: the quota.
        reserve_bytes: of the disk, to be left free.
        kept_bytes: what the clips that are whole take.
        drop_oldest: removes the oldest of them; False where there is none.
    """

    def __init__(
        self,
        folder: Path,
        max_bytes: int,
        reserve_bytes: int,
        kept_bytes: Callable[[], int],
        drop_oldest: Callable[[], Awaitable[bool]],
    ) -> None:
        self._folder, self._max_bytes, self._reserve_bytes = folder, max_bytes, reserve_bytes
        self._kept_bytes, self._drop_oldest = kept_bytes, drop_oldest
        self._leases: dict[str, Lease] = {}
        self._turn = asyncio.Lock()
        self.step = min(LARGEST_STEP, max(SMALLEST_STEP, max_bytes // 8))
        """Bytes that are granted at a time."""

    async def lease(self, holder: str, wanted: int) -> int:
        """Raises what `holder` may take to `wanted` bytes at least; what it may take now.

        Raises:
            NoRoomForClips: other clips are being written, or the disk is too full; the message has the
                figures.
        """
        async with self._turn:
            granted = self._leases[holder].granted if holder in self._leases else 0
            if wanted > granted:
                await self._make_room(wanted - granted)
                granted = self._leases.setdefault(holder, Lease()).granted = wanted
            return granted

    def used(self, holder: str, bytes_: int) -> None:
        """Notes what `holder` has taken of its lease."""
        if holder in self._leases:
            self._leases[holder].used = bytes_

    def give_back(self, *holders: str) -> None:
        for holder in holders:
            self._leases.pop(holder, None)

    async def trim(self) -> None:
        """Removes old clips until the quota is kept, which may have been larger once."""
        async with self._turn:
            while self._leased() + self._kept_bytes() > self._max_bytes and await self._drop_oldest():
                pass

    async def _make_room(self, more: int) -> None:
        leased = self._leased()
        if leased + more > self._max_bytes:
            raise NoRoomForClips(
                f"clips may take {self._max_bytes} bytes, {leased} are held by those being written, "
                f"{more} more are needed; stop one of them, or raise clips_max_mb"
            )
        while leased + self._kept_bytes() + more > self._max_bytes and await self._drop_oldest():
            pass
        while (free := await asyncio.to_thread(self._free)) < more:
            if not await self._drop_oldest():
                raise NoRoomForClips(
                    f"the disk has {max(0, free)} bytes left beside its reserve of {self._reserve_bytes} and "
                    f"what is being written, {more} are needed; give the service more disk, or lower "
                    "disk_reserve_bytes"
                )

    def _leased(self) -> int:
        return sum(lease.granted for lease in self._leases.values())

    def _free(self) -> int:
        """Bytes of the disk that nobody is promised."""
        promised = sum(max(0, lease.granted - lease.used) for lease in self._leases.values())
        return shutil.disk_usage(self._folder).free - self._reserve_bytes - promised
