"""The simulator's speed: windows a CPU second on one core, and a second on a GPU where there is one.

    python -m benchmarks.simulator_speed [--against CHECKOUT] [--rounds N]

`--against` measures another checkout in turns with this one and prints the ratio.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from streaming.simulate.presets import PRESETS
from streaming.simulate.windows import WindowSettings, simulate_windows

SENSORS = ("davis346", "dvxplorer")
CPU_BATCH = 16
GPU_BATCHES = (64, 128, 256)
HERE = Path(__file__).parents[1]
MEASURE = """
import json, sys, time, torch
from streaming.simulate.windows import WindowSettings, simulate_windows
torch.set_num_threads(1)
rates = []
for width, height, scale in json.loads(sys.argv[1]):
    settings = WindowSettings(sensor_width=width, sensor_height=height, render_scale=scale)
    simulate_windows(settings, seed=0, batch=2)
    start_s = time.process_time()
    for seed in (1, 2):
        simulate_windows(settings, seed=seed, batch={batch})
    rates.append(2 * {batch} / (time.process_time() - start_s))
print(json.dumps(rates))
""".replace("{batch}", str(CPU_BATCH))
"""Run in a process of its own for each checkout; uses what every release of the simulator has."""


def cpu_rates(checkout: Path) -> list[float]:
    """Windows a CPU second of each of SENSORS, by the simulator of `checkout`, one thread."""
    sizes = [(p.width, p.height, p.render_scale) for p in (PRESETS[name] for name in SENSORS)]
    run = subprocess.run(
        [sys.executable, "-c", MEASURE, json.dumps(sizes)],
        cwd=checkout, env={**os.environ, "PYTHONPATH": str(checkout)}, check=True, capture_output=True,
    )  # fmt: skip
    rates: list[float] = json.loads(run.stdout)
    return rates


def gpu_rate(name: str, batch: int) -> float:
    """Windows a second on the GPU, `batch` at a time."""
    preset = PRESETS[name]
    settings = WindowSettings(
        sensor_width=preset.width, sensor_height=preset.height, render_scale=preset.render_scale
    )
    simulate_windows(settings, seed=0, batch=batch, device="cuda")
    torch.cuda.synchronize()
    start_s = time.perf_counter()
    for seed in (1, 2, 3):
        simulate_windows(settings, seed=seed, batch=batch, device="cuda")
    torch.cuda.synchronize()
    return 3 * batch / (time.perf_counter() - start_s)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--against", type=Path, help="another checkout, measured in turns")
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    checkouts = [HERE] + ([arguments.against.resolve()] if arguments.against else [])
    turns = [[cpu_rates(checkout) for checkout in checkouts] for _ in range(arguments.rounds)]
    # The best of the rounds: other work on the machine only ever slows one down.
    best = [[max(turn[c][s] for turn in turns) for c in range(len(checkouts))] for s in range(len(SENSORS))]
    console = Console(width=120)
    columns = ("there", "here / there") if arguments.against else ()
    table = Table("sensor", "here, windows a CPU second", *columns, title="one core, one thread")
    for name, rates in zip(SENSORS, best, strict=True):
        ratio = [f"{rates[0] / rates[1]:.2f} x"] if arguments.against else []
        table.add_row(name, *(f"{rate:.1f}" for rate in rates), *ratio)
    console.print(table)
    if not torch.cuda.is_available():
        console.print("no CUDA device here: the GPU is not measured")
        return
    table = Table("sensor", *(f"batch {batch}" for batch in GPU_BATCHES), "best / one core", title="GPU")
    for name, rates in zip(SENSORS, best, strict=True):
        gpu = [gpu_rate(name, batch) for batch in GPU_BATCHES]
        table.add_row(name, *(f"{rate:.0f}" for rate in gpu), f"{max(gpu) / rates[0]:.0f} x")
    console.print(table)


if __name__ == "__main__":
    main()
