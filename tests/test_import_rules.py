"""The import rules of docs/design.md: who may know whom, and what each process may load."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("streaming", "model", "training", "service")
MAY_IMPORT = {
    "streaming": {"streaming"},
    "model": {"model"},
    "training": {"training", "streaming", "model"},
    "service": {"service", "streaming", "model"},
}
# `spikesight train` and `evaluate` are commands of the one script, so the command line may call training.
COMMAND_LINE = "service/cli"
CAMERA_DRIVERS = {"dv_processing", "neuromorphic_drivers"}
COPYLEFT = {"tonic", "expelliarmus", "ultralytics", "boxmot", "event_stream"}


def modules(package: str) -> Iterator[Path]:
    yield from sorted((ROOT / package).rglob("*.py"))


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
    return names


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_import_only_those_below_them(package: str) -> None:
    allowed = MAY_IMPORT[package]
    for path in modules(package):
        relative = path.relative_to(ROOT).as_posix()
        extra = {"training"} if relative.startswith(COMMAND_LINE) else set()
        roots = {name.split(".")[0] for name in imported(path)} & set(PACKAGES)
        assert roots <= allowed | extra, f"{relative} imports {sorted(roots - allowed - extra)}"


@pytest.mark.parametrize("package", PACKAGES)
def test_camera_drivers_stay_in_live(package: str) -> None:
    for path in modules(package):
        relative = path.relative_to(ROOT).as_posix()
        drivers = {name.split(".")[0] for name in imported(path)} & CAMERA_DRIVERS
        assert not drivers or relative.startswith("streaming/live/"), f"{relative} imports {sorted(drivers)}"


@pytest.mark.parametrize("package", PACKAGES)
def test_no_copyleft_package_is_imported(package: str) -> None:
    for path in modules(package):
        assert not {name.split(".")[0] for name in imported(path)} & COPYLEFT, path


def test_in_streaming_only_the_simulator_uses_torch() -> None:
    for path in modules("streaming"):
        relative = path.relative_to(ROOT).as_posix()
        uses = any(name.split(".")[0] == "torch" for name in imported(path))
        assert not uses or relative.startswith("streaming/simulate/"), f"{relative} imports torch"


def loaded_by(statement: str) -> set[str]:
    """Names of all modules a fresh interpreter holds after `statement`."""
    code = f"{statement}\nimport sys\nprint(' '.join(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(run.stdout.split())


@pytest.mark.parametrize(
    "statement",
    ["import service.app", "import service.runtime", "import service.cli"],
)
def test_the_api_process_loads_neither_torch_nor_numba(statement: str) -> None:
    assert not loaded_by(statement) & {"torch", "numba", "onnxruntime", "cv2", "duckdb"}


def test_inference_with_onnx_loads_no_torch() -> None:
    assert "torch" not in loaded_by("import model.detector, model.engines.onnx, service.inference")
