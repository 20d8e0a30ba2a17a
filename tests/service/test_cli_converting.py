"""`spikesight ann-to-snn`: twins and classifiers to weights, cards and reports, and what is refused."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner, Result

from model.card import load_card
from model.card_page import card_to_markdown
from model.convert.simulate import simulate
from model.detector import Detector
from model.errors import BadCalibration, BadSetting, BadWeights, ModelError, NotConvertible
from model.weights import save
from service.cli import app
from tests.model.convert.twins import twin, twin_card
from tests.model.tiny import CLASSES, random_counts, write_tiny
from tests.servers import running_server
from tests.service.test_real_service import SIZE, recording
from training.converting.classifiers import load_classifier
from training.errors import BadTraining, TrainingError

FACTORY = """
from torch import nn


def network():
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))


def gated():
    return nn.Sequential(nn.Linear(6, 16), nn.SiLU(), nn.Linear(16, 3))


def number():
    return 3
"""


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    yield
    sys.path[:] = before
    sys.modules.pop("made_here", None)


@pytest.fixture
def twin_path(tmp_path: Path) -> Path:
    return save(tmp_path, twin(), twin_card()).card


@pytest.fixture
def events(tmp_path: Path) -> Path:
    """0.4 s of a bar that crosses 320 x 240: ten windows."""
    path = tmp_path / "bar.npy"
    path.write_bytes(recording(1))
    np.save(path, np.load(path)[:4_000])
    return path


@pytest.fixture
def arrays(tmp_path: Path) -> Path:
    """96 inputs of three classes that one can tell apart."""
    rng = np.random.default_rng(0)
    y = np.arange(96) % 3
    path = tmp_path / "arrays.npz"
    np.savez(path, x=rng.random((96, 6)) + 2 * np.repeat(np.eye(3)[y], 2, 1), y=y)
    (tmp_path / "made_here.py").write_text(FACTORY)
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["ann-to-snn", *map(str, arguments)])


def convert(*arguments: object) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout


def test_a_twin_becomes_a_model_with_a_report(twin_path: Path, events: Path) -> None:
    out = Path("out")
    printed = convert(
        twin_path, "--calibrate", events, "--rows", 4, "--steps", 8, "--at", "4,8", "--windows", 3,
        "--beside", "none", "--set", "percentile=100", "-o", out,
    )  # fmt: skip
    for words in ("agree", "SynOps", "report:", "try it: spikesight detect RECORDING"):
        assert words in printed
    card = load_card(out / "tiny-twin-rueckauer.json")
    assert card.conversion["calibration"] == {"data": "bar.npy", "windows": 4, "seed": 900}
    assert card.conversion["settings"]["percentile"] == 100
    cost = card.conversion["cost"]
    assert cost["energy_mj"] > 0
    assert cost["ann_energy_mj"] > 0
    report = json.loads((out / "tiny-twin-rueckauer.report.json").read_text())
    assert [point["steps"] for point in report["points"]] == [4, 8]
    low, high = report["points"]
    assert high["synops"] > low["synops"] > 0
    assert set(high["rates"]) >= {"rows.1.0.neuron1", "rows.10.0.neuron2"}
    assert report["ann"]["macs"] > 0
    assert (out / "tiny-twin-rueckauer.report.png").read_bytes().startswith(b"\x89PNG")
    page = (out / "tiny-twin-rueckauer.report.md").read_text()
    assert "tiny-twin-rueckauer.report.png" in page
    assert "| rows.1.0.neuron1 |" in page
    shown = card_to_markdown(card)
    assert "The ANN `tiny-twin`, converted by rueckauer for T = 8" in shown
    assert "A window takes" in shown
    detector = Detector.load(out / "tiny-twin-rueckauer.json", engine="torch")
    counts = random_counts(1, 1, 1)[:, 0]
    assert detector.card.classes == CLASSES
    assert np.isfinite(detector.step(counts, detector.initial_state()).maps[0]).all()


@pytest.mark.parametrize(
    ("method", "options"),
    [("ecc", ()), ("calibration", ("--set", "rows=2")), ("rueckauer", ("--input", "events", "--parts", 2))],
)
def test_every_method_and_input_without_a_report(
    twin_path: Path, events: Path, method: str, options: tuple[object, ...]
) -> None:
    convert(
        twin_path, "--calibrate", events, "--method", method, "--rows", 2, "--steps", 4, "--at", "none",
        "--name", "made", "-o", "out", *options,
    )  # fmt: skip
    card = load_card("out/made.json")
    assert card.conversion["method"] == method
    assert card.ticks * card.steps == 4
    assert "cost" not in card.conversion
    assert sorted(path.name for path in Path("out").iterdir()) == ["made.json", "made.safetensors"]


def test_one_window_is_enough_to_calibrate(twin_path: Path, events: Path) -> None:
    convert(twin_path, "--calibrate", events, "--rows", 1, "--steps", 4, "--at", "none", "-o", "out")
    assert load_card("out/tiny-twin-rueckauer.json").conversion["calibration"]["windows"] == 1


def test_a_classifier_of_a_function_and_safetensors(arrays: Path) -> None:
    torch.manual_seed(1)
    network = torch.nn.Sequential(torch.nn.Linear(6, 16), torch.nn.ReLU(), torch.nn.Linear(16, 3))
    data = np.load(arrays)
    _fit(network, torch.from_numpy(data["x"]).float(), torch.from_numpy(data["y"]))
    save_file(network.state_dict(), "ann.safetensors")
    printed = convert(
        "made_here:network", "--weights", "ann.safetensors", "--calibrate", arrays, "--rows", 32,
        "--steps", 32, "--at", "4,32", "-o", "out",
    )  # fmt: skip
    assert "accuracy" in printed
    report = json.loads(Path("out/network-rueckauer.report.json").read_text())
    assert report["inputs"] == 64
    assert report["ann"]["scores"]["accuracy"] > 0.9
    assert report["points"][-1]["agreement"] > 0.9
    assert report["points"][0]["energy_mj"] < report["points"][1]["energy_mj"]
    tensors = load_file("out/network-rueckauer.safetensors")
    assert torch.equal(tensors["0.weight"], network[0].weight)
    assert tensors["1.threshold"] > 0
    said = json.loads(Path("out/network-rueckauer.json").read_text())
    assert said["conversion"]["method"] == "rueckauer"
    again = simulate(load_classifier("out/network-rueckauer.json"), torch.from_numpy(data["x"]).float(), 32)
    right = again.last.outputs[0].argmax(1) == torch.from_numpy(data["y"])
    assert float(right[32:].double().mean()) == report["points"][-1]["scores"]["accuracy"]


def test_a_classifiers_card_is_checked_when_it_is_read(arrays: Path) -> None:
    torch.manual_seed(1)
    convert("made_here:network", "--calibrate", arrays, "--rows", 32, "--at", "none", "-o", "out")
    card, weights = Path("out/network-rueckauer.json"), Path("out/network-rueckauer.safetensors")
    said, tensors = json.loads(card.read_text()), load_file(weights)
    for name, bad, message in (
        ("1.threshold", -tensors["1.threshold"], "1.threshold holds numbers that are not above 0"),
        ("0.weight", tensors["0.weight"][:, :3], "0.weight has shape"),
        ("0.bias", tensors["0.bias"] * torch.nan, "not a finite number"),
    ):
        save_file(tensors | {name: bad.contiguous()}, weights)
        with pytest.raises(BadWeights, match=message):
            load_classifier(card)
    save_file({name: value for name, value in tensors.items() if name != "1.initial"}, weights)
    with pytest.raises(BadWeights, match=r"missing \['1.initial'\]"):
        load_classifier(card)
    save_file(tensors, weights)
    with pytest.raises(BadTraining, match="'made_here:nothing' builds no network"):
        load_classifier(card, "made_here:nothing")
    card.write_text(json.dumps({key: value for key, value in said.items() if key != "input_shape"}))
    with pytest.raises(BadTraining, match="no card of a converted classifier"):
        load_classifier(card)


def _fit(network: torch.nn.Module, x: torch.Tensor, y: torch.Tensor) -> None:
    optimizer = torch.optim.Adam(network.parameters(), 0.02)
    for _ in range(100):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(x), y).backward()
        optimizer.step()


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        (("--steps", 0), BadSetting, "steps is 0"),
        (("--set", "percentile=0"), BadSetting, "percentile is 0"),
        (("--set", "percentil=99"), BadTraining, "is 'percentile' meant"),
        (("--advanced",), BadTraining, "no advanced pipeline"),
        (("--input", "events", "--parts", 3), BadSetting, "give a divisor of the 64"),
    ],
)
def test_bad_settings_are_refused(
    twin_path: Path, events: Path, options: tuple[object, ...], kind: type[Exception], message: str
) -> None:
    refused(kind, message, twin_path, "--calibrate", events, "--at", "none", *options)


def refused(kind: type[Exception], message: str, *arguments: object) -> None:
    result = run(*arguments, "-o", "out")
    assert isinstance(result.exception, kind), (result.output, result.exception)
    assert isinstance(result.exception, ModelError | TrainingError)
    assert message in str(result.exception)
    assert not list(Path().glob("out/*"))


def test_steps_of_the_report_are_numbers(twin_path: Path, events: Path) -> None:
    result = run(twin_path, "--calibrate", events, "--at", "8,0", "-o", "out")
    assert result.exit_code == 2
    assert "8,16,32" in result.output


def test_networks_that_cannot_be_converted_are_refused(
    twin_path: Path, events: Path, arrays: Path, tmp_path: Path
) -> None:
    options = ("--calibrate", events, "--at", "none")
    refused(NotConvertible, "one step", write_tiny(tmp_path / "spiking"), *options)
    weights = twin_path.with_suffix(".safetensors")
    tensors = load_file(weights)
    tensors["rows.1.0.conv1.conv.weight"][0] = torch.nan
    save_file(tensors, weights)
    refused(BadWeights, "rows.1.0.conv1.conv.weight", twin_path, *options)
    refused(NotConvertible, "'1' is a SiLU", "made_here:gated", "--calibrate", arrays)
    refused(BadTraining, "returns a int", "made_here:number", "--calibrate", arrays)
    refused(BadTraining, "builds no network", "made_here:nothing", "--calibrate", arrays)


def test_data_that_cannot_calibrate_is_refused(twin_path: Path, arrays: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "narrow.npz", x=np.ones((9, 5)))
    refused(BadCalibration, "mat1 and mat2", "made_here:network", "--calibrate", "narrow.npz", "--at", "none")
    np.savez(tmp_path / "nan.npz", x=np.full((9, 6), np.nan))
    refused(BadCalibration, "NaN", "made_here:network", "--calibrate", "nan.npz", "--at", "none")
    np.savez(tmp_path / "empty.npz", x=np.ones((0, 6)))
    refused(BadTraining, "no array 'x'", "made_here:network", "--calibrate", "empty.npz", "--at", "none")
    refused(BadTraining, "all of", "made_here:network", "--calibrate", arrays, "--rows", 96)
    np.save(tmp_path / "short.npy", _few_events())
    refused(BadTraining, "holds no window", twin_path, "--calibrate", "short.npy", "--at", "none")


def _few_events() -> np.ndarray:
    events = np.zeros(3, [("t", "<i8"), ("x", "<u2"), ("y", "<u2"), ("p", "u1")])
    events["t"], events["x"], events["y"] = [0, 5, 9], [1, 2, 319], [1, 2, 239]
    return events


def test_nothing_is_unpickled(arrays: Path, tmp_path: Path) -> None:
    torch.save({"0.weight": torch.zeros(1)}, tmp_path / "ann.pt")
    refused(
        BadWeights,
        "no readable safetensors",
        "made_here:network",
        "--weights",
        "ann.pt",
        "--calibrate",
        arrays,
    )


def test_a_server_serves_a_converted_model(twin_path: Path, events: Path, tmp_path: Path) -> None:
    """Real processes: the card lies in a folder that the setting names."""
    options = ("--calibrate", events, "--steps", 4, "--at", "none", "--name", "converted", "-o", "models")
    convert(twin_path, *options)
    settings = {"models_dir": tmp_path / "models", "model": "converted", "live_model": "converted"}
    with (
        running_server(
            tmp_path / "data", engine="torch", **{k: str(v) for k, v in settings.items()}
        ) as server,
        httpx.Client(base_url=server.url, timeout=60) as client,
    ):
        names = [model["name"] for model in client.get("/models").json()["models"]]
        assert "converted" in names
        assert "ems-nano" in names
        answer = client.post("/detect", params=SIZE, content=recording(1)).json()
    detector = Detector.load("models/converted.json", engine="torch")
    windows = 1_000_000 // detector.card.step_us
    assert len(answer["answers"]) == windows
    assert all(one["spikes"]["energy_mj"] > 0 for one in answer["answers"])


def test_a_broken_card_in_the_folder_of_models_ends_the_start(twin_path: Path, tmp_path: Path) -> None:
    card = replace(load_card(twin_path), name="tiny-twin").to_json().replace('"steps": 1', '"steps": 0')
    twin_path.write_text(card)
    with (
        pytest.raises(AssertionError, match="steps is 0"),
        running_server(tmp_path / "data", models_dir=str(tmp_path)),
    ):
        pass
