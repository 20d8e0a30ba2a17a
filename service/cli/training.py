"""The command that trains."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import Progress

from service.cli.terminal import errors, output, progress_bar

if TYPE_CHECKING:
    from training.datasets.cache import OnPrepare, PrepareProgress
    from training.progress import OnProgress, TrainProgress
    from training.settings import TrainSettings


class Device(StrEnum):
    """What trains."""

    CPU = "cpu"
    CUDA = "cuda"


class Precision(StrEnum):
    """Arithmetic of the convolutions in training."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"


class RecipeName(StrEnum):
    """Recipes that have names, `training.recipe.RECIPES`."""

    OURS = "ours"
    PAPER = "paper"


class InputEncoding(StrEnum):
    """How counts become the network's input, `model.card.Encoding`."""

    LOG1P = "log1p"
    COUNTS = "counts"
    BINARY = "binary"
    PAINTED = "painted"
    FRAME = "frame"


class BoxForm(StrEnum):
    """What a cell answers, `model.layout.Boxes`."""

    ANCHORS = "anchors"
    FREE = "free"


class AnchorSource(StrEnum):
    """Where anchors come from."""

    LAYOUT = "layout"
    FITTED = "fitted"


def register(app: typer.Typer) -> None:
    app.command()(train)


def train(
    out: Annotated[Path, typer.Option(help="Folder of the run; a run in it is taken up again.")],
    data: Annotated[
        str, typer.Option(help="sim:street, pedro:FOLDER, gen1:FOLDER, ...; several joined by +.")
    ] = "sim:street",
    minutes: Annotated[float | None, typer.Option(min=0.1, help="Budget in minutes.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Budget in optimizer steps instead.")] = None,
    layout: Annotated[str, typer.Option(help="Network to train.")] = "ems-nano",
    name: Annotated[str | None, typer.Option(help="Name of the weights; the layout's by default.")] = None,
    recipe: Annotated[
        RecipeName, typer.Option(help="Input, neurons, shortcuts, grid, steps, augmentation and loss.")
    ] = RecipeName.OURS,
    encoding: Annotated[
        InputEncoding | None, typer.Option(help="Input, in place of the recipe's; frame with pictures.")
    ] = None,
    boxes: Annotated[
        BoxForm | None, typer.Option(help="An answer for each anchor, or one a cell; the recipe's.")
    ] = None,
    twin: Annotated[bool, typer.Option("--twin", help="Train the conventional twin: ReLU, T = 1.")] = False,
    init: Annotated[
        str | None, typer.Option(help="Weights to start from: a model's name or a card's path.")
    ] = None,
    grid: Annotated[
        str | None, typer.Option(metavar="WxH", help="Input in cells, multiples of 32; the recipe's.")
    ] = None,
    window_steps: Annotated[
        int | None, typer.Option(min=1, help="T, time steps of a window; the recipe's.")
    ] = None,
    lead_steps: Annotated[
        int | None,
        typer.Option(
            min=0, help="For a state that lasts: steps before the window, 0 to this many at random."
        ),
    ] = None,
    step_us: Annotated[
        int | None, typer.Option(min=1, help="Length of a time step, microseconds; the recipe's.")
    ] = None,
    anchors: Annotated[
        AnchorSource, typer.Option(help="Fitted to the data first, or not.")
    ] = AnchorSource.LAYOUT,
    seed: Annotated[int, typer.Option(min=0, max=999, help="Of weights, order and scenes.")] = 1,
    batch: Annotated[int, typer.Option(min=1, help="Views a step, of each trainer.")] = 16,
    lr: Annotated[float, typer.Option(help="Peak learning rate.")] = 3e-3,
    firing_weight: Annotated[float, typer.Option(help="Weight of the firing rate in the loss.")] = 0.0,
    augment: Annotated[
        bool | None, typer.Option("--augment/--no-augment", help="Draw views at random? As the recipe does.")
    ] = None,
    views: Annotated[int, typer.Option(min=1, help="How often a window is seen.")] = 4,
    warm_share: Annotated[float, typer.Option(help="Share of the run with growing windows.")] = 0.0,
    device: Annotated[Device, typer.Option(help="What trains.")] = Device.CPU,
    precision: Annotated[Precision, typer.Option(help="Arithmetic.")] = Precision.FLOAT32,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads of a trainer.")] = 1,
    generators: Annotated[int, typer.Option(min=0, help="Processes that simulate.")] = 1,
    save_minutes: Annotated[float, typer.Option(min=0, help="Between checkpoints and validations.")] = 5.0,
    held_out: Annotated[int, typer.Option(min=1, help="Windows of the figures in the card.")] = 500,
    resume: Annotated[bool, typer.Option("--resume/--no-resume", help="Go on where a run was?")] = True,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write OUT/tensorboard too.")] = False,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Any other setting, such as loss.obj=2."),
    ] = None,
) -> None:
    """Train: weights, card, log and curves appear in the folder as it goes."""
    from training.augment import NO_AUGMENT, AugmentSettings
    from training.datasets.spec import encoding_of
    from training.dotted import with_text
    from training.recipe import RECIPES
    from training.settings import TrainSettings

    asked: dict[str, Any] = {
        "grid": None if grid is None else _grid(grid),
        "window_steps": window_steps,
        "lead_steps": lead_steps,
        "step_us": step_us,
        "augment": None if augment is None else AugmentSettings() if augment else NO_AUGMENT,
    }
    brought = {**RECIPES[recipe.value], **{key: value for key, value in asked.items() if value is not None}}
    settings = TrainSettings(
        out=out, data=data, name=name or layout, layout=layout, steps=steps, minutes=minutes, seed=seed,
        batch=batch, lr=lr, views=views, warm_share=warm_share, device=device.value,
        precision=precision.value, threads=threads, generators=generators, save_minutes=save_minutes,
        final_validation=held_out, resume=resume, tensorboard=tensorboard, anchors=anchors.value, init=init,
        **brought,
    )  # fmt: skip
    parts = {
        "recipe.encoding": encoding or encoding_of(data),
        "recipe.boxes": boxes,
        "recipe.activation": "relu" if twin else None,
        "loss.firing": firing_weight,
    }
    texts = [f"{key}={value}" for key, value in parts.items() if value is not None]
    for text in (*texts, *(set_ or ())):
        settings = with_text(settings, text)
    _run(settings)


