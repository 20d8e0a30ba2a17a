"""Prophesee cameras by neuromorphic-drivers: the only file that knows its devices and configurations.

Written against neuromorphic-drivers 0.18.2. Event time begins when the camera is opened; coordinates begin
top left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from streaming.errors import BadSource, SourceLost
from streaming.events import Events
from streaming.live.camera import ANY, Bias, Found, Range, Wanted
from streaming.live.library import camera_library, plain
from streaming.live.packets import IDLE_S, Region


@dataclass(frozen=True, slots=True)
class _Model:
    module: str
    name: str
    biases: Mapping[str, Bias]


def _biases(names: str, allowed: Range) -> dict[str, Bias]:
    return {f"bias_{name}": (allowed,) for name in names.split()}


_MODELS: Final[Mapping[str, _Model]] = {
    "evk3": _Model(
        "prophesee_evk3_hd",
        "Prophesee EVK3 HD",
        _biases("pr fo_p fo_n hpf diff_on diff diff_off refr reqpuy blk", Range(0, 255)),
    ),
    # Added to what the camera's own firmware sets, so that the bounds are known once it is open.
    "evk4": _Model(
        "prophesee_evk4",
        "Prophesee EVK4",
        _biases("pr fo hpf diff_on diff diff_off inv refr reqpuy reqpux sendreqpdy", Range(-255, 255)),
    ),
}


class PropheseeDriver:
    """`Driver` of EVK3 HD and EVK4 cameras, and of those that the library takes for an EVK4 (SilkyEvCam HD).

    Args:
        library: stands in for `neuromorphic_drivers`; None for the real one, loaded when first used.
    """

    name = "neuromorphic-drivers"
    models: Mapping[str, Mapping[str, Bias]] = {name: model.biases for name, model in _MODELS.items()}

    def __init__(self, library: Any = None) -> None:
        self._given = library

    def find(self) -> list[Found]:
        try:
            listed = self._library().list_devices()
        except RuntimeError as error:
            raise SourceLost(f"{self.name} cannot look for cameras: {plain(error)}") from None
        return [_found(device) for device in listed if device.name.value.startswith("Prophesee")]

    def open(self, wanted: Wanted) -> PropheseeCamera:
        library = self._library()
        reasons: list[str] = []
        for name in _MODELS if wanted.model == ANY else (wanted.model,):
            try:
                device = library.open(
                    configuration(library, name, wanted), iterator_timeout=IDLE_S, serial=wanted.serial
                )
            except RuntimeError as error:
                reasons.append(plain(error))
                continue
            return _checked(PropheseeCamera(device, _MODELS[name].name), device, wanted)
        raise SourceLost(f"{self.name} says: {'; '.join(dict.fromkeys(reasons + self._problems()))}")

    def _library(self) -> Any:
        return self._given or camera_library("neuromorphic_drivers", self.name)

    def _problems(self) -> list[str]:
        """What stands against cameras that are there: opening reports those in use as missing."""
        try:
            found = self.find()
        except SourceLost as error:
            return [str(error)]
        return [f"{camera.name}: {camera.problem}" for camera in found if camera.problem]


class PropheseeCamera:
    """`Camera` over an open device whose iterator gives (status, packet or None)."""

    def __init__(self, device: Any, name: str) -> None:
        properties = device.properties()
        self.width, self.height = int(properties.width), int(properties.height)
        self.name, self.dropped = f"{name} {device.serial()}", 0
        self._device = device

    def read(self) -> Events | None:
        try:
            status, packet = next(self._device)
        except (RuntimeError, StopIteration) as error:
            raise SourceLost(f"{self.name} went away: {plain(error)}") from None
        if status.ring is not None:
            self.dropped = status.ring.dropped_packets
        if packet is None or packet.polarity_events is None:
            return None
        return _events(packet.polarity_events)

    def close(self) -> None:
        self._device.close()


def configuration(library: Any, model: str, wanted: Wanted) -> Any:
    """The library's own configuration for what is wanted, its defaults for all else."""
    module = getattr(library, _MODELS[model].module)
    biases = {name.removeprefix("bias_"): numbers[0] for name, numbers in wanted.biases.items()}
    made = module.Configuration(biases=module.Biases(**biases))
    properties = module.Properties()
    if wanted.region is not None and wanted.region.fits(properties.width, properties.height):
        made.x_mask, made.y_mask = _masks(wanted.region, properties.width, properties.height)
    return made


def _masks(region: Region, width: int, height: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Columns and rows that are silenced, 64 in a number; rows count from the bottom.

    A pixel is silent when its column or its row is (`mask_intersection_only` false).
    """
    columns, rows = np.ones(width, bool), np.ones(height, bool)
    columns[region.x : region.x + region.width] = False
    rows[height - region.y - region.height : height - region.y] = False
    return _packed(columns), _packed(rows)


def _packed(flags: np.ndarray[Any, np.dtype[np.bool_]]) -> tuple[int, ...]:
    padded = np.zeros(-(-len(flags) // 64) * 64, bool)
    padded[: len(flags)] = flags
    return tuple(np.packbits(padded, bitorder="little").view("<u8").tolist())


def _events(records: np.ndarray[Any, Any]) -> Events:
    return Events.of(records["t"], records["x"], records["y"], records["on"])


def _checked(camera: PropheseeCamera, device: Any, wanted: Wanted) -> PropheseeCamera:
    """`camera` when its biases lie within this very camera's bounds: beyond them the library would clamp."""
    bounds = device.biases_bounds()
    for option, (number,) in wanted.biases.items():
        allowed = getattr(bounds, option.removeprefix("bias_"))
        if not allowed.minimum <= number <= allowed.maximum:
            camera.close()
            raise BadSource(
                f"found {option}={number}; {camera.name} allows {allowed.minimum}..{allowed.maximum}. "
                "Change it."
            )
    return camera


def _found(device: Any) -> Found:
    model = next((name for name, model in _MODELS.items() if model.name == device.name.value), None)
    bus, _, address = device.address.partition(":")
    located = bus.isdigit() and address.isdigit()
    return Found(
        model,
        device.name.value,
        device.serial,
        int(bus) if located else None,
        int(address) if located else None,
        device.error,
    )
