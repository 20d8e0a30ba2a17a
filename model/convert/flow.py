"""What travels between the operations of a converted network, and where its read-out begins."""

from __future__ import annotations

from typing import Literal, TypeAlias

from model.convert.graph import INPUT, Graph, Node

Flow: TypeAlias = Literal["static", "spikes", "current"]
"""What a value is from step to step:

- static: the same in every step, so what makes it is computed once;
- spikes: zero but for spikes. Pools, sums and routes of spikes stay spikes: each value that is not zero is
  one event;
- current: any real number in every step.
"""


def flows(graph: Graph, source: Flow) -> dict[str, Flow]:
    """What each node gives, by name, where the input is `source`."""
    found: dict[str, Flow] = {INPUT: source}
    for node in graph.nodes:
        found[node.name] = _flow(node, [found[name] for name in node.sources])
    return found


def _flow(node: Node, read: list[Flow]) -> Flow:
    if node.kind == "activation":
        return "spikes"
    if set(read) == {"static"}:
        # The gate of a max pool over constant values passes on the highest one from the first step on.
        return "static"
    gathers = node.kind in ("max_pool", "average_pool", "add", "route", "decode")
    return "spikes" if gathers and set(read) == {"spikes"} else "current"


def readout_nodes(graph: Graph) -> tuple[Node, ...]:
    """The nodes after which only arithmetic on the mean over time is left, in order.

    They are linear in what they read, which no spikes are, and nothing but outputs comes of them. So they
    commute with the mean, and run once when the network is read, in place of once a step: the head of a
    detector whose inputs are currents, the reshapes behind it, softmax. Spikes, on the other hand, cost less
    one by one.
    """
    given = flows(graph, "static")
    late: set[str] = set()
    found: list[Node] = []
    for node in reversed(graph.nodes):
        readers = {reader.name for reader in graph.readers(node.name)}
        if readers <= late and _commutes(node, [given[source] for source in node.sources]):
            late.add(node.name)
            found.append(node)
    return tuple(reversed(found))


def _commutes(node: Node, read: list[Flow]) -> bool:
    if node.kind == "decode":
        return True
    return node.kind not in ("activation", "max_pool") and "spikes" not in read


def readout_sources(graph: Graph) -> tuple[str, ...]:
    """Names of the values that are added up over time for the read-out, in the order of the graph."""
    late = readout_nodes(graph)
    names = {node.name for node in late}
    wanted = {source for node in late for source in node.sources} | set(graph.outputs)
    return tuple(name for name in (INPUT, *(node.name for node in graph.nodes)) if name in wanted - names)
