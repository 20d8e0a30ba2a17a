"""Weights on disk: exact there and back; what does not fit is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from model.errors import BadWeights, UnknownModel
from model.weights import load, save
from tests.model.tiny import random_network, tiny_card, tiny_yaml, write_tiny

NAME = "rows.0.0.conv.conv.weight"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_weights_come_back_exactly(tmp_path: Path, dtype: torch.dtype) -> None:
    network = random_network(tiny_card()).to(dtype)
    save(tmp_path, network, tiny_card())
    loaded = load(tmp_path / "tiny", dtype=dtype)
    assert loaded.layout == network.layout
    assert not loaded.training
    for (name, mine), (other, theirs) in zip(
        network.named_parameters(), loaded.named_parameters(), strict=True
    ):
        assert name == other
        assert theirs.requires_grad
        assert torch.equal(mine, theirs)
    for mine, theirs in zip(network.buffers(), loaded.buffers(), strict=True):
        assert torch.equal(mine, theirs) or mine.dtype == torch.int64


def test_a_loaded_network_computes_and_trains(tmp_path: Path) -> None:
    network = load(write_tiny(tmp_path)).train()
    maps = network(torch.rand(2, 1, 2, 64, 96))
    sum(m.sum() for m in maps).backward()
    assert all(p.grad is not None for p in network.parameters())


def test_saving_twice_replaces_and_leaves_nothing_else(tmp_path: Path) -> None:
    first, second = (
        write_tiny(tmp_path, seed=seed).with_suffix(".safetensors").read_bytes() for seed in (0, 1)
    )
    assert first != second
    assert sorted(p.name for p in tmp_path.iterdir()) == ["tiny.json", "tiny.safetensors"]


def test_the_same_network_makes_the_same_file(tmp_path: Path) -> None:
    files = [write_tiny(tmp_path / name).with_suffix(".safetensors").read_bytes() for name in "ab"]
    assert files[0] == files[1]


def test_a_network_of_another_layout_is_not_saved(tmp_path: Path) -> None:
    network = random_network(tiny_card(layout=tiny_yaml(width=4)))
    with pytest.raises(BadWeights, match="has shape"):
        save(tmp_path, network, tiny_card())
    assert list(tmp_path.iterdir()) == []


def test_a_network_with_nan_is_not_saved(tmp_path: Path) -> None:
    network = random_network(tiny_card())
    next(network.parameters()).data.view(-1)[0] = torch.inf
    with pytest.raises(BadWeights, match="not a finite number"):
        save(tmp_path, network, tiny_card())


def first_key(tensors: dict[str, Tensor]) -> str:
    return next(name for name in tensors if name.startswith("rows.0."))


def drop(tensors: dict[str, Tensor]) -> None:
    del tensors[first_key(tensors)]


def add(tensors: dict[str, Tensor]) -> None:
    tensors["rows.99.weight"] = torch.zeros(1)


def reshape(tensors: dict[str, Tensor]) -> None:
    tensors[first_key(tensors)] = torch.zeros(3)


def poison(tensors: dict[str, Tensor]) -> None:
    tensors[first_key(tensors)].view(-1)[0] = torch.nan


def integers(tensors: dict[str, Tensor]) -> None:
    key = first_key(tensors)
    tensors[key] = torch.zeros_like(tensors[key], dtype=torch.int32)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop, r"missing rows\.0\..*, unexpected nothing"),
        (add, r"missing nothing, unexpected rows\.99\.weight"),
        (reshape, r"rows\.0\..* has shape \(3,\), the network \("),
        (poison, r"rows\.0\..*not a finite number"),
        (integers, r"rows\.0\..*int32.*not a finite number"),
    ],
)
def test_tensors_that_do_not_fit_are_refused_by_name(
    tmp_path: Path, change: Callable[[dict[str, Tensor]], None], message: str
) -> None:
    path = write_tiny(tmp_path).with_suffix(".safetensors")
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)
    with pytest.raises(BadWeights, match=message):
        load(path)


@pytest.mark.parametrize("content", [b"", b"x", b"\xff" * 100, b"\x08\0\0\0\0\0\0\0{}      "])
def test_a_file_that_is_no_safetensors_is_refused(tmp_path: Path, content: bytes) -> None:
    path = write_tiny(tmp_path).with_suffix(".safetensors")
    path.write_bytes(content)
    with pytest.raises(BadWeights, match=r"tiny\.safetensors"):
        load(path)


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    path = write_tiny(tmp_path).with_suffix(".safetensors")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BadWeights, match="no readable safetensors"):
        load(path)


def test_a_card_of_absurd_size_costs_no_memory(tmp_path: Path) -> None:
    path = write_tiny(tmp_path)
    huge = tiny_yaml(width=1_000)
    path.write_text(tiny_card(layout=huge).to_json())
    with pytest.raises(BadWeights, match="has shape"):
        load(path)


def test_unknown_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownModel):
        load(tmp_path / "nothing")
