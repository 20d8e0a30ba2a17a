"""The adapter of dv-processing: its real `EventStore`s and enums, a stand-in for its cameras."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta

import numpy as np
import pytest

from streaming.errors import BadSource, SourceLost
from streaming.live.camera import Found, Wanted
from streaming.live.inivation import DAVIS_BIASES, KINDS, InivationDriver
from streaming.live.usb import open_usb
from tests.streaming.live.standins import DvCamera, DvDavis, DvLibrary, DvXplorer

dv = pytest.importorskip("dv_processing")


def store(*rows: tuple[int, int, int, bool]) -> object:
    made = dv.EventStore()
    for row in rows:
        made.push_back(*row)
    return made


def library(**cameras: DvCamera | Exception) -> DvLibrary:
    return DvLibrary(
        dv.io.camera,
        {(name.rsplit("_", 1)[0], name.rsplit("_", 1)[1]): each for name, each in cameras.items()},
    )


def test_a_store_becomes_events() -> None:
    camera = DvDavis(
        [None, store((1_700_000_000_000_000, 345, 259, True), (1_700_000_000_000_009, 0, 0, False))]
    )
    opened = InivationDriver(library(DAVIS_A1=camera)).open(Wanted("davis"))
    events = opened.read()
    assert events is not None
    assert events.t_us.tolist() == [1_700_000_000_000_000, 1_700_000_000_000_009]
    assert (events.x.tolist(), events.y.tolist(), events.p.tolist()) == ([345, 0], [259, 0], [1, 0])
    kinds = [column.dtype for column in (events.t_us, events.x, events.y, events.p)]
    assert kinds == [np.int64, np.uint16, np.uint16, np.uint8]
    assert (opened.name, opened.width, opened.height) == ("iniVation DAVIS A1", 346, 260)


def test_silence_is_none() -> None:
    opened = InivationDriver(library(DAVIS_A1=DvDavis([]))).open(Wanted("davis"))
    assert opened.read() is None


def test_what_is_not_needed_is_switched_off_and_events_come_soon() -> None:
    camera = DvDavis([])
    InivationDriver(library(DAVIS_A1=camera)).open(Wanted("davis"))
    assert camera.calls == {"interval": timedelta(milliseconds=4), "frames": False}


@pytest.mark.parametrize(
    ("model", "serial", "found"),
    [("davis", None, "DAVIS A1"), ("dvxplorer", None, "DVXPLORER X1"), ("dvxplorer", "X2", "DVXPLORER_M X2"),
     ("any", None, "DAVIS A1"), ("any", "X2", "DVXPLORER_M X2")],
)  # fmt: skip
def test_model_and_serial_number_choose(model: str, serial: str | None, found: str) -> None:
    cameras = library(DAVIS_A1=DvDavis([]), DVXPLORER_X1=DvXplorer([]), DVXPLORER_M_X2=DvXplorer([]))
    assert InivationDriver(cameras).open(Wanted(model, serial)).name == f"iniVation {found}"


def test_what_is_not_there_is_waited_for() -> None:
    driver = InivationDriver(library(DAVIS_A1=DvDavis([])))
    with pytest.raises(SourceLost, match="no davis with serial number B2 is plugged in"):
        driver.open(Wanted("davis", "B2"))
    with pytest.raises(SourceLost, match="no dvxplorer is plugged in"):
        driver.open(Wanted("dvxplorer"))


def test_a_camera_in_use_is_waited_for() -> None:
    refusal = RuntimeError(
        "/include/usb.hpp(88): void open()\nRuntimeError: Failed to open USB device. It is in use.\n 0# x"
    )
    driver = InivationDriver(library(DAVIS_A1=refusal))
    with pytest.raises(SourceLost, match=r"iniVation DAVIS A1, cannot open it: Failed to open.*in use$"):
        driver.open(Wanted("davis"))


def test_davis_biases_are_coarse_and_fine() -> None:
    camera = DvDavis([])
    wanted = Wanted("davis", biases=dict.fromkeys(DAVIS_BIASES, (3, 40)))
    InivationDriver(library(DAVIS_A1=camera)).open(wanted)
    members = set(DAVIS_BIASES.values())
    assert {name: camera.calls[name] for name in members} == dict.fromkeys(members, (3, 40))


def test_contrasts_of_a_dvxplorer() -> None:
    camera = DvXplorer([], (640, 480))
    wanted = Wanted("dvxplorer", biases={"contrast_on": (6,), "contrast_off": (9,)})
    InivationDriver(library(DVXPLORER_X1=camera)).open(wanted)
    assert (camera.calls["on"], camera.calls["off"]) == (6, 9)


def test_a_camera_without_such_a_bias_says_so() -> None:
    driver = InivationDriver(library(DVXPLORER_S_S1=DvCamera([])))
    with pytest.raises(BadSource, match="iniVation DVXPLORER_S S1 has no contrast_on"):
        driver.open(Wanted("dvxplorer", biases={"contrast_on": (6,)}))


def test_a_value_that_the_library_refuses() -> None:
    class Strict(DvXplorer):
        def setContrastThresholdOn(self, threshold: int) -> None:
            raise RuntimeError("sig\nRuntimeError: Contrast threshold value must be between 0 and 17.")

    driver = InivationDriver(library(DVXPLORER_X1=Strict([])))
    with pytest.raises(BadSource, match=r"must be between 0 and 17$"):
        driver.open(Wanted("dvxplorer", biases={"contrast_on": (6,)}))


@pytest.mark.parametrize("crops", [False, True])
def test_a_region_is_given_in_sensor_coordinates_either_way(crops: bool) -> None:
    """Whether the library counts from the sensor's corner or from the region's is told by its resolution."""
    left, top = (0, 0) if crops else (100, 50)
    camera = DvDavis([store((5, left + 3, top + 4, True))], crops=crops)
    driver = InivationDriver(library(DAVIS_A1=camera))
    with open_usb("usb://davis?roi=100,50,64,32", [driver]) as source:
        events = next(source.packets())
        assert (events.x.tolist(), events.y.tolist()) == ([103], [54])
        assert (source.info.width, source.info.height) == (346, 260)
    assert camera.calls["crop"] == (100, 50, 64, 32)


def test_a_region_beyond_the_sensor_never_reaches_the_camera() -> None:
    camera = DvDavis([])
    with pytest.raises(BadSource, match="has 346 x 260 pixels"):
        open_usb("usb://davis?roi=300,0,64,32", [InivationDriver(library(DAVIS_A1=camera))]).__enter__()
    assert "crop" not in camera.calls


def test_unplugging() -> None:
    camera = DvDavis([store((1, 0, 0, True))])
    opened = InivationDriver(library(DAVIS_A1=camera)).open(Wanted("davis"))
    assert opened.read() is not None
    camera.running = False
    with pytest.raises(SourceLost, match="iniVation DAVIS A1 was unplugged"):
        opened.read()


def test_what_came_before_unplugging_is_given_first() -> None:
    camera = DvDavis([store((1, 0, 0, True))])
    opened = InivationDriver(library(DAVIS_A1=camera)).open(Wanted("davis"))
    camera.running = False
    assert opened.read() is not None


def test_an_error_while_reading_is_a_loss() -> None:
    opened = InivationDriver(library(DAVIS_A1=DvDavis([RuntimeError("transfer failed")]))).open(
        Wanted("davis")
    )
    with pytest.raises(SourceLost, match="went away: transfer failed"):
        opened.read()


def test_cameras_that_are_plugged_in() -> None:
    driver = InivationDriver(library(DAVIS_A1=DvDavis([]), DVXPLORER_M_X2=DvXplorer([])))
    assert driver.find() == [
        Found("davis", "iniVation DAVIS", "A1", 1, 4),
        Found("dvxplorer", "iniVation DVXPLORER_M", "X2", 1, 5),
    ]


def test_the_library_has_what_the_adapter_calls() -> None:
    """Names that a new version of the library might drop."""
    cameras = dv.io.camera
    assert {kind for kinds in KINDS.values() for kind in kinds} <= set(cameras.CameraModel.__members__)
    assert set(DAVIS_BIASES.values()) <= set(cameras.DAVIS.Davis346BiasCF.__members__)
    for name in ("setContrastThresholdOn", "setContrastThresholdOff"):
        assert hasattr(cameras.DVXplorer, name)
        assert hasattr(cameras.DVXplorerM, name)
    for name in ("setDavis346BiasCoarseFine", "setFramesRunning", "setImuRunningGyroscope"):
        assert hasattr(cameras.DAVIS, name)
    for name in (
        "getEventResolution", "setTimeInterval", "setCropArea", "getNextEventBatch", "isRunning",
    ):  # fmt: skip
        assert hasattr(cameras.CameraInputBase, name)
    descriptor = cameras.USBDevice.DeviceDescriptor
    for name in ("cameraModel", "serialNumber", "busNumber", "devAddress"):
        assert hasattr(descriptor, name)


def test_the_real_library_waits_where_no_such_camera_is_plugged_in() -> None:
    driver = InivationDriver()
    assert all(isinstance(found, Found) for found in driver.find())
    with pytest.raises(SourceLost, match="no davis with serial number NONE is plugged in"):
        driver.open(Wanted("davis", "NONE"))


def test_without_the_library_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['dv_processing'] = None\n"
        "from streaming.sources import open_source\n"
        "from streaming.errors import BadSource\n"
        "try: open_source('usb://davis').__enter__()\n"
        "except BadSource as error: print(error)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert "need dv-processing" in run.stdout
    assert "pip install 'spikesight[cameras]'" in run.stdout
