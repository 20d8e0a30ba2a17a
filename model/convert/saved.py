"""Converted detectors to and from safetensors with a card beside them.

The tensors are those of the twin with its norms folded, by the names of its layers, and of each layer of
neurons `threshold`, `initial` (V(0)) and `extra` (current added every simulation step, SNN Calibration's
shift and bias), by the name of that layer. How they go together follows from the card alone: its layout says
what was traced, its conversion how neurons and pools behave.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from model.card import Card, ModelFiles, find, load_card
from model.convert.detector import SpikingDetector
from model.convert.network import SpikingNetwork, SpikingSettings
from model.convert.neuron import IFSettings
from model.convert.ops import PARAMETRIC
from model.convert.trace import trace
from model.convert.twin import Twin
from model.errors import BadSetting, BadWeights, NotConvertible
from model.layout import Layout
from model.networks import Network
from model.weights import check, read, wanted, write

OF_NEURONS = ("threshold", "initial", "extra")
TRACED_SIDE = 64
"""Height and width of the example that a twin is traced with; what follows from it holds for any grid."""


def save_converted(folder: str | Path, detector: SpikingDetector, card: Card) -> ModelFiles:
    """Write `folder`/NAME.safetensors and NAME.json, each whole or not at all; NAME is the card's.

    Raises:
        NotConvertible: the network has other layers than its twin, as form="weights" of a method makes them;
            thresholds say the same.
        BadWeights: a tensor is not finite, or a threshold not above 0.
    """
    tensors = network_tensors(detector.network)
    folded = wanted(_twin_skeleton(card.network_layout()))
    if (ours := {name for name in tensors if not _is_of_neurons(name)}) != folded.keys():
        raise NotConvertible(
            f"{card.name} has the layers {sorted(ours ^ folded.keys())[:3]} that its twin has not, or the "
            "other way round; convert with thresholds, not with scaled weights (form='thresholds')"
        )
    _check_neurons(detector.network, tensors, card)
    return write(folder, tensors, card)


def load_converted(model: str | Path) -> SpikingDetector:
    """The converted detector of a path, in evaluation mode.

    Raises:
        UnknownModel: no such weights.
        BadWeights: the card's conversion or the tensors are not what they should be; names what is not.
    """
    card, weights = load_card(model), find(model).weights
    tensors, layout = read(weights), card.network_layout()
    skeleton = _twin_skeleton(layout)
    of_layers = {name: tensor for name, tensor in tensors.items() if not _is_of_neurons(name)}
    check(of_layers, wanted(skeleton), weights.name)
    skeleton.load_state_dict(
        {name: t.to(torch.float32, copy=True) for name, t in of_layers.items()}, assign=True
    )
    network = SpikingNetwork(
        trace(Twin(skeleton.eval()), torch.zeros(1, layout.in_channels, TRACED_SIDE, TRACED_SIDE)),
        _settings(card.conversion["spiking"]),
    )
    _check_neurons(network, tensors, card)
    for name, neuron in network.neurons.items():
        for part in OF_NEURONS:
            setattr(neuron, part, tensors[f"{name}.{part}"].to(torch.float32, copy=True))
    return SpikingDetector(layout, network, card.ticks, gain=card.steps).eval()


def network_tensors(network: SpikingNetwork) -> dict[str, Tensor]:
    """The tensors of a converted network by the names of its layers; see the top of this file."""
    tensors: dict[str, Tensor] = {}
    for node in network.graph.nodes:
        if isinstance(node.op, PARAMETRIC):
            tensors[f"{node.name}.weight"] = node.op.weight
            tensors[f"{node.name}.bias"] = cast(Tensor, node.op.bias)
        elif any(True for _ in node.op.parameters()):
            tensors[node.name] = next(node.op.parameters())
    for name, neuron in network.neurons.items():
        tensors |= {f"{name}.{part}": getattr(neuron, part) for part in OF_NEURONS}
    return tensors


def _twin_skeleton(layout: Layout) -> Network:
    """The twin with its norms folded, without memory for its weights."""
    with torch.device("meta"):
        return Network(replace(layout, activation="relu")).fused()


def _settings(values: Mapping[str, Any]) -> SpikingSettings:
    try:
        settings = SpikingSettings(**values)
        IFSettings(settings.reset)  # refuses what no neuron does
    except (TypeError, BadSetting) as error:
        raise BadWeights(f"card: conversion.spiking is {dict(values)!r}: {error}") from error
    if settings.average_pool != "analog" or settings.readout != "membrane":
        raise BadWeights(
            f"card: conversion.spiking is {dict(values)!r}; a detector has average_pool 'analog' and readout "
            "'membrane'"
        )
    return settings


def _check_neurons(network: SpikingNetwork, tensors: Mapping[str, Tensor], card: Card) -> None:
    """Refuse tensors that are not those of the network's neurons on the card's grid."""
    width, height = card.grid
    shapes = network.graph.shapes((card.in_channels, height, width))
    found = {name for name in tensors if _is_of_neurons(name)}
    names = {f"{name}.{part}" for name in network.neurons for part in OF_NEURONS}
    if found != names:
        raise BadWeights(
            f"{card.name}: missing {sorted(names - found)[:3]}, unexpected {sorted(found - names)[:3]} of "
            "its neurons"
        )
    for name in network.neurons:
        for part in OF_NEURONS:
            _check_fits(tensors[f"{name}.{part}"], shapes[name], f"{card.name}: {name}.{part}")
        if not bool((tensors[f"{name}.threshold"] > 0).all()):
            raise BadWeights(f"{card.name}: {name}.threshold holds numbers that are not above 0")


def _check_fits(values: Tensor, shape: tuple[int, ...], what: str) -> None:
    own = (1,) * (len(shape) - values.dim()) + tuple(values.shape)
    if len(own) > len(shape) or any(a not in (1, b) for a, b in zip(own, shape, strict=True)):
        raise BadWeights(f"{what} has shape {tuple(values.shape)}, its neurons {shape}")
    if not values.is_floating_point() or not bool(torch.isfinite(values).all()):
        raise BadWeights(f"{what} ({values.dtype}) holds what is not a finite number")


def _is_of_neurons(name: str) -> bool:
    return name.rpartition(".")[2] in OF_NEURONS
