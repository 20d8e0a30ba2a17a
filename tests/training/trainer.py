"""A trainer as a process of its own, which tests can kill, or start several of.

::

    python -m tests.training.trainer alone OUT
    python -m tests.training.trainer group OUT PORTS
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from model.layout import named_layout
from model.networks import build
from tests.training.conftest import SquareData
from training.augment import plain_view, render
from training.batches import collate
from training.datasets import LabelledWindow
from training.distributed import ALONE, Group, joined
from training.fit import train
from training.optim import Trainer
from training.settings import TrainSettings

ROOT = Path(__file__).parents[2]
GRID = (96, 64)


def small_settings(out: Path, **changes: Any) -> TrainSettings:
    """A run of seconds on the rectangles."""
    small = TrainSettings(
        out=out, steps=4, grid=GRID, window_steps=3, batch=4, pool=16, views=2, validation=2, generators=0,
        final_validation=6, save_minutes=60.0, warm_share=0.5, warm_steps=2, log_steps=1,
    )  # fmt: skip
    return replace(small, **changes)


def start(*words: str, **variables: str) -> subprocess.Popen[str]:
    """This file as a process."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.training.trainer", *words],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", **variables},
        stderr=subprocess.PIPE,
        text=True,
    )


def start_group(size: int, out: Path) -> list[subprocess.Popen[str]]:
    """Trainers of one group, with the variables that torchrun sets."""
    ports = ",".join(str(port) for port in free_ports(3))
    common = {"WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1"}
    return [
        start("group", str(out), ports, RANK=str(rank), LOCAL_RANK=str(rank), **common)
        for rank in range(size)
    ]


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nothing listens on."""
    with contextlib.ExitStack() as opened:
        found = [opened.enter_context(socket.socket()) for _ in range(count)]
        for each in found:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in found]


def windows_of(rank: int) -> list[LabelledWindow]:
    """Two windows; those of another rank are the same, 16 cells further left: they claim as many anchors."""
    x = 48 - 16 * rank
    rng = np.random.default_rng(0)
    counts = np.zeros((3, 2, GRID[1], GRID[0]), np.int64)
    counts[:, :, 20:50, x : x + 12] = rng.poisson(1.0, (3, 2, 30, 12))
    box = np.array([[x, 20, x + 12, 50]], np.float32)
    return [LabelledWindow.of(counts * k, box, np.array([0]), np.zeros((0, 4), np.float32)) for k in (1, 2)]


def weights_after(steps: int, windows: list[LabelledWindow], group: Group = ALONE) -> dict[str, Tensor]:
    """Weights of a network whose norms keep their statistics, after steps on one batch."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = build(named_layout("ems-nano", classes=3)).train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    settings = small_settings(Path())
    optimizer = torch.optim.SGD(network.parameters())
    trainer = Trainer(network, optimizer, settings, group)
    batch = collate([render(w, plain_view(w.shape, GRID), GRID) for w in windows])
    for _ in range(steps):
        trainer.step(batch, 0.05)
    return network.state_dict()


def _as_group(out: Path, ports: Sequence[str]) -> None:
    os.environ["MASTER_PORT"] = ports[0]
    with joined("cpu") as group:
        out.mkdir(exist_ok=True)
        torch.save(weights_after(3, windows_of(group.rank), group), out / f"rank{group.rank}.pt")
    for steps, port in zip((2, 3), ports[1:], strict=True):
        os.environ["MASTER_PORT"] = port
        train(small_settings(out, steps=steps), None, SquareData())


if __name__ == "__main__":
    if sys.argv[1] == "group":
        _as_group(Path(sys.argv[2]), sys.argv[3].split(","))
    else:
        train(small_settings(Path(sys.argv[2]), steps=8, save_minutes=0.0), None, SquareData())
