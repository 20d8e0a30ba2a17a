"""Kernels: where their machine code is kept, and what they take."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streaming.compiled import I64, READ_I64, compiled

ROOT = Path(__file__).parents[2]


def total(values: Any) -> Any:
    result = 0
    for value in values:
        result += value
    return result


def test_a_kernel_takes_writable_and_read_only_arrays_by_one_signature() -> None:
    kernel: Any = compiled(I64, READ_I64)(total)
    values = np.arange(10)
    assert kernel(values) == 45
    values.setflags(write=False)
    assert kernel(values) == 45
    assert len(kernel.signatures) == 1
    with pytest.raises(TypeError, match="No matching definition"):
        kernel(np.arange(10, dtype=np.float64))


def test_a_kernel_whose_code_can_be_kept_nowhere_is_compiled_all_the_same() -> None:
    scope: dict[str, Any] = {}
    exec("def twice(n):\n    return 2 * n\n", scope)  # of no file, so that there is no place beside it
    kernel = compiled(I64, I64)(scope["twice"])
    assert kernel(21) == 42


def test_the_cache_folder_is_respected(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import streaming.slicing"],
        env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert {path.name.split("-")[0] for path in tmp_path.rglob("*.nbi")} >= {
        "slicing.add_events",
        "slicing.first_drop",
    }


@pytest.mark.parametrize(
    "module",
    [
        "streaming.isolation",
        "streaming.ring",
        "streaming.replay",
        "streaming.summary",
        "streaming.filters.settings",
    ],
)
def test_what_the_api_process_imports_needs_no_compiler(module: str) -> None:
    script = f"import sys, {module}; print([m for m in ('numba', 'torch', 'cv2') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == "[]"
