"""Event cameras on the USB bus as the Linux kernel tells of them: no driver, no permission needed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

SYSFS: Final = Path("/sys/bus/usb/devices")
NODES: Final = Path("/dev/bus/usb")
SUPER_SPEED_MBPS: Final = 5000.0

RULES: Final = "/etc/udev/rules.d/65-event-cameras.rules"
UDEV: Final = (
    f"Run `spikesight cameras --udev | sudo tee {RULES} && sudo udevadm control --reload-rules && "
    "sudo udevadm trigger`, then plug it in again."
)
"""What makes cameras usable by everybody at this machine."""

KNOWN: Final = (
    ("152a", "84[01]?", "iniVation camera"),
    ("04b4", "00f[45]", "Prophesee camera"),
    ("31f7", "000[34]", "CenturyArks SilkyEvCam"),
    ("1409", "8e00", "IDS uEye event camera"),
)
"""Vendor, pattern of products, and name of what the drivers open.

Patterns are those of udev and `fnmatch`. The first two vendor numbers are shared with other makers (Thesycon,
Cypress): the product decides.
"""


@dataclass(frozen=True, slots=True)
class UsbDevice:
    """An event camera on the bus.

    Attributes:
        name: what it calls itself, else what KNOWN calls it.
        vendor, product: its USB numbers, four hexadecimal digits.
        bus, address: where it is, as `lsusb` counts.
        speed_mbps: of its connection; None where the kernel does not say.
        usable: this user may open it.
    """

    name: str
    vendor: str
    product: str
    bus: int
    address: int
    speed_mbps: float | None
    usable: bool


def udev_rules() -> str:
    """The udev rules that let every user at this machine open event cameras."""
    lines = ["# Lets every user at this machine open event cameras. Printed by: spikesight cameras --udev"]
    for vendor, products, name in KNOWN:
        match = f'SUBSYSTEM=="usb", ATTRS{{idVendor}}=="{vendor}", ATTRS{{idProduct}}=="{products}"'
        lines += [f"# {name}", f'{match}, MODE="0666", TAG+="uaccess"']
    return "\n".join(lines) + "\n"


def has_usb(sysfs: Path = SYSFS) -> bool:
    """Whether the kernel shows any USB at all; in a container it often does not."""
    return sysfs.is_dir()


def cameras_on_bus(sysfs: Path = SYSFS, nodes: Path = NODES) -> list[UsbDevice]:
    """Event cameras that are plugged in; none where the kernel shows no USB.

    Args:
        sysfs: where the kernel tells of devices.
        nodes: where their device files lie.
    """
    if not sysfs.is_dir():
        return []
    found = (_camera(folder, nodes) for folder in sorted(sysfs.iterdir()))
    return [device for device in found if device is not None]


def no_permission(sysfs: Path = SYSFS, nodes: Path = NODES) -> str | None:
    """What to do where a camera is plugged in that this user may not open; None where there is none."""
    for device in cameras_on_bus(sysfs, nodes):
        if not device.usable:
            return (
                f"{device.name} is plugged in (bus {device.bus}, address {device.address}), "
                f"but this user may not open it. {UDEV}"
            )
    return None


def _camera(folder: Path, nodes: Path) -> UsbDevice | None:
    vendor, product = _read(folder, "idVendor"), _read(folder, "idProduct")
    kind = next((name for v, p, name in KNOWN if v == vendor and fnmatchcase(product, p)), None)
    bus, address = _read(folder, "busnum"), _read(folder, "devnum")
    if kind is None or not (bus.isdigit() and address.isdigit()):
        return None
    node = nodes / f"{int(bus):03}" / f"{int(address):03}"
    return UsbDevice(
        _read(folder, "product") or kind,
        vendor,
        product,
        int(bus),
        int(address),
        _number(_read(folder, "speed")),
        os.access(node, os.R_OK | os.W_OK),
    )


def _read(folder: Path, name: str) -> str:
    """One line of what the kernel tells; empty where it does not, as when the device just left."""
    try:
        return (folder / name).read_text(encoding="utf8", errors="replace").strip()
    except OSError:
        return ""


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
