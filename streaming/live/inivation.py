"""iniVation cameras by dv-processing: the only file that knows its camera classes.

Written against dv-processing 2.0.4. Events carry the time of day; coordinates begin top left.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import numpy as np

from streaming.errors import BadSource, SourceLost
from streaming.events import Events
from streaming.live.camera import ANY, Bias, Found, Range, Wanted
from streaming.live.library import camera_library, plain
from streaming.live.packets import IDLE_S

COMMIT_EVERY: Final = timedelta(milliseconds=4)
"""Event time after which the library hands over what it has; its own default of 10 ms is a step of ours."""
PAUSE_S: Final = 0.002
QUIET_PAUSE_S: Final = 0.01
"""Between two looks for events, while they come and after QUIET_S without: no call of the library waits."""
QUIET_S: Final = 0.1

COARSE_FINE: Final[Bias] = (Range(0, 7), Range(0, 255))
CONTRAST: Final[Bias] = (Range(0, 17),)

DAVIS_BIASES: Final = {
    "bias_on": "On",
    "bias_off": "Off",
    "bias_diff": "Diff",
    "bias_photoreceptor": "Photoreceptor",
    "bias_source_follower": "PhotoreceptorSourceFollower",
    "bias_refractory": "Refractory",
}
"""Members of the library's `Davis346BiasCF`."""
CONTRASTS: Final = {"contrast_on": "setContrastThresholdOn", "contrast_off": "setContrastThresholdOff"}

KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "davis": ("DAVIS", "DAVIS_GEN2"),
    "dvxplorer": ("DVXPLORER", "DVXPLORER_M", "DVXPLORER_S", "DVXPLORER_GEN2"),
    "dvs128": ("DVS128",),
}
"""Members of the library's `CameraModel` that each of our names covers."""

UNUSED: Final = (
    "setFramesRunning",
    "setImuRunningAccelerometer",
    "setImuRunningGyroscope",
    "setImuRunningTemperature",
)


class InivationDriver:
    """`Driver` of DAVIS, DVXplorer and DVS128 cameras.

    Args:
        library: stands in for `dv_processing.io.camera`; None for the real one, loaded when first used.
    """

    name = "dv-processing"
    models: Mapping[str, Mapping[str, Bias]] = {
        "davis": dict.fromkeys(DAVIS_BIASES, COARSE_FINE),
        "dvxplorer": dict.fromkeys(CONTRASTS, CONTRAST),
        "dvs128": {},
    }

    def __init__(self, library: Any = None) -> None:
        self._given = library

    def find(self) -> list[Found]:
        return [_found(descriptor) for descriptor in self._discover(self._library())]

    def open(self, wanted: Wanted) -> InivationCamera:
        library = self._library()
        for descriptor in self._discover(library):
            if _is_wanted(_found(descriptor), wanted):
                return self._open(library, descriptor, wanted)
        raise SourceLost(f"no {_described(wanted)} is plugged in, as far as {self.name} sees")

    def _library(self) -> Any:
        return self._given or camera_library("dv_processing", self.name).io.camera

    def _discover(self, library: Any) -> list[Any]:
        try:
            return list(library.discover())
        except RuntimeError as error:
            raise SourceLost(f"{self.name} cannot look for cameras: {plain(error)}") from None

    def _open(self, library: Any, descriptor: Any, wanted: Wanted) -> InivationCamera:
        found = _found(descriptor)
        try:
            camera = library.open(descriptor)
        except (RuntimeError, IndexError) as error:
            raise SourceLost(f"found {found.name} {found.serial}, cannot open it: {plain(error)}") from None
        try:
            return InivationCamera(library, camera, f"{found.name} {found.serial}", wanted)
        except (RuntimeError, ValueError) as error:
            if not camera.isRunning():
                raise SourceLost(f"{found.name} {found.serial} went away: {plain(error)}") from None
            raise BadSource(
                f"{found.name} {found.serial} does not take its settings: {plain(error)}"
            ) from None


class InivationCamera:
    """`Camera` over an open `CameraInputBase`; sets it when made.

    Raises:
        BadSource: this camera has no such bias.
        RuntimeError, ValueError: the library refuses a value.
    """

    def __init__(self, library: Any, camera: Any, name: str, wanted: Wanted) -> None:
        self._camera, self.name, self.dropped = camera, name, 0
        self._came_s = time.monotonic()
        self.width, self.height = map(int, camera.getEventResolution())
        camera.setTimeInterval(COMMIT_EVERY)
        for setter in UNUSED:
            if hasattr(camera, setter):
                getattr(camera, setter)(False)
        for option, numbers in wanted.biases.items():
            _set_bias(library, camera, name, option, numbers)
        self._left, self._top = self._crop(wanted)

    def read(self) -> Events | None:
        deadline_s = time.monotonic() + IDLE_S
        while True:
            events, now_s = self._next(), time.monotonic()
            if events is not None:
                self._came_s = now_s
                return events
            if now_s >= deadline_s:
                return None
            time.sleep(PAUSE_S if now_s - self._came_s < QUIET_S else QUIET_PAUSE_S)

    def close(self) -> None:
        self._camera = None  # the library closes a camera when nobody holds it any more

    def _next(self) -> Events | None:
        try:
            store = self._camera.getNextEventBatch()
            if store is not None and store.size() > 0:
                return self._events(store.numpy())
            if self._camera.isRunning():
                return None
        except RuntimeError as error:
            raise SourceLost(f"{self.name} went away: {plain(error)}") from None
        raise SourceLost(f"{self.name} was unplugged, or switched off")

    def _events(self, records: np.ndarray[Any, Any]) -> Events:
        x, y = records["x"] + self._left, records["y"] + self._top
        return Events.of(records["timestamp"], x, y, records["polarity"] != 0)

    def _crop(self, wanted: Wanted) -> tuple[int, int]:
        """Crops; what must be added to coordinates then: they may count from the region's corner."""
        region = wanted.region
        if region is None:
            return 0, 0
        whole, part = (self.width, self.height), (region.width, region.height)
        if not region.fits(*whole):
            return 0, 0  # refused by our caller, who knows the URI
        self._camera.setCropArea((region.x, region.y, *part))
        counted = tuple(map(int, self._camera.getEventResolution()))
        return (region.x, region.y) if counted == part != whole else (0, 0)


def _set_bias(library: Any, camera: Any, name: str, option: str, numbers: tuple[int, ...]) -> None:
    if option in CONTRASTS and hasattr(camera, CONTRASTS[option]):
        getattr(camera, CONTRASTS[option])(*numbers)
    elif option in DAVIS_BIASES and hasattr(camera, "setDavis346BiasCoarseFine"):
        bias = getattr(library.DAVIS.Davis346BiasCF, DAVIS_BIASES[option])
        camera.setDavis346BiasCoarseFine(bias, *numbers)
    else:
        raise BadSource(f"{name} has no {option}. Leave it out.")


def _found(descriptor: Any) -> Found:
    kind = descriptor.cameraModel.name
    model = next((name for name, kinds in KINDS.items() if kind in kinds), None)
    return Found(
        model,
        f"iniVation {kind}",
        descriptor.serialNumber or None,
        descriptor.busNumber,
        descriptor.devAddress,
    )


def _is_wanted(found: Found, wanted: Wanted) -> bool:
    model = found.model is not None and wanted.model in (ANY, found.model)
    return model and wanted.serial in (None, found.serial)


def _described(wanted: Wanted) -> str:
    model = "iniVation camera" if wanted.model == ANY else wanted.model
    return model if wanted.serial is None else f"{model} with serial number {wanted.serial}"
