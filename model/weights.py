"""Networks to and from safetensors with a card beside them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_safetensors
from torch import Tensor

from model.card import Card, ModelFiles, find, load_card
from model.errors import BadWeights
from model.layout import Layout
from model.networks import Network, Runnable


def save(folder: str | Path, network: Network, card: Card) -> ModelFiles:
    """Write `folder`/NAME.safetensors and NAME.json, each whole or not at all; NAME is the card's.

    Raises:
        BadWeights: the network is not the card's, or holds NaN or infinity.
    """
    tensors = wanted(network)
    check(tensors, wanted(_skeleton(card.network_layout())), f"{card.name}.safetensors")
    return write(folder, tensors, card)


def write(folder: str | Path, tensors: Mapping[str, Tensor], card: Card) -> ModelFiles:
    """Write tensors and their card, each whole or not at all."""
    return write_pair(folder, card.name, tensors, card.to_json())


def write_pair(folder: str | Path, name: str, tensors: Mapping[str, Tensor], text: str) -> ModelFiles:
    """Write `folder`/NAME.safetensors and a text NAME.json, each whole or not at all."""
    target = Path(folder) / name
    files = ModelFiles(target.with_name(name + ".safetensors"), target.with_name(name + ".json"))
    files.weights.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=files.weights.parent) as scratch:
        new = Path(scratch) / "new"
        new.write_bytes(to_safetensors({n: t.detach().cpu().contiguous() for n, t in tensors.items()}))
        os.replace(new, files.weights)
        new.write_text(text, encoding="utf-8")
        os.replace(new, files.card)
    return files


def load(model: str | Path, *, dtype: torch.dtype = torch.float32) -> Network:
    """The network of a zoo name or path, in evaluation mode.

    Raises:
        UnknownModel: no such weights.
        BadWeights: the file is no safetensors, or a tensor is missing, unexpected, of a wrong shape, or holds
            NaN or infinity; each is named. Or the weights were converted: see `load_runnable`.
    """
    card = load_card(model)
    if card.conversion:
        raise BadWeights(
            f"{card.name} was converted from an ANN; it runs as it is, but is not trained or converted "
            "again: take the weights it came from"
        )
    layout, weights = card.network_layout(), find(model).weights
    return assembled(layout, read(weights), weights.name, dtype)


def load_runnable(model: str | Path) -> Runnable:
    """What engines run of a zoo name or path, trained or converted; raises as `load`."""
    card = load_card(model)
    if not card.conversion:
        return load(model)
    from model.convert.saved import load_converted  # tracing networks is for those who need it

    return load_converted(model)


def read(weights: Path) -> dict[str, Tensor]:
    """The tensors of a file. Raises BadWeights: it is no safetensors."""
    try:
        return load_file(weights)
    except (SafetensorError, OSError) as error:
        raise BadWeights(f"{weights.name} is no readable safetensors file: {error}") from error


def assembled(layout: Layout, tensors: dict[str, Tensor], source: str, dtype: torch.dtype) -> Network:
    """The network of a layout with these tensors, by our names, in evaluation mode.

    Memory is taken only after the tensors are known to fit, so that a layout of absurd size costs nothing.

    Raises:
        BadWeights: as `load`; `source` is named in the message.
    """
    network = _skeleton(layout)
    check(tensors, wanted(network), source)
    counts = {name: torch.zeros((), dtype=torch.int64) for name in network.state_dict() if _unused(name)}
    cast = {name: tensor.to(dtype, copy=True) for name, tensor in tensors.items()}
    network.load_state_dict(cast | counts, assign=True)
    return network.eval()


def _skeleton(layout: Layout) -> Network:
    with torch.device("meta"):
        return Network(layout)


def _unused(name: str) -> bool:
    return name.endswith("num_batches_tracked")  # torch counts batches; nothing here reads the count


def wanted(network: Network) -> dict[str, Tensor]:
    """The tensors that are kept of a network, by name."""
    return {name: t for name, t in network.state_dict().items() if not _unused(name)}


def check(tensors: dict[str, Tensor], wanted: dict[str, Tensor], source: str) -> None:
    """Raises BadWeights: `tensors` are not finite numbers of the names and shapes of `wanted`."""
    missing, unexpected = sorted(wanted.keys() - tensors.keys()), sorted(tensors.keys() - wanted.keys())
    if missing or unexpected:
        raise BadWeights(
            f"{source} does not fit its network: missing {_few(missing)}, unexpected {_few(unexpected)}"
        )
    for name, like in wanted.items():
        tensor = tensors[name]
        if tensor.shape != like.shape:
            raise BadWeights(
                f"{source}: {name} has shape {tuple(tensor.shape)}, the network {tuple(like.shape)}"
            )
        if not tensor.is_floating_point() or not bool(torch.isfinite(tensor).all()):
            raise BadWeights(f"{source}: {name} ({tensor.dtype}) holds what is not a finite number")


def _few(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return (", ".join(names[:3]) or "nothing") + more
