"""Commands around networks: models, weights, train, evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from service.cli.terminal import output

weights = typer.Typer(help="Import published checkpoints, export graphs.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.command()(models)
    app.add_typer(weights, name="weights")


def models() -> None:
    """List the shipped models."""
    from model.card import available, load_card

    table = Table("model", "classes", "grid", "steps", "threshold")
    for name in available():
        card = load_card(name)
        width, height = card.grid
        steps = f"{card.steps} x {card.step_us / 1000:g} ms"
        table.add_row(name, ", ".join(card.classes), f"{width} x {height}", steps, f"{card.threshold:.2f}")
    output.print(table)


@weights.command("import")
def import_(
    checkpoint: Annotated[
        Path, typer.Argument(help="An official full-module checkpoint (.pt).", exists=True)
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the weights and their card.")] = Path(
        "."
    ),
    name: Annotated[str | None, typer.Option(help="Name of the model; the file's by default.")] = None,
) -> None:
    """Read a published checkpoint without executing anything in it; write safetensors and a card."""
    from model.checkpoints import import_checkpoint

    written = import_checkpoint(checkpoint, out, name)
    output.print(f"wrote {written} and {written.with_suffix('.json')}")
