"""What processes hold in memory."""

from __future__ import annotations

import threading

import psutil

MB = 1_000_000


def resident_mb(process: psutil.Process) -> float:
    """Resident memory of one process, MB."""
    resident: int = process.memory_info().rss
    return resident / MB


def family_mb(process: psutil.Process) -> float:
    """Memory of a process and all below it, pages that several share counted once (PSS), MB."""
    total = 0
    for member in [process, *process.children(recursive=True)]:
        try:
            total += member.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue
    return total / MB


class Peak:
    """Largest `family_mb` while the block runs, sampled ten times a second."""

    def __init__(self, process: psutil.Process) -> None:
        self.mb = 0.0
        self._process = process
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._stop.wait(0.1):
            try:
                self.mb = max(self.mb, family_mb(self._process))
            except psutil.NoSuchProcess:
                return
