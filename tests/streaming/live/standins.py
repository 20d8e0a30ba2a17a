"""Stand-ins for cameras and for the vendors' libraries; they speak the libraries' own packet types."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np

from streaming.errors import SourceLost
from streaming.events import Events
from streaming.live.camera import Bias, Found, Range, Wanted

EVT3_RECORD = np.dtype([("t", "<u8"), ("x", "<u2"), ("y", "<u2"), ("on", "?")])
"""As neuromorphic-drivers' README states it."""


class StandInCamera:
    """A `Camera` that gives what it is told to; an error in `gives` is raised."""

    def __init__(self, width: int, height: int, gives: list[Events | Exception | None]) -> None:
        self.name, self.width, self.height, self.dropped = "stand-in 7", width, height, 0
        self.gives = deque(gives)
        self.closed = False

    def read(self) -> Events | None:
        item = self.gives.popleft() if self.gives else None
        if isinstance(item, Exception):
            raise item
        return item

    def close(self) -> None:
        self.closed = True


class StandInDriver:
    """A `Driver` of one model that is plugged in after `absent` tries."""

    name = "stand-in"
    models: Mapping[str, Mapping[str, Bias]] = {
        "toy": {"bias_one": (Range(-5, 5),), "bias_two": (Range(0, 7), Range(0, 255))}
    }

    def __init__(self, camera: StandInCamera, absent: int = 0) -> None:
        self.camera, self.absent = camera, absent
        self.asked: list[Wanted] = []

    def find(self) -> list[Found]:
        return [Found("toy", "Stand-in", "7")]

    def open(self, wanted: Wanted) -> StandInCamera:
        self.asked.append(wanted)
        if self.absent:
            self.absent -= 1
            raise SourceLost("no toy is plugged in")
        return self.camera


class DvCamera:
    """What dv-processing's camera objects answer, as far as the adapter asks.

    Args:
        crops: coordinates and resolution count from the region's corner after cropping.
        gives: stores of events, None where nothing came, errors to raise.
    """

    def __init__(self, gives: list[Any], size: tuple[int, int] = (346, 260), crops: bool = False) -> None:
        self.gives, self.size, self.crops = deque(gives), size, crops
        self.calls: dict[str, Any] = {}
        self.running = True

    def getEventResolution(self) -> tuple[int, int]:
        return self.size

    def setTimeInterval(self, interval: timedelta) -> None:
        self.calls["interval"] = interval

    def setFramesRunning(self, run: bool) -> None:
        self.calls["frames"] = run

    def setCropArea(self, area: tuple[int, int, int, int]) -> None:
        self.calls["crop"] = area
        if self.crops:
            self.size = area[2:]

    def isRunning(self) -> bool:
        return self.running

    def getNextEventBatch(self) -> Any:
        item = self.gives.popleft() if self.gives else None
        if isinstance(item, Exception):
            self.running = False
            raise item
        return item


class DvDavis(DvCamera):
    """A DAVIS: its biases take a coarse and a fine number."""

    def setDavis346BiasCoarseFine(self, bias: Any, coarse: int, fine: int) -> None:
        self.calls[bias.name] = (coarse, fine)


class DvXplorer(DvCamera):
    """A DVXplorer: its contrast thresholds end at 17."""

    def setContrastThresholdOn(self, threshold: int) -> None:
        self.calls["on"] = threshold

    def setContrastThresholdOff(self, threshold: int) -> None:
        self.calls["off"] = threshold


class DvLibrary:
    """`dv_processing.io.camera` with these cameras plugged in, by (model, serial number)."""

    def __init__(self, real: Any, cameras: Mapping[tuple[str, str], DvCamera | Exception]) -> None:
        self.DAVIS, self._cameras = real.DAVIS, cameras
        self._models = real.CameraModel

    def discover(self) -> list[Any]:
        return [
            SimpleNamespace(
                cameraModel=getattr(self._models, model), serialNumber=serial, busNumber=1, devAddress=number
            )
            for number, (model, serial) in enumerate(self._cameras, start=4)
        ]

    def open(self, descriptor: Any) -> DvCamera:
        found = self._cameras[descriptor.cameraModel.name, descriptor.serialNumber]
        if isinstance(found, Exception):
            raise found
        return found


def evt3_packet(events: Events | None) -> Any:
    """What the library gives for one reading: a packet whose events may be missing."""
    if events is None:
        return SimpleNamespace(polarity_events=None, trigger_events=None)
    records = np.empty(len(events), EVT3_RECORD)
    records["t"], records["x"], records["y"], records["on"] = events.t_us, events.x, events.y, events.p == 1
    return SimpleNamespace(polarity_events=records, trigger_events=None)


class NdDevice:
    """A device of neuromorphic-drivers: an iterator over (status, packet or None)."""

    def __init__(self, library: Any, module: Any, serial: str, gives: list[Any]) -> None:
        self._library, self._module, self._serial, self._gives = library, module, serial, deque(gives)
        self.closed = False

    def __next__(self) -> tuple[Any, Any]:
        item = self._gives.popleft() if self._gives else None
        if isinstance(item, Exception):
            raise item
        ring = None if item is None else SimpleNamespace(dropped_packets=3)
        return SimpleNamespace(ring=ring), item

    def properties(self) -> Any:
        return self._module.Properties()

    def serial(self) -> str:
        return self._serial

    def biases_bounds(self) -> Any:
        """As if the firmware had set every bias to 100."""
        bounds = self._module.Bounds(minimum=-100, maximum=155)
        names = self._module.BiasesBounds.__dataclass_fields__
        return self._module.BiasesBounds(**dict.fromkeys(names, bounds))

    def close(self) -> None:
        self.closed = True


class NdLibrary:
    """`neuromorphic_drivers` with one camera plugged in, or none.

    Args:
        real: the library whose configurations are used.
        name: of the camera, as the library's `Name` has it; None for none.
        refusal: what `open` says instead of opening.
    """

    def __init__(
        self, real: Any, name: str | None, serial: str = "00051243", gives: list[Any] | None = None,
        refusal: str | None = None, problem: str | None = None,
    ) -> None:  # fmt: skip
        self.prophesee_evk3_hd, self.prophesee_evk4 = real.prophesee_evk3_hd, real.prophesee_evk4
        self._real, self._name, self._serial, self._gives = real, name, serial, gives or []
        self._refusal, self._problem = refusal, problem
        self.opened: list[tuple[Any, float, str | None]] = []
        self.device: NdDevice | None = None

    def list_devices(self) -> list[Any]:
        if self._name is None:
            return []
        name = self._real.Name(self._name)
        speed = self._real.Connection.USB_SUPER
        return [
            self._real.ListedDevice(name=name, connection=speed, address="2:5", serial=self._serial,
                                    error=self._problem)
        ]  # fmt: skip

    def open(self, configuration: Any, iterator_timeout: float, serial: str | None) -> NdDevice:
        self.opened.append((configuration, iterator_timeout, serial))
        module = {"prophesee_evk3_hd": self.prophesee_evk3_hd, "prophesee_evk4": self.prophesee_evk4}
        names = {"prophesee_evk3_hd": "Prophesee EVK3 HD", "prophesee_evk4": "Prophesee EVK4"}
        kind = configuration.type()
        configuration.serialize()  # numbers that do not fit the wire are refused here, as by the real one
        if self._refusal or self._name != names[kind] or serial not in (None, self._serial):
            raise RuntimeError(self._refusal or f"no {kind} found")
        self.device = NdDevice(self, module[kind], self._serial, self._gives)
        return self.device
