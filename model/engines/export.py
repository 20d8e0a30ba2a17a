"""Networks to ONNX graphs; `python -m model.engines.export MODEL FILE` exports one.

The step graph takes counts, steps so far, membranes and head sums and gives maps, activity, next membranes
and next head sums. The batch is dynamic. `model.engines.unroll` makes the window's graph of it.

Of a converted network, whose step is many simulation steps, it is the graph of one of these: run it with the
same counts and steps as often as the card has ticks; the last maps are the step's.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from model.card import Card, load_card
from model.encodings import encode
from model.engines.base import MAX_BATCH
from model.engines.cache import Kind, keep
from model.engines.unroll import unroll
from model.errors import ExportFailed, ModelError
from model.networks import Runnable, readout_weight
from model.weights import load_runnable

OPSET = 20
BATCH = 2  # of the example that is traced; 0 and 1 would be taken for constants


class StepGraph(nn.Module):
    """One step, or tick of a step, with the state as inputs and outputs."""

    def __init__(self, network: Runnable, card: Card) -> None:
        super().__init__()
        self.network, self.encoding = network, card.encoding

    def forward(
        self, counts: Tensor, steps: Tensor, membranes: tuple[Tensor, ...], head_sums: tuple[Tensor, ...]
    ) -> tuple[tuple[Tensor, ...], Tensor, tuple[Tensor, ...], tuple[Tensor, ...]]:
        features, membranes, activity = self.network.tick(encode(counts, self.encoding), membranes)
        decay = self.network.layout.readout_decay
        kept = head_sums if decay == 1 else tuple(decay * s for s in head_sums)
        head_sums = tuple(a + b for a, b in zip(kept, features, strict=True))
        count = (steps + 1).to(head_sums[0].dtype).reshape(-1, 1, 1, 1)
        weight = readout_weight(decay, count)
        maps = self.network.head(tuple(s / weight for s in head_sums))
        return maps, activity, membranes, head_sums


def zero_inputs(
    network: Runnable, card: Card, batch: int
) -> tuple[Tensor, Tensor, tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Counts, steps, membranes and head sums of the zero state."""
    width, height = card.grid
    counts = torch.zeros(batch, card.count_channels, height, width, dtype=torch.uint16)
    membranes = network.initial_state(batch, height, width)
    features, _, _ = network.tick(encode(counts, card.encoding), membranes)
    sums = tuple(torch.zeros_like(f) for f in features)
    return counts, torch.zeros(batch, dtype=torch.int64), membranes, sums


def export(network: Runnable, card: Card, kind: Kind = "step") -> bytes:
    """A graph of a network as bytes; the same network gives the same bytes.

    Raises:
        ExportFailed: no graph came of it, or a window is asked of a converted network, of which only the
            graph of a tick is made.
    """
    if kind == "window" and card.ticks > 1:
        raise ExportFailed(
            f"a step of {card.name} is {card.ticks} simulation steps, of which no window is unrolled; export "
            "the graph 'step' and run it as often"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own, about torch's internals
        step = _step_graph(network, card)
    return step if kind == "step" else unroll(step, card.steps)


@torch.no_grad()
def _step_graph(network: Runnable, card: Card) -> bytes:
    fused = network.fused()
    inputs = zero_inputs(fused, card, BATCH)
    _, _, membranes, sums = inputs
    state = [*_named("membrane", membranes), *_named("head_sum", sums)]
    batch = {0: torch.export.Dim("batch", min=1, max=MAX_BATCH)}
    program = torch.onnx.export(
        StepGraph(fused, card).eval(),
        inputs,
        dynamo=True,
        dynamic_shapes=(batch, batch, tuple(batch for _ in membranes), tuple(batch for _ in sums)),
        opset_version=OPSET,
        input_names=["counts", "steps", *state],
        output_names=[*_named("map", sums), "activity", *(f"next_{name}" for name in state)],
        optimize=False,  # ONNX Runtime does that when it loads the graph
        verbose=False,
    )
    if program is None:
        raise ExportFailed(f"torch.onnx gave no graph for {card.name}")
    return _plain(program.model_proto)


def _named(name: str, tensors: tuple[Tensor, ...]) -> list[str]:
    return [f"{name}.{i}" for i in range(len(tensors))]


def _plain(model: onnx.ModelProto) -> bytes:
    """Without the traces of where the code lay on this machine, so that equal networks give equal bytes."""
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    del model.metadata_props[:]
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def main(arguments: list[str]) -> int:
    """Export one graph; the exit status is 1, with the reason on stderr, where that fails."""
    parser = argparse.ArgumentParser(prog="python -m model.engines.export", description=__doc__)
    parser.add_argument("model", help="zoo name, or path of a card")
    parser.add_argument("file", type=Path)
    options = parser.parse_args(arguments)
    try:
        keep(export(load_runnable(options.model), load_card(options.model)), options.file)
    except ModelError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
