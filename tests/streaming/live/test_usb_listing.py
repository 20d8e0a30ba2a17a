"""Which cameras are plugged in: a made /sys/bus/usb, and drivers that see them or do not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from streaming.errors import BadSource, SourceLost
from streaming.live.bus import KNOWN, cameras_on_bus, no_permission, udev_rules
from streaming.live.camera import Found
from streaming.live.listing import ListedCamera, list_cameras
from tests.streaming.live.standins import StandInCamera, StandInDriver

Bus = tuple[Path, Path]
Plug = Callable[..., None]


@pytest.fixture
def bus(tmp_path: Path) -> Bus:
    """A USB without devices: (what the kernel tells, device files)."""
    for name in ("sys", "dev"):
        (tmp_path / name).mkdir()
    return tmp_path / "sys", tmp_path / "dev"


@pytest.fixture
def plug(bus: Bus) -> Plug:
    """Plugs a device in; without a device file it may not be opened, as by a user without permission."""

    def add(vendor: str, product: str, bus_number: int, address: int, *, may_open: bool = True,
            speed: str = "5000", name: str = "") -> None:  # fmt: skip
        sysfs, nodes = bus
        folder = sysfs / f"{bus_number}-{address}"
        folder.mkdir()
        tells = {"idVendor": vendor, "idProduct": product, "busnum": str(bus_number),
                 "devnum": str(address), "speed": speed, "product": name}  # fmt: skip
        for key, value in tells.items():
            if value:
                (folder / key).write_text(f"{value}\n")
        if may_open:
            node = nodes / f"{bus_number:03}" / f"{address:03}"
            node.parent.mkdir(exist_ok=True)
            node.touch()

    return add


class Sees(StandInDriver):
    """A driver that finds these cameras, or says why it cannot look."""

    name = "stand-in"

    def __init__(self, *found: Found, error: Exception | None = None) -> None:
        super().__init__(StandInCamera(8, 8, []))
        self._found, self._error = found, error

    def find(self) -> list[Found]:
        if self._error:
            raise self._error
        return list(self._found)


def listed(bus: Bus, *drivers: StandInDriver) -> list[ListedCamera]:
    return list(list_cameras(drivers, *bus).cameras)


def test_the_kernel_tells_of_cameras_and_of_nothing_else(bus: Bus, plug: Plug) -> None:
    plug("152a", "841a", 2, 7, name="DAVIS FX3")
    plug("04b4", "00f5", 1, 3, speed="480")
    plug("04b4", "00f3", 1, 4)  # another Cypress device
    plug("152a", "88fa", 1, 5)  # an amplifier
    (bus[0] / "usb1").mkdir()  # a hub that tells nothing
    plugged = cameras_on_bus(*bus)
    assert [(device.name, device.bus, device.address, device.speed_mbps) for device in plugged] == [
        ("Prophesee camera", 1, 3, 480.0),
        ("DAVIS FX3", 2, 7, 5000.0),
    ]
    assert all(device.usable for device in plugged)


def test_a_machine_without_usb(tmp_path: Path) -> None:
    nothing = list_cameras([Sees()], tmp_path / "none", tmp_path)
    assert nothing.cameras == ()
    assert "shows no USB" in nothing.advice
    assert "--device /dev/bus/usb" in nothing.advice


def test_nothing_plugged_in(bus: Bus) -> None:
    nothing = list_cameras([Sees()], *bus)
    assert "No event camera is plugged in" in nothing.advice
    # The stand-in is no installed package.
    assert nothing.drivers == {"stand-in": None}
    assert "pip install 'spikesight[cameras]'" in nothing.advice


def test_a_camera_that_is_ready(bus: Bus, plug: Plug) -> None:
    plug("04b4", "00f5", 2, 5)
    (camera,) = listed(bus, Sees(Found("evk4", "Prophesee EVK4", "00051243", 2, 5)))
    assert camera == ListedCamera(
        "Prophesee EVK4", "00051243", "usb://evk4?serial=00051243", 5000.0, "ready", None, ""
    )


def test_a_slow_connection_is_said(bus: Bus, plug: Plug) -> None:
    plug("04b4", "00f5", 2, 5, speed="480")
    (camera,) = listed(bus, Sees(Found("evk4", "Prophesee EVK4", "1", 2, 5)))
    assert camera.state == "ready"
    assert "less than USB 3" in camera.advice


def test_no_permission_although_no_driver_sees_it(bus: Bus, plug: Plug) -> None:
    """One camera that may not be opened makes the whole listing of a driver fail."""
    plug("04b4", "00f5", 2, 5, may_open=False, name="EVK4")
    refused = SourceLost("stand-in cannot look for cameras: Access denied (insufficient permissions)")
    (camera,) = listed(bus, Sees(error=refused))
    assert (camera.name, camera.state, camera.uri) == ("EVK4", "no_permission", None)
    assert "spikesight cameras --udev | sudo tee /etc/udev/rules.d/" in camera.advice
    assert camera.detail is not None
    assert "Access denied" in camera.detail
    assert "EVK4 is plugged in (bus 2, address 5), but this user may not open it" in str(no_permission(*bus))


def test_nothing_is_said_of_permission_where_all_is_well(bus: Bus, plug: Plug) -> None:
    plug("04b4", "00f5", 2, 5)
    assert no_permission(*bus) is None


@pytest.mark.parametrize(
    ("problem", "state"),
    [("Resource busy", "busy"), ("Access denied (insufficient permissions)", "no_permission"),
     ("Pipe error", "error")],
)  # fmt: skip
def test_what_the_driver_says_against_it(bus: Bus, plug: Plug, problem: str, state: str) -> None:
    plug("04b4", "00f5", 2, 5)
    (camera,) = listed(bus, Sees(Found("evk4", "Prophesee EVK4", None, 2, 5, problem)))
    assert (camera.state, camera.detail) == (state, problem)
    assert camera.advice


def test_without_the_driver_the_kernel_still_tells(bus: Bus, plug: Plug) -> None:
    plug("152a", "8419", 3, 9, name="DVXplorer")
    (camera,) = listed(bus, Sees(error=BadSource("cameras of this kind need stand-in")))
    assert (camera.name, camera.state) == ("DVXplorer", "no_driver")
    assert "pip install" in camera.advice


def test_two_drivers_see_one_camera_each(bus: Bus, plug: Plug) -> None:
    plug("152a", "841a", 1, 1)
    plug("04b4", "00f5", 1, 2)
    cameras = listed(
        bus,
        Sees(Found("davis", "iniVation DAVIS", "A 1", 1, 1)),
        Sees(Found("evk4", "Prophesee EVK4", "2", 1, 2)),
    )
    assert [camera.uri for camera in cameras] == ["usb://davis?serial=A%201", "usb://evk4?serial=2"]


def test_it_runs_as_a_process_of_its_own() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "streaming.live.listing"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    told = json.loads(run.stdout)
    assert set(told) == {"cameras", "drivers", "advice"}
    assert set(told["drivers"]) == {"dv-processing", "neuromorphic-drivers"}


def test_the_rules_in_the_documents_are_those_that_are_printed() -> None:
    assert Path("docs/65-event-cameras.rules").read_text(encoding="utf8") == udev_rules()
    for vendor, _, _ in KNOWN:
        assert f'ATTRS{{idVendor}}=="{vendor}"' in udev_rules()


def test_an_unreadable_bus_is_an_empty_one(bus: Bus) -> None:
    folder = bus[0] / "1-1"
    folder.mkdir()
    os.mkfifo(folder / "unrelated")
    assert cameras_on_bus(*bus) == []
