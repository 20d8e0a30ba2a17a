"""Which event cameras are plugged in, and what to do where one cannot be used.

`python -m streaming.live.listing` prints it as one JSON object: drivers hold the interpreter while they look,
so that a service runs it as a process of its own.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final, Literal, TypeAlias
from urllib.parse import quote

from streaming.errors import BadSource, SourceLost
from streaming.live.bus import NODES, SUPER_SPEED_MBPS, SYSFS, UDEV, UsbDevice, cameras_on_bus, has_usb
from streaming.live.camera import Driver, Found
from streaming.live.inivation import InivationDriver
from streaming.live.prophesee import PropheseeDriver

State: TypeAlias = Literal["ready", "no_permission", "busy", "no_driver", "error"]

ADVICE: Final[dict[State, str]] = {
    "ready": "",
    "no_permission": UDEV,
    "busy": "Another program, or a stream of this service, has it; stop that first.",
    "no_driver": "Install the drivers: pip install 'spikesight[cameras]'.",
    "error": "Plug it in again, at another port if that does not help.",
}
NO_USB: Final = (
    "This machine shows no USB. In a container, pass it in: docker run --device /dev/bus/usb "
    "-v /dev/bus/usb:/dev/bus/usb ..., see docs/cameras.md."
)
NOTHING: Final = (
    "No event camera is plugged in. Use a data cable at a USB 3 port, wait a few seconds, and see whether "
    "`lsusb` shows one of the vendors 152a, 04b4, 31f7 or 1409."
)


@dataclass(frozen=True, slots=True)
class ListedCamera:
    """A camera that is plugged in.

    Attributes:
        name: what people call it ("Prophesee EVK4").
        serial: serial number; None where it could not be read.
        uri: source to paste, None where it cannot be opened as it is.
        speed_mbps: of its connection, Mbit/s; None where nobody says.
        state: ready, or why it cannot be used.
        detail: what the driver says against it; None where nothing.
        advice: what to do, empty where nothing is to be done.
    """

    name: str
    serial: str | None
    uri: str | None
    speed_mbps: float | None
    state: State
    detail: str | None
    advice: str


@dataclass(frozen=True, slots=True)
class CameraList:
    """Everything that is plugged in.

    Attributes:
        cameras: the cameras, those of one driver together.
        drivers: installed version of each driver, None where it is missing.
        advice: what to do where there is no camera at all; empty otherwise.
    """

    cameras: tuple[ListedCamera, ...]
    drivers: dict[str, str | None]
    advice: str


def list_cameras(
    drivers: Sequence[Driver] | None = None, sysfs: Path = SYSFS, nodes: Path = NODES
) -> CameraList:
    """All event cameras that drivers or the kernel tell of.

    Args:
        drivers: those asked; None for all.
        sysfs, nodes: as `cameras_on_bus`.
    """
    asked = (InivationDriver(), PropheseeDriver()) if drivers is None else drivers
    devices = {(device.bus, device.address): device for device in cameras_on_bus(sysfs, nodes)}
    cameras: list[ListedCamera] = []
    complaints: list[str] = []
    for driver in asked:
        try:
            found = driver.find()
        except (BadSource, SourceLost) as error:
            complaints.append(str(error))
            continue
        cameras += [_listed(each, devices.pop(_place(each), None)) for each in found]
    versions = {driver.name: _version(driver.name) for driver in asked}
    cameras += [_unlisted(device, complaints, versions) for device in devices.values()]
    return CameraList(tuple(cameras), versions, _advice(cameras, has_usb(sysfs), versions))


def without_drivers(reason: str, sysfs: Path = SYSFS, nodes: Path = NODES) -> CameraList:
    """What the kernel alone tells, where drivers cannot be asked because of `reason`."""
    cameras = tuple(_unlisted(device, [reason], {}) for device in cameras_on_bus(sysfs, nodes))
    return CameraList(cameras, {}, "" if cameras else f"{reason} {_advice((), has_usb(sysfs), {})}")


def _listed(found: Found, device: UsbDevice | None) -> ListedCamera:
    """A camera that its driver sees."""
    state = _state(found, device)
    speed_mbps = None if device is None else device.speed_mbps
    advice = ADVICE[state]
    if state == "ready" and speed_mbps is not None and speed_mbps < SUPER_SPEED_MBPS:
        advice = (
            "It is connected at less than USB 3 speed; use a blue port and a USB 3 cable to lose no events."
        )
    uri = _uri(found) if state in ("ready", "busy") else None
    return ListedCamera(found.name, found.serial, uri, speed_mbps, state, found.problem, advice)


def _unlisted(device: UsbDevice, complaints: Sequence[str], versions: dict[str, str | None]) -> ListedCamera:
    """A camera that only the kernel sees."""
    state: State = "error" if all(versions.values()) else "no_driver"
    if not device.usable:
        state = "no_permission"
    detail = "; ".join(complaints) or None
    return ListedCamera(device.name, None, None, device.speed_mbps, state, detail, ADVICE[state])


def _state(found: Found, device: UsbDevice | None) -> State:
    if device is not None and not device.usable:
        return "no_permission"
    problem = (found.problem or "").lower()
    for state, signs in _SIGNS:
        if any(sign in problem for sign in signs):
            return state
    return "error" if found.problem or found.model is None or found.serial is None else "ready"


_SIGNS: Final[tuple[tuple[State, tuple[str, ...]], ...]] = (
    ("no_permission", ("access", "permission")),
    ("busy", ("busy", "in use", "already used")),
)


def _place(found: Found) -> tuple[int, int]:
    return (-1, -1) if found.bus is None or found.address is None else (found.bus, found.address)


def _uri(found: Found) -> str | None:
    if found.model is None:
        return None
    return f"usb://{found.model}" + (f"?serial={quote(found.serial)}" if found.serial else "")


def _advice(cameras: Sequence[ListedCamera], usb: bool, versions: dict[str, str | None]) -> str:
    if cameras:
        return ""
    parts = [NOTHING if usb else NO_USB]
    if not all(versions.values()):
        parts.append(ADVICE["no_driver"])
    return " ".join(parts)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


if __name__ == "__main__":
    print(json.dumps(asdict(list_cameras())))
