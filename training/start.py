"""`start_from`: first weights out of older ones, of another number of steps or another recipe."""

from __future__ import annotations

import torch

from model.card import find
from model.networks import Network
from model.weights import load
from training.errors import BadTraining


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
