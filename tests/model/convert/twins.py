"""A twin of our detector small enough to test with, and conversions of it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from model.card import Card
from model.catalogue import SPIKING_KIND
from model.convert.detecting import WindowSettings, convert_twin
from model.convert.detector import SpikingDetector
from model.convert.method import Method
from model.convert.network import SpikingSettings
from model.convert.rueckauer import Rueckauer
from model.encodings import encode
from model.networks import Network
from tests.model.tiny import random_counts, random_network, tiny_card, tiny_yaml

EXACT = Rueckauer(percentile=100, channel_wise=True, initial=0.5, spiking=SpikingSettings(max_pool="rise"))


def twin_yaml() -> dict[str, Any]:
    """Of the kind that is trained: spikes through its shortcuts, events as input."""
    yaml = tiny_yaml()
    head = [[a, b, SPIKING_KIND.get(kind, kind), args] for a, b, kind, args in yaml["head"]]
    return yaml | {"head": head, "activation": "relu", "input": "events", "name": "tiny"}


def twin_card(**changes: Any) -> Card:
    """Of a twin that reads a window of 40 ms at once, event counts as they are."""
    values = {"layout": twin_yaml(), "steps": 1, "step_us": 40_000, "encoding": "counts"}
    return tiny_card("tiny-twin", **values | changes)


def twin(card: Card | None = None) -> Network:
    return random_network(card or twin_card())


def windows(seed: int, count: int, card: Card | None = None) -> Tensor:
    """(count, C, H, W) encoded windows."""
    card = card or twin_card()
    counts = torch.from_numpy(random_counts(seed, count, 1, card.grid)[:, 0])
    return encode(counts, card.encoding)


def converted(
    steps: int = 16, method: Method = EXACT, *, card: Card | None = None, **settings: Any
) -> tuple[SpikingDetector, Card]:
    card = card or twin_card()
    said = {"calibration": {"data": "random", "windows": 8}, "source": {"name": card.name}}
    return convert_twin(
        twin(card), card, [windows(1, 8, card)], method, WindowSettings(steps, **settings),
        name="tiny-spiking", said=said,
    )  # fmt: skip
