"""Commands around networks: models, weights."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from service.cli.terminal import output

weights = typer.Typer(help="Import published checkpoints, export graphs.", no_args_is_help=True)


class Graph(StrEnum):
    """What a graph computes at once."""

    STEP = "step"
    WINDOW = "window"


def register(app: typer.Typer) -> None:
    app.command()(models)
    app.add_typer(weights, name="weights")


def models(
    name: Annotated[str | None, typer.Argument(help="Show this one's card, as Markdown.")] = None,
) -> None:
    """List the shipped models, or show the card of one."""
    from model.card import available, load_card
    from model.card_page import card_to_markdown

    if name is not None:
        print(card_to_markdown(load_card(name)), end="")
        return
    table = Table("model", "classes", "grid", "steps", "threshold")
    for name in available():
        card = load_card(name)
        width, height = card.grid
        steps = f"{card.steps} x {card.step_us / 1000:g} ms"
        table.add_row(name, ", ".join(card.classes), f"{width} x {height}", steps, f"{card.threshold:.2f}")
    output.print(table)


@weights.command("import")
def import_(
    checkpoint: Annotated[Path, typer.Argument(help="An official full-module checkpoint (.pt).")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the weights and their card.")] = Path(),
    name: Annotated[str | None, typer.Option(help="Name of the weights; the file's by default.")] = None,
) -> None:
    """Read a published checkpoint without executing anything in it; write safetensors and a card."""
    from model.checkpoints import import_checkpoint

    card = import_checkpoint(checkpoint, out, name)
    output.print(f"wrote {card.with_suffix('.safetensors')} and {card}")


@weights.command("export")
def export_(
    model: Annotated[str, typer.Argument(help="Name of a shipped model, or path of a card.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The .onnx file.")],
    graph: Annotated[Graph, typer.Option(help="One step with its state, or a whole window.")] = Graph.STEP,
) -> None:
    """Write a network as ONNX."""
    from model.card import load_card
    from model.engines.cache import keep
    from model.engines.export import export
    from model.weights import load_runnable

    data = export(load_runnable(model), load_card(model), graph.value)
    keep(data, out)
    output.print(f"wrote {len(data) / 1e6:.1f} MB to {out}")
