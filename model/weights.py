"""Networks to and from safetensors with a card beside them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_safetensors
from torch import Tensor

from model.card import Card, ModelFiles, find, load_card
from model.errors import BadWeights
from model.networks import Network, build

_UNUSED = "num_batches_tracked"  # torch counts batches; nothing here reads the count


def save(folder: str | Path, network: Network, card: Card) -> ModelFiles:
    """Write `folder`/NAME.safetensors and NAME.json, each whole or not at all; NAME is the card's.

    Raises:
        BadWeights: the network is not the card's, or holds NaN or infinity.
    """
    target = Path(folder) / card.name
    files = ModelFiles(target.with_name(card.name + ".safetensors"), target.with_name(card.name + ".json"))
    tensors = _wanted(network)
    wanted = {name: tuple(t.shape) for name, t in _wanted(Network(card.network_layout())).items()}
    _check(tensors, wanted, files.weights.name)
    files.weights.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=files.weights.parent) as scratch:
        new = Path(scratch) / "new"
        new.write_bytes(to_safetensors({n: t.detach().cpu().contiguous() for n, t in tensors.items()}))
        os.replace(new, files.weights)
        new.write_text(card.to_json(), encoding="utf-8")
        os.replace(new, files.card)
    return files


def load(model: str | Path, *, dtype: torch.dtype = torch.float32) -> Network:
    """The network of a zoo name or path, in evaluation mode.

    Raises:
        UnknownModel: no such weights.
        BadWeights: the file is no safetensors, or a tensor is missing, unexpected, of a wrong shape, or holds
            NaN or infinity; each is named.
    """
    network = build(load_card(model).network_layout()).to(dtype).eval()
    load_into(network, find(model).weights)
    return network


def load_into(network: Network, weights: Path) -> None:
    """Put the tensors of a safetensors file into a network; raises as `load`, and then changes nothing."""
    try:
        tensors = load_file(weights)
    except (SafetensorError, OSError) as error:
        raise BadWeights(f"{weights.name} is no readable safetensors file: {error}") from error
    own = _wanted(network)
    _check(tensors, {name: tuple(t.shape) for name, t in own.items()}, weights.name)
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(tensors[name])


def _wanted(network: Network) -> dict[str, Tensor]:
    return {name: t for name, t in network.state_dict().items() if not name.endswith(_UNUSED)}


def _check(tensors: dict[str, Tensor], wanted: dict[str, tuple[int, ...]], source: str) -> None:
    missing, unexpected = sorted(wanted.keys() - tensors.keys()), sorted(tensors.keys() - wanted.keys())
    if missing or unexpected:
        raise BadWeights(
            f"{source} does not fit its network: missing {_few(missing)}, unexpected {_few(unexpected)}"
        )
    for name, shape in wanted.items():
        tensor = tensors[name]
        if tuple(tensor.shape) != shape:
            raise BadWeights(f"{source}: {name} has shape {tuple(tensor.shape)}, the network {shape}")
        if not tensor.is_floating_point() or not bool(torch.isfinite(tensor).all()):
            raise BadWeights(f"{source}: {name} ({tensor.dtype}) holds what is not a finite number")


def _few(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return (", ".join(names[:3]) or "nothing") + more
