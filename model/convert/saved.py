"""Converted networks to and from safetensors with a card beside them.

The tensors are those of the ANN with its norms folded, by the names of its layers, and of each layer of
neurons `threshold`, `initial` (V(0)) and `extra` (current added every simulation step, SNN Calibration's
shift and bias), by the name of that layer. How a detector's go together follows from the card alone: its
layout says what was traced, its conversion how neurons and pools behave. Other networks need their code too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

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
    if (ours := _of_layers(tensors)).keys() != folded.keys():
        raise NotConvertible(
            f"{card.name} has the layers {sorted(ours.keys() ^ folded.keys())[:3]} that its twin has not, or "
            "the other way round; convert with thresholds, not with scaled weights (form='thresholds')"
        )
    _check_neurons(detector.network, tensors, _sample(card), card.name)
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
    layers = _of_layers(tensors)
    check(layers, wanted(skeleton), weights.name)
    skeleton.load_state_dict(
        {name: t.to(torch.float32, copy=True) for name, t in layers.items()}, assign=True
    )
    network = SpikingNetwork(
        trace(Twin(skeleton.eval()), torch.zeros(1, layout.in_channels, TRACED_SIDE, TRACED_SIDE)),
        _detectors_settings(card.conversion["spiking"]),
    )
    _take_neurons(network, tensors, _sample(card), card.name)
    return SpikingDetector(layout, network, card.ticks, gain=card.steps).eval()


def restored(
    ann: nn.Module,
    sample: tuple[int, ...],
    tensors: Mapping[str, Tensor],
    spiking: Mapping[str, Any],
    source: str,
) -> SpikingNetwork:
    """A converted network of any kind: the layers of its ANN, the numbers of its conversion.

    Args:
        ann: the network that was converted; what its weights are does not matter.
        sample: shape of one row of its input.
        tensors: as `network_tensors` gave them.
        spiking: fields of `SpikingSettings`.
        source: of the tensors, for messages.

    Raises:
        BadWeights: the tensors or the settings are not those of a conversion of this network.
        NotConvertible, BadCalibration: see `trace`.
    """
    network = SpikingNetwork(trace(ann, torch.zeros(1, *sample)), _settings(spiking))
    layers, own = _of_layers(tensors), _of_layers(network_tensors(network))
    check(layers, own, source)
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(layers[name])
    _take_neurons(network, tensors, sample, source)
    return network.eval()


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
    return settings


def _detectors_settings(values: Mapping[str, Any]) -> SpikingSettings:
    settings = _settings(values)
    if settings.average_pool != "analog" or settings.readout != "membrane":
        raise BadWeights(
            f"card: conversion.spiking is {dict(values)!r}; a detector has average_pool 'analog' and readout "
            "'membrane'"
        )
    return settings


def _sample(card: Card) -> tuple[int, ...]:
    width, height = card.grid
    return card.in_channels, height, width


def _take_neurons(
    network: SpikingNetwork, tensors: Mapping[str, Tensor], sample: tuple[int, ...], source: str
) -> None:
    _check_neurons(network, tensors, sample, source)
    for name, neuron in network.neurons.items():
        for part in OF_NEURONS:
            setattr(neuron, part, tensors[f"{name}.{part}"].to(torch.float32, copy=True))


def _check_neurons(
    network: SpikingNetwork, tensors: Mapping[str, Tensor], sample: tuple[int, ...], source: str
) -> None:
    """Refuse tensors that are not those of the network's neurons on inputs of this shape."""
    shapes = network.graph.shapes(sample)
    found = {name for name in tensors if _is_of_neurons(name)}
    names = {f"{name}.{part}" for name in network.neurons for part in OF_NEURONS}
    if found != names:
        raise BadWeights(
            f"{source}: missing {sorted(names - found)[:3]}, unexpected {sorted(found - names)[:3]} of its "
            "neurons"
        )
    for name in network.neurons:
        for part in OF_NEURONS:
            _check_fits(tensors[f"{name}.{part}"], shapes[name], f"{source}: {name}.{part}")
        if not bool((tensors[f"{name}.threshold"] > 0).all()):
            raise BadWeights(f"{source}: {name}.threshold holds numbers that are not above 0")


def _check_fits(values: Tensor, shape: tuple[int, ...], what: str) -> None:
    own = (1,) * (len(shape) - values.dim()) + tuple(values.shape)
    if len(own) > len(shape) or any(a not in (1, b) for a, b in zip(own, shape, strict=True)):
        raise BadWeights(f"{what} has shape {tuple(values.shape)}, its neurons {shape}")
    if not values.is_floating_point() or not bool(torch.isfinite(values).all()):
        raise BadWeights(f"{what} ({values.dtype}) holds what is not a finite number")


def _of_layers(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in tensors.items() if not _is_of_neurons(name)}


def _is_of_neurons(name: str) -> bool:
    return name.rpartition(".")[2] in OF_NEURONS
