"""Commands around networks: models, weights, train."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from service.cli.terminal import errors, output, progress_bar

if TYPE_CHECKING:
    from training.datasets.cache import PrepareProgress
    from training.progress import TrainProgress

weights = typer.Typer(help="Import published checkpoints, export graphs.", no_args_is_help=True)


class Graph(StrEnum):
    """What a graph computes at once."""

    STEP = "step"
    WINDOW = "window"


class Precision(StrEnum):
    """Arithmetic of the convolutions in training."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"


def register(app: typer.Typer) -> None:
    for command in (models, train):
        app.command()(command)
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
    from model.weights import load

    data = export(load(model), load_card(model), graph.value)
    keep(data, out)
    output.print(f"wrote {len(data) / 1e6:.1f} MB to {out}")


def train(
    out: Annotated[Path, typer.Option(help="Folder of the run; a run in it is taken up again.")],
    data: Annotated[
        str, typer.Option(help="sim:street, pedro:FOLDER, gen1:FOLDER, ...; several joined by +.")
    ] = "sim:street",
    minutes: Annotated[float | None, typer.Option(min=0.1, help="Budget in minutes.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Budget in optimizer steps instead.")] = None,
    layout: Annotated[str, typer.Option(help="Network to train.")] = "ems-nano",
    name: Annotated[str | None, typer.Option(help="Name of the weights; the layout's by default.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=999, help="Of weights, order and scenes.")] = 1,
    batch: Annotated[int, typer.Option(min=1, help="Views a step.")] = 16,
    lr: Annotated[float, typer.Option(help="Peak learning rate.")] = 3e-3,
    views: Annotated[int, typer.Option(min=1, help="How often a window is seen.")] = 4,
    warm_share: Annotated[float, typer.Option(help="Share of the run with growing windows.")] = 0.0,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    precision: Annotated[Precision, typer.Option(help="Arithmetic.")] = Precision.FLOAT32,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads of the trainer.")] = 1,
    generators: Annotated[int, typer.Option(min=0, help="Processes that simulate.")] = 1,
) -> None:
    """Train: weights, card, log and curves appear in the folder as it goes."""
    from training.datasets.spec import data_from_spec
    from training.fit import train as run
    from training.settings import TrainSettings

    settings = TrainSettings(
        out=out, name=name or layout, layout=layout, steps=steps, minutes=minutes, seed=seed, batch=batch,
        lr=lr, views=views, warm_share=warm_share, device=device, precision=precision.value, threads=threads,
        generators=generators,
    )  # fmt: skip
    with progress_bar() as bar:
        task = bar.add_task("Training", total=1.0)
        reading = bar.add_task("Reading recordings", total=None, visible=False)

        def show_reading(progress: PrepareProgress) -> None:
            left = progress.of - progress.parts
            text = f"Reading {progress.split}: {progress.windows} windows"
            bar.update(
                reading, completed=progress.parts, total=progress.of, description=text, visible=left > 0
            )
            if progress.message:
                errors.print(progress.message)

        def show(progress: TrainProgress) -> None:
            bar.update(task, completed=progress.fraction, description=_pace(progress))
            if progress.message:
                errors.print(progress.message)

        written = run(settings, show, data_from_spec(data, settings, show_reading))
    output.print(f"wrote {written} and {written.with_suffix('.json')}; curves in {out / 'curves.png'}")


def _pace(progress: TrainProgress) -> str:
    accuracy = "" if progress.map50 is None else f", mAP50 {progress.map50:.3f}"
    loss = progress.box + progress.obj + progress.cls
    return f"step {progress.step}, {progress.views_per_s:.0f} views/s, loss {loss:.3f}{accuracy}"
