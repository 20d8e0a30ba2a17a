"""`first_network`: the network of a run before its first step; and first weights out of older ones."""

from __future__ import annotations

import json
from dataclasses import replace

import torch

from model.card import Encoding, find
from model.catalogue import Anchors
from model.networks import Network, build
from model.rolling import lasting
from model.weights import load
from training.anchors import anchors_of
from training.data import TrainingData, readable_by
from training.distributed import Group
from training.errors import BadTraining
from training.settings import TrainSettings


def first_network(settings: TrainSettings, data: TrainingData, group: Group) -> Network:
    """The network with its first weights, on its device, ready to train.

    Raises:
        UnknownModel, BadLayout: there is no such layout, or it cannot be built.
        BadTraining: the data has another number of steps, or needs another encoding; and see `start_from`,
            `fit_anchors`.
        BadWeights: see `start_from`.
    """
    if group.leads:
        _check_windows(settings, data)
    torch.manual_seed(settings.seed)
    width, height = settings.grid
    recipe = settings.recipe
    if settings.anchors == "fitted":
        recipe = replace(recipe, anchors=group.gather(_fitted(settings, data) if group.leads else ())[0])
    layout = recipe.layout(settings.layout, len(data.classes))
    if settings.lead_steps:
        layout = lasting(layout, settings.window_steps)
    network = build(layout, height=height, width=width)
    if settings.init is not None:
        start_from(network, settings.init)
    # The stubs of torch 2.13 leave memory_format out of Module.to.
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network.to(settings.device).train()


def _check_windows(settings: TrainSettings, data: TrainingData) -> None:
    # First what needs no window: to have one, hours of recordings may have to be read.
    _check_encoding(settings.recipe.encoding, data)
    steps = data.held_out(1)[0].shape[0]
    if steps != settings.seen_steps:
        raise BadTraining(
            f"the data's windows have {steps} steps, window_steps and lead_steps are "
            f"{settings.window_steps} and {settings.lead_steps}; make their sum equal"
        )


def _check_encoding(encoding: Encoding, data: TrainingData) -> None:
    if encoding not in readable_by(data):
        raise BadTraining(
            f"the data holds {'events' if data.encoding is None else 'pictures'}, which the encoding "
            f"{encoding!r} does not read; give --encoding {' or '.join(readable_by(data))}"
        )


def _fitted(settings: TrainSettings, data: TrainingData) -> Anchors:
    """Anchors of the data's boxes; those of a run that goes on are kept in its folder."""
    kept = settings.out / "anchors.json"
    if settings.resume and kept.exists():
        levels = json.loads(kept.read_text(encoding="utf-8"))
        return tuple(tuple((w, h) for w, h in level) for level in levels)
    with data.chunks(0) as chunks:
        anchors = anchors_of(chunks, 0, settings.grid)
    kept.write_text(json.dumps(anchors), encoding="utf-8")
    return anchors


@torch.no_grad()
def start_from(network: Network, model: str) -> int:
    """Copy the weights of `model` that fit into `network`; the others stay as they are.

    Weights do not depend on T, so those of T = 1 start T > 1. A head of other classes or anchors starts anew,
    and so does a first layer of another encoding.

    Returns:
        How many tensors were copied.

    Raises:
        UnknownModel, BadWeights: see `model.weights.load`.
        BadTraining: hardly anything fits: it is another network.
    """
    old, new = load(model).state_dict(), network.state_dict()
    fitting = {name: value for name, value in old.items() if name in new and new[name].shape == value.shape}
    wanted = [name for name in new if not name.startswith("detect.")]
    if sum(name in fitting for name in wanted) < len(wanted) / 2:
        raise BadTraining(
            f"{find(model).weights.name} fits {len(fitting)} of {len(new)} tensors of this network; "
            "start from weights of the same layout, or from none"
        )
    network.load_state_dict(new | fitting)
    return len(fitting)
