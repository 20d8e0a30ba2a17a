"""How many synapses a spike crosses and how many multiplications a layer takes, borders counted."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any, cast

import torch
from torch import Tensor, nn

from model.convert.graph import Graph, Node
from model.convert.ops import (
    ADAPTIVE_AVERAGE_POOLS,
    ADAPTIVE_MAX_POOLS,
    TRANSPOSED,
    Mean,
    Scale,
)

Shape = tuple[int, ...]


def fan_out(node: Node, read: Shape, given: Shape) -> Tensor | None:
    """Synapses behind each input of a node, float64, shape `read`; None where none are crossed.

    A layer with weights has one synapse for each output that a kernel reaches from there; a pool one for each
    window that an input lies in; a sum one. Padding has none. Shape: `read` and `given` are those of the
    node's input and output without the batch.
    """
    match node.kind:
        case "affine":
            return _affine(node.op, read)
        case "average_pool" | "max_pool":
            return _windows(node.op, read, given)
        case "add":
            return torch.ones(read, dtype=torch.float64)
    return None


def macs(node: Node, read: Shape, given: Shape) -> int:
    """Multiply-accumulates of one row through an affine layer, padding counted, as is usual; else 0."""
    if node.kind != "affine":
        return 0
    if isinstance(node.op, Scale):
        return _product(given)
    weight = cast(Tensor, node.op.weight)
    return _product(read if isinstance(node.op, TRANSPOSED) else given) * weight[0].numel()


def dense_macs(graph: Graph, sample: Shape) -> Mapping[str, int]:
    """Multiply-accumulates of the ANN for one row of input, by layer."""
    shapes = graph.shapes(sample)
    return {n.name: macs(n, shapes[n.sources[0]], shapes[n.name]) for n in graph.of_kind("affine")}


def _affine(op: nn.Module, read: Shape) -> Tensor:
    """The gradient of the sum of outputs, had every weight been 1."""
    if isinstance(op, Scale):
        return torch.ones(read, dtype=torch.float64)
    ones = copy.deepcopy(op).to("cpu", torch.float64).requires_grad_(False)
    cast(Tensor, ones.weight).fill_(1.0)
    with torch.enable_grad():
        x = torch.zeros((1, *read), dtype=torch.float64, requires_grad=True)
        (gradient,) = torch.autograd.grad(ones(x).sum(), x)
    return gradient[0]


def _windows(op: nn.Module, read: Shape, given: Shape) -> Tensor:
    """In how many windows of a pool each input lies: a product over the axes behind the channels."""
    if isinstance(op, Mean):
        return torch.ones(read, dtype=torch.float64)
    axes = [_covered(op, axis, read[1 + axis], given[1 + axis]) for axis in range(len(read) - 1)]
    by_position = reduce(lambda rows, cols: rows.unsqueeze(-1) * cols, axes)
    return by_position.expand(read).contiguous()


def _covered(op: nn.Module, axis: int, size: int, outputs: int) -> Tensor:
    """In how many windows each position along one axis lies."""
    found = torch.zeros(size, dtype=torch.float64)
    for output in range(outputs):
        for position in _window(op, axis, size, outputs)(output):
            if 0 <= position < size:
                found[position] += 1
    return found


def _window(op: nn.Module, axis: int, size: int, outputs: int) -> Callable[[int], range]:
    """Positions of the window of each output along one axis."""
    if isinstance(op, (*ADAPTIVE_AVERAGE_POOLS, *ADAPTIVE_MAX_POOLS)):
        return lambda o: range(o * size // outputs, -(-(o + 1) * size // outputs))
    kernel, stride, padding, dilation = (
        _along(getattr(op, name, 1), axis) for name in ("kernel_size", "stride", "padding", "dilation")
    )
    return lambda o: range(o * stride - padding, o * stride - padding + kernel * dilation, dilation)


def _along(value: Any, axis: int) -> int:
    return int(value[axis] if isinstance(value, tuple | list) else value)


def _product(shape: Shape) -> int:
    return reduce(lambda a, b: a * b, shape, 1)
