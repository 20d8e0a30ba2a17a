"""A PostgreSQL server of our own: a new cluster on a free port, ended with the tests."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers import free_port

DEBIAN = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
# Nothing outlives the tests, so nothing need be safe on disk.
FAST = "-c fsync=off -c full_page_writes=off -c synchronous_commit=off -c shared_buffers=16MB"


def missing() -> str | None:
    """Why there can be no server here; None where there can."""
    if not _program("initdb") or not _program("pg_ctl"):
        return "needs PostgreSQL's initdb and pg_ctl (Debian: apt-get install postgresql)"
    if os.geteuid() == 0 and not (shutil.which("runuser") and _user()):
        return "needs runuser and a user postgres or nobody, because PostgreSQL does not run as root"
    return None


@contextmanager
def server() -> Iterator[str]:
    """Its URL without a database: `postgresql://postgres@127.0.0.1:PORT`."""
    folder, port = Path(tempfile.mkdtemp(prefix="spikesight-postgres-")), free_port()
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, _user())
        cluster = ["-D", str(folder / "data")]
        _run("initdb", *cluster, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync")
        options = f"{FAST} -c port={port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
        _run("pg_ctl", *cluster, "-w", "-t", "60", "-l", str(folder / "log"), "-o", options, "start")
        try:
            yield f"postgresql://postgres@127.0.0.1:{port}"
        finally:
            _run("pg_ctl", *cluster, "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


def _run(name: str, *arguments: str) -> None:
    command = [str(_program(name)), *arguments]
    if os.geteuid() == 0:
        command = ["runuser", "-u", str(_user()), "--", *command]
    # Not to a pipe: the server inherits it and would hold it open.
    with tempfile.TemporaryFile() as said:
        code = subprocess.run(command, cwd="/", stdout=said, stderr=said, check=False).returncode
        said.seek(0)
        assert code == 0, f"{' '.join(command)} ended with {code}:\n{said.read().decode()[-2000:]}"


def _program(name: str) -> str | None:
    return shutil.which(name) or next(
        (str(place / name) for place in DEBIAN if (place / name).exists()), None
    )


def _user() -> str | None:
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in known), None)
