"""A real Mosquitto in a process of its own, and a listener that waits for what it passes on."""

from __future__ import annotations

import queue
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

PATIENCE_S = 20
USER, PASSWORD = "spikesight", "let me in, please"


class Broker:
    """Starts and ends on one port, with what it keeps in `folder`.

    Args:
        folder: of the test.
        port: to listen on.
        certificate: PEM of certificate and key, for TLS.
        users: only `USER` with `PASSWORD` may connect.
    """

    def __init__(
        self, folder: Path, port: int, certificate: Path | None = None, *, users: bool = False
    ) -> None:
        self.port = port
        self._command = _mosquitto(), "-c", str(folder / "mosquitto.conf")
        lines = [f"listener {port} 127.0.0.1", f"allow_anonymous {'false' if users else 'true'}"]
        lines += ["persistence true", f"persistence_location {folder}/", "user root"]
        lines += ["autosave_on_changes true", "autosave_interval 1"]  # subscriptions outlive a kill
        if certificate is not None:
            lines += [f"certfile {certificate}", f"keyfile {certificate.with_suffix('.key')}"]
        if users:
            subprocess.run(
                ["mosquitto_passwd", "-b", "-c", str(folder / "users"), USER, PASSWORD], check=True
            )
            lines.append(f"password_file {folder / 'users'}")
        (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n", encoding="utf8")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < end_s:
            assert self._process.poll() is None, "mosquitto did not start"
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.01)
        raise AssertionError("mosquitto does not listen")

    def kill(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(PATIENCE_S)
        self._process = None

    def stop(self) -> None:
        if self._process is not None:
            self.kill()


def _mosquitto() -> str:
    found = shutil.which("mosquitto") or shutil.which("/usr/sbin/mosquitto")
    if found is None:
        pytest.skip("needs a Mosquitto broker: apt-get install --no-install-recommends mosquitto")
    return found


@contextmanager
def listening(
    port: int, topic: str, ca_file: Path | None = None, *, users: bool = False
) -> Iterator[queue.Queue[Any]]:
    """Messages of a topic as they come, with topic, payload and qos; comes back after the broker does."""
    messages: queue.Queue[Any] = queue.Queue()
    ready: queue.Queue[None] = queue.Queue()
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="listener", clean_session=False)
    client.on_connect = lambda client, *_: client.subscribe(topic, qos=1)
    client.on_subscribe = lambda *_: ready.put(None)
    client.on_message = lambda client, data, message: messages.put(message)
    client.reconnect_delay_set(0.05, 0.1)
    if ca_file is not None:
        client.tls_set(str(ca_file))
    if users:
        client.username_pw_set(USER, PASSWORD)
    client.connect("localhost", port)
    client.loop_start()
    try:
        ready.get(timeout=PATIENCE_S)
        yield messages
    finally:
        client.disconnect()
        client.loop_stop()
