"""Memory: a large recording through detection, the API process, and what a thousand uploads leave behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.processes import Peak, resident_mb
from benchmarks.recordings import street_like
from service.client import Client
from tests.servers import running_server

LARGE_EVENTS = 20_000_000
UPLOADS = 1_000
WARM_UPLOADS = 50


def run(console: Console, *, events: int = LARGE_EVENTS, uploads: int = UPLOADS) -> None:
    """Prints each figure beside its target; see docs/benchmarks.md."""
    table = Table("memory", "MB", "target", title=f"{events / 1e6:g} M events, {uploads} uploads")
    with TemporaryDirectory() as folder:
        large = street_like(Path(folder) / "large.raw", "evt3", events)
        small = _small(Path(folder) / "small.npy")
        table.add_row("`spikesight detect`, all its processes", f"{_command_line(large):.0f}", "< 600")
        data_dir = Path(folder) / "data"
        with running_server(data_dir) as service, Client(service.url, timeout_s=1800) as client:
            process = psutil.Process(service.pid)
            for _ in range(WARM_UPLOADS):
                client.detect(small)
            api = resident_mb(process)
            table.add_row("API process", f"{api:.0f}", "< 150")
            with Peak(process) as peak:
                for _line in client.detect_lines(large):
                    pass
            table.add_row("`POST /detect`, all processes of the service", f"{peak.mb:.0f}", "< 600")
            before = resident_mb(process)
            for _ in range(uploads):
                client.detect(small)
            after = resident_mb(process)
            table.add_row(f"API process after {uploads} uploads", f"{after:.0f}", f"<= {before * 1.05:.0f}")
    console.print(table)


def _command_line(recording: Path) -> float:
    command = [str(Path(sys.executable).with_name("spikesight")), "detect", str(recording), "--json"]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    with Peak(psutil.Process(child.pid)) as peak:
        code = child.wait()
    if code:
        raise RuntimeError(f"{' '.join(command)} ended with {code}")
    return peak.mb


def _small(path: Path) -> Path:
    rng = np.random.default_rng(0)
    n = 2_000
    columns = (np.sort(rng.integers(0, 40_000, n)), *(rng.integers(0, side, n) for side in (346, 260, 2)))
    np.save(path, np.stack(columns, 1))
    return path
