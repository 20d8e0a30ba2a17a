"""`trace`: a torch network to a `Graph`, by `torch.fx`; what cannot be made spiking is refused by name."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from model.convert.calls import Call, from_call, function_name
from model.convert.fold import simplified
from model.convert.graph import INPUT, Graph, Node
from model.convert.rules import from_module, refused
from model.errors import BadCalibration, BadWeights, NotConvertible

TOLERANCE = 1e-3
"""The graph must give what the network gives, relative to its largest output: more is no rounding."""

ROWS = 5
"""So many rows show whether an operation keeps the batch apart: few axes have this length by chance."""


def trace(ann: nn.Module, example: Tensor) -> Graph:
    """The network as a graph in evaluation mode, norms folded, dropout gone; `ann` is left as it is.

    Args:
        ann: takes one tensor; returns one, or a tuple, list or dictionary of them.
        example: input it was made for. Shape: (B, ...), the batch first.

    Raises:
        NotConvertible: an operation has no spiking counterpart, a norm has no statistics, or the network's
            `forward` decides by the data; names the module.
        BadWeights: a weight is NaN or infinite; names it.
        BadCalibration: the network does not take the example.
    """
    _check_weights(ann)
    network = copy.deepcopy(ann).eval().requires_grad_(False)
    example = example.detach()
    if example.dim() < 2 or not len(example):
        raise BadCalibration(f"an input of shape {tuple(example.shape)} has no batch; give (B, ...)")
    rows = example[torch.arange(ROWS) % len(example)]
    expected = _flat(_called(network, rows))
    tracer = _Tracer()
    if tracer.is_leaf_module(network, ""):
        network = nn.Sequential(network)  # one of torch's own layers, which is not looked into
    traced = tracer.run(network)
    nodes, outputs = _Walk(network, traced, rows).translate()
    graph = simplified(nodes, outputs)
    _check_same(graph, rows, expected)
    return graph


class _Tracer(fx.Tracer):
    """Keeps to torch's own modules as leaves, and names the module whose `forward` defeats it."""

    def __init__(self) -> None:
        super().__init__()
        self.inside: list[str] = []

    def run(self, network: nn.Module) -> fx.Graph:
        try:
            return self.trace(network)
        except (fx.proxy.TraceError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            raise NotConvertible(
                f"{self.inside[-1] if self.inside else 'the network'!r} cannot be followed: {error}; its "
                "forward must not decide by the data, and must take and give tensors"
            ) from error

    def call_module(self, m: nn.Module, forward: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self.inside.append(self.path_of_module(m))
        result = super().call_module(m, forward, args, kwargs)
        self.inside.pop()
        return result


class _Walk:
    """Goes through a traced network once, with the values of an example at hand for sizes and shapes."""

    def __init__(self, network: nn.Module, traced: fx.Graph, example: Tensor) -> None:
        self.network, self.traced = network, traced
        self.batch = len(example)
        self.values = _Values(fx.GraphModule(network, traced)).of(example)
        self.names: dict[fx.Node, str] = {}
        self.taken: set[str] = {INPUT}

    def translate(self) -> tuple[list[Node], tuple[str, ...]]:
        nodes: list[Node] = []
        outputs: tuple[str, ...] = ()
        for step in self.traced.nodes:
            if step.op == "placeholder":
                self.names[step] = INPUT
            elif step.op == "output":
                outputs = tuple(self._source(value, "the output") for value in _nodes(step.args))
            elif step.op != "get_attr" and isinstance(self.values[step], Tensor):
                nodes.append(self._node(step))
        return nodes, outputs

    def _node(self, step: fx.Node) -> Node:
        name = self.names[step] = self._name(step)
        if self.values[step].dim() == 0 or len(self.values[step]) != self.batch:
            raise NotConvertible(
                f"{name!r} turns {self.batch} rows into {tuple(self.values[step].shape)}; every operation "
                "must keep the batch as it is, first of all axes"
            )
        if step.op == "call_module":
            op = from_module(name, self.network.get_submodule(str(step.target)))
            read = _nodes((step.args, step.kwargs))
        else:
            call = self._call(name, step)
            op, read = from_call(call), call.sources
        return Node(name, op, tuple(self._source(source, name) for source in read))

    def _call(self, name: str, step: fx.Node) -> Call:
        """What a function was called with: sources as they are, everything else as the example has it."""
        several = [node for node in _nodes((step.args, step.kwargs)) if self._is_several(node)]
        if several:
            return self._part(name, step, several[0])
        sources = [node for node in _nodes((step.args, step.kwargs)) if self._is_traced(node)]
        args = fx.node.map_arg(step.args, lambda n: n if self._is_traced(n) else self.values[n])
        kwargs = fx.node.map_arg(step.kwargs, lambda n: n if self._is_traced(n) else self.values[n])
        return Call(name, function_name(step.target), sources, args, kwargs, self.values[step])

    def _part(self, name: str, step: fx.Node, several: fx.Node) -> Call:
        """One of several tensors: those of chunk and split are parts of the tensor they were given."""
        while function_name(several.target) == "getitem":
            several = several.all_input_nodes[0]
        taken = function_name(step.target) == "getitem"
        if not taken or function_name(several.target) not in ("chunk", "split"):
            raise refused(str(several.target), "something that gives several tensors")
        source = several.all_input_nodes[0]
        whole, parts, part = self.values[source], self.values[several], self.values[step]
        dim = next((d for d in range(whole.dim()) if part.shape[d] != whole.shape[d]), 1)
        place = next(i for i, other in enumerate(parts) if other is part)
        start = sum(other.shape[dim] for other in parts[:place])
        return Call(name, "part", [source], (dim, start, part.shape[dim]), {}, part)

    def _is_several(self, node: fx.Node) -> bool:
        value = self.values[node]
        return isinstance(value, tuple | list) and any(isinstance(part, Tensor) for part in value)

    def _is_traced(self, node: fx.Node) -> bool:
        return isinstance(self.values[node], Tensor) or node.op == "placeholder"

    def _source(self, node: fx.Node, reader: str) -> str:
        if node not in self.names:
            raise NotConvertible(
                f"{reader!r} reads {str(node.target)!r}, which no operation on the input made; only weights "
                "of torch's own layers and norms can be converted"
            )
        return self.names[node]

    def _name(self, step: fx.Node) -> str:
        """The module's own name the first time it is called; else one that stands for this call alone."""
        name = str(step.target)
        if step.op != "call_module":
            owner = next(reversed(step.meta.get("nn_module_stack") or {"": None}))
            name = f"{owner}.{step.name}" if owner else step.name
        unique, again = name, 2
        while unique in self.taken:
            unique, again = f"{name}@{again}", again + 1
        self.taken.add(unique)
        return unique


class _Values(fx.Interpreter):
    """Runs a traced network and keeps every value."""

    @torch.no_grad()
    def of(self, example: Tensor) -> dict[fx.Node, Any]:
        self.kept: dict[fx.Node, Any] = {}
        self.run(example.clone())
        return self.kept

    def run_node(self, n: fx.Node) -> Any:
        self.kept[n] = super().run_node(n)
        return self.kept[n]


@torch.no_grad()
def _called(network: nn.Module, rows: Tensor) -> Any:
    try:
        return network(rows.clone())
    except (RuntimeError, IndexError, ValueError, TypeError) as error:
        raise BadCalibration(
            f"the network does not take inputs of shape {tuple(rows.shape)} {rows.dtype}: {error}; give "
            "inputs as it was trained on"
        ) from error


def _check_weights(ann: nn.Module) -> None:
    for name, values in (*ann.named_parameters(), *ann.named_buffers()):
        if values.is_floating_point() and not bool(torch.isfinite(values).all()):
            raise BadWeights(f"{name!r} holds NaN or infinity; convert weights of a training that went well")


@torch.no_grad()
def _check_same(graph: Graph, rows: Tensor, expected: Sequence[Tensor]) -> None:
    for name, ours, theirs in zip(graph.outputs, graph(rows), expected, strict=True):
        scale = max(float(theirs.abs().max()), 1e-12)
        if ours.shape != theirs.shape or float((ours - theirs).abs().max()) > TOLERANCE * scale:
            raise NotConvertible(
                f"output {name!r} of the traced network is not what the network gives; its forward has an "
                "effect that tracing does not see, such as a change of its own buffers"
            )


def _nodes(values: Any) -> list[fx.Node]:
    """All traced values within nested arguments, in order, those read twice twice."""
    found: list[fx.Node] = []
    fx.node.map_arg(values, lambda node: found.append(node) or node)  # type: ignore[func-returns-value]
    return found


def _flat(outputs: Any) -> list[Tensor]:
    return list(_tensors(outputs))


def _tensors(outputs: Any) -> Iterator[Tensor]:
    if isinstance(outputs, Tensor):
        yield outputs
    elif isinstance(outputs, dict | list | tuple):
        for value in outputs.values() if isinstance(outputs, dict) else outputs:
            yield from _tensors(value)
    else:
        raise NotConvertible(f"the network returns a {type(outputs).__name__}; it must return tensors")
