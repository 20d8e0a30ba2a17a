"""What live streams are looked at with where nobody says: the rolling form of the default model."""

from __future__ import annotations

import itertools
from pathlib import Path

import httpx
import pytest

from service.client import Client
from tests.servers import running_server

STREET = "sim://street?seed=1&width=96&height=64"


def test_live_streams_roll_and_recordings_do_not(tmp_path: Path) -> None:
    with running_server(tmp_path / "data", live_model="") as server, Client(server.url) as client:
        models = httpx.get(f"{server.url}/models").json()
        assert (models["default"], models["live_default"]) == ("ems-nano", "ems-nano-rolling")
        assert client.health()["worker"]["models"] == ["ems-nano", "ems-nano-rolling"]
        stream = client.start_stream(STREET, name="street")
        assert (stream["model"], stream["stride"]) == ("ems-nano-rolling", 1)
        ends_us = []
        for message in client.watch("street"):
            if message["type"] == "detections":
                ends_us.append(message["t_us"][1])
            if len(ends_us) == 5:
                break
        assert all((later - sooner) % 8_000 == 0 for sooner, later in itertools.pairwise(ends_us))
        chosen = client.start_stream(STREET, name="windows", model="ems-nano")
        assert (chosen["model"], chosen["stride"]) == ("ems-nano", 5)


def test_a_live_model_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with (
        pytest.raises(AssertionError, match=r"found model 'nobody'|nobody"),
        running_server(tmp_path / "data", live_model="nobody"),
    ):
        pass