def _run(settings: TrainSettings) -> None:
    from training.datasets.spec import data_from_spec
    from training.distributed import leads
    from training.fit import train as run

    with progress_bar() as bar:
        windows = data_from_spec(settings.data, settings, _show_reading(bar))
        written = run(settings, _show_training(bar), windows)
    if leads():
        output.print(
            f"wrote {written} and {written.with_suffix('.json')}; curves in {settings.out / 'curves.png'}",
            soft_wrap=True,
        )
        served = f"--models-dir {written.parent} --model {written.stem}"
        output.print(f"try it: spikesight serve {served}", soft_wrap=True)


def _grid(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)x(\d+)", text)
    if not found:
        raise typer.BadParameter(f"found {text!r}; write WIDTHxHEIGHT, such as 256x192", param_hint="--grid")
    return int(found[1]), int(found[2])


def _show_reading(bar: Progress) -> OnPrepare:
    task = bar.add_task("Reading recordings", total=None, visible=False)

    def show(progress: PrepareProgress) -> None:
        left = progress.of - progress.parts
        text = f"Reading {progress.split}: {progress.windows} windows"
        bar.update(task, completed=progress.parts, total=progress.of, description=text, visible=left > 0)
        if progress.message:
            errors.print(progress.message)

    return show


def _show_training(bar: Progress) -> OnProgress:
    task = bar.add_task("Training", total=1.0)

    def show(progress: TrainProgress) -> None:
        bar.update(task, completed=progress.fraction, description=_pace(progress))
        if progress.message:
            errors.print(progress.message, highlight=False, markup=False, soft_wrap=True)

    return show


def _pace(progress: TrainProgress) -> str:
    accuracy = "" if progress.map50 is None else f", mAP50 {progress.map50:.3f}"
    loss = progress.box + progress.obj + progress.cls
    return f"step {progress.step}, {progress.views_per_s:.0f} views/s, loss {loss:.3f}{accuracy}"
