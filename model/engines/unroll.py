"""Step graph to window graph: T copies of its nodes around one set of weights, from the zero state.

Works on the ONNX graph itself, which takes milliseconds where tracing T steps takes a minute.
"""

from __future__ import annotations

from collections.abc import Iterator

import onnx
from onnx import helper

_STATE = ("membrane.", "head_sum.")


def unroll(step: bytes, steps: int) -> bytes:
    """The graph of a window of `steps` steps.

    Its input is counts (B, T, C, H, W); its outputs have the names of the step's: maps and state of the last
    step, activity of all steps together.
    """
    model = onnx.load_from_string(step)
    window = _Window(model.graph, steps)
    nodes = window.needed()
    read = {name for node in nodes for name in node.input}
    tensors = [t for t in (*model.graph.initializer, *window.constants) if t.name in read]
    graph = helper.make_graph(nodes, "window", [window.counts], list(model.graph.output), initializer=tensors)
    made = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    made.functions.extend(model.functions)
    data: bytes = made.SerializeToString(deterministic=True)
    return data


class _Window:
    """The nodes of the window's graph."""

    def __init__(self, step: onnx.GraphProto, steps: int) -> None:
        self.step = step
        self.constants: list[onnx.TensorProto] = []
        self.weights = {tensor.name for tensor in step.initializer}
        self.outputs = [value.name for value in step.output]
        self.counts = self._window_counts(steps)
        self.nodes = [*self._zero_state(), *self._copies(steps), *self._results(steps)]

    def needed(self) -> list[onnx.NodeProto]:
        """Nodes that lead to an output; the heads of all steps but the last do not."""
        wanted = set(self.outputs)
        kept: list[onnx.NodeProto] = []
        for node in reversed(self.nodes):
            if wanted.intersection(node.output):
                wanted.update(node.input)
                kept.append(node)
        return kept[::-1]

    def _window_counts(self, steps: int) -> onnx.ValueInfoProto:
        (counts,) = (value for value in self.step.input if value.name == "counts")
        batch, *cell = [d.dim_param or d.dim_value for d in counts.type.tensor_type.shape.dim]
        return helper.make_tensor_value_info(
            "counts", counts.type.tensor_type.elem_type, [batch, steps, *cell]
        )

    def _constant(self, name: str, values: list[int], shape: list[int]) -> str:
        self.constants.append(helper.make_tensor(name, onnx.TensorProto.INT64, shape, values))
        return name

    def _zero_state(self) -> Iterator[onnx.NodeProto]:
        first = self._constant("window.first", [0], [1])
        yield helper.make_node("Shape", ["counts"], ["window.shape"])
        yield helper.make_node("Gather", ["window.shape", first], ["window.batch"])
        for value in self.step.input:
            if value.name.startswith(_STATE):
                row = [d.dim_value for d in value.type.tensor_type.shape.dim][1:]
                tail = self._constant(f"{value.name}.row", row, [len(row)])
                yield helper.make_node("Concat", ["window.batch", tail], [f"{value.name}.shape"], axis=0)
                yield helper.make_node("ConstantOfShape", [f"{value.name}.shape"], [f"0/{value.name}"])

    def _copies(self, steps: int) -> Iterator[onnx.NodeProto]:
        for t in range(steps):
            self._constant(f"{t}/steps", [t], [1])
            at = self._constant(f"{t}/at", [t], [])
            yield helper.make_node("Gather", ["counts", at], [f"{t}/counts"], axis=1)
            for node in self.step.node:
                copy = onnx.NodeProto()
                copy.CopyFrom(node)
                copy.name = f"{t}/{node.name}"
                copy.input[:] = [self._name(name, t) for name in node.input]
                copy.output[:] = [self._name(name, t) for name in node.output]
                yield copy

    def _name(self, name: str, t: int) -> str:
        """A value of step t; what a step hands on is named as the next one's input."""
        if not name or name in self.weights:
            return name
        if name.startswith("next_"):
            return f"{t + 1}/{name.removeprefix('next_')}"
        return f"{t}/{name}"

    def _results(self, steps: int) -> Iterator[onnx.NodeProto]:
        for name in self.outputs:
            if name == "activity":
                yield helper.make_node("Sum", [f"{t}/activity" for t in range(steps)], [name])
            else:
                yield helper.make_node("Identity", [self._name(name, steps - 1)], [name])
