"""`Recipe`: what is made of a named layout before it is trained, and the recipes that have names."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from model.card import ENCODING_CHANNELS, Encoding
from model.catalogue import Anchors
from model.encodings import EVENT_CEILING
from model.layout import Activation, Boxes, Layout, Pooling, anchor_free, named_layout, spiking_shortcuts
from model.neuron_settings import NeuronSettings
from training.augment import NO_AUGMENT
from training.loss import LossSettings


@dataclass(frozen=True, slots=True)
class Recipe:
    """The choices of `docs/recipe.md`, each measured there.

    Attributes:
        encoding: how counts become the network's input.
        neuron: what its neurons do.
        activation: "relu" trains the conventional twin, on windows of one step.
        shortcuts: "spiking" sends spikes through the 1x1 shortcuts that are real-valued as published.
        readout_decay: weight of a step in the head's mean relative to the next one's.
        boxes: "free" has one answer a cell in place of one for each anchor.
        pooling: "average" makes the shortcuts linear, which a twin that is to be converted is better with.
        anchors: per level (width, height) in cells of the grid; the layout's own where None.
    """

    encoding: Encoding = "log1p"
    neuron: NeuronSettings = field(default_factory=NeuronSettings)
    activation: Activation = "lif"
    shortcuts: Literal["published", "spiking"] = "published"
    readout_decay: float = 1.0
    boxes: Boxes = "anchors"
    pooling: Pooling = "max"
    anchors: Anchors | None = None

    def layout(self, name: str, classes: int) -> Layout:
        """The layout to train.

        Raises:
            UnknownModel: no layout has this name.
            BadLayout: the choices cannot be built.
        """
        named = named_layout(name, classes=classes, in_channels=ENCODING_CHANNELS[self.encoding][1])
        shaped = spiking_shortcuts(named) if self.shortcuts == "spiking" else named
        shaped = anchor_free(shaped) if self.boxes == "free" else shaped
        return replace(
            shaped,
            neuron=self.neuron,
            activation=self.activation,
            input="events" if self.encoding in EVENT_CEILING else "real",
            readout_decay=self.readout_decay,
            boxes=self.boxes,
            pooling=self.pooling,
            anchors=self.anchors or shaped.anchors,
        )


OURS = Recipe(encoding="counts", shortcuts="spiking")
PAPER = Recipe(encoding="painted")

PAPER_LOSS = LossSettings(
    box=0.05 * 3 / 2, obj=3 / 2 * (320 / 640) ** 2, cls=0.5 * 3 / 2 * 2 / 80, balance=(4.0, 1.0),
    iou_target=1.0,
)  # fmt: skip
"""The published gains (0.05, 1, 0.5), scaled as published from 3 levels, 640 x 640 and 80 classes to those of
Gen1: 2 levels, 320 x 320, 2 classes."""

RECIPES: Mapping[str, Mapping[str, Any]] = types.MappingProxyType(
    {
        "ours": {"recipe": OURS},
        "paper": {
            "recipe": PAPER,
            "augment": NO_AUGMENT,
            "loss": PAPER_LOSS,
            "grid": (320, 320),
            "window_steps": 5,
            "step_us": 50_000,
            "short_share": 0.0,
        },
    }
)
"""By name, the settings of `TrainSettings` that it brings; `paper` is the one published for Gen1 (EMS-YOLO,
arXiv 2307.11411)."""
