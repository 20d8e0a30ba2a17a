"""`spikesight ann-to-snn`: a trained ANN to a spiking network, with a report of what it costs."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress, TaskID
from rich.table import Table

from model.card import DEFAULT_MODEL
from service.cli.terminal import output, progress_bar

if TYPE_CHECKING:
    from model.convert.method import Method
    from training.converting.methods import Task
    from training.converting.sweep import Point, Rival, Sweep


class MethodChoice(StrEnum):
    """Ways of converting, `training.converting.methods`."""

    RUECKAUER = "rueckauer"
    CALIBRATION = "calibration"
    ECC = "ecc"


class InputForm(StrEnum):
    """How a window comes in, `model.card_conversion`."""

    ANALOG = "analog"
    EVENTS = "events"


def register(app: typer.Typer) -> None:
    app.command("ann-to-snn")(ann_to_snn)


def ann_to_snn(
    checkpoint: Annotated[
        str, typer.Argument(help="Card of a ReLU twin (train --twin), or package.module:function.")
    ],
    calibrate: Annotated[
        str, typer.Option(metavar="SOURCE", help="sim:street, gen1:FOLDER, ..., a recording, or an .npz.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of weights, card and report.")],
    method: Annotated[MethodChoice, typer.Option(help="How.")] = MethodChoice.RUECKAUER,
    steps: Annotated[int, typer.Option(help="T, simulation steps of a window.")] = 64,
    name: Annotated[str | None, typer.Option(help="Of the weights; the ANN's, and -METHOD.")] = None,
    advanced: Annotated[
        bool, typer.Option("--advanced", help="calibration: weights and potentials, which takes long.")
    ] = False,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Of the method, such as percentile=99.9."),
    ] = None,
    rows: Annotated[int, typer.Option(min=1, help="Windows or arrays to calibrate on.")] = 256,
    seed: Annotated[int, typer.Option(min=0, max=999, help="Of calibration scenes.")] = 900,
    input_: Annotated[
        InputForm, typer.Option("--input", help="A window's counts at once, or those of its parts.")
    ] = InputForm.ANALOG,
    parts: Annotated[int, typer.Option(min=1, help="With --input events: of a window.")] = 1,
    at: Annotated[str, typer.Option(help="T of the report, joined by commas; none for no report.")] = (
        "8,16,32,64,128,256"
    ),
    windows: Annotated[int, typer.Option(min=1, help="Held-out windows or arrays to measure on.")] = 200,
    data: Annotated[str, typer.Option(help="Of a twin: where held-out windows come from.")] = "sim:street",
    beside: Annotated[
        str, typer.Option(help="Of a twin: a network trained to spike, for the report; none for none.")
    ] = DEFAULT_MODEL,
    weights: Annotated[Path | None, typer.Option(help="Of a function's network: safetensors.")] = None,
    evaluate: Annotated[
        Path | None, typer.Option(help="Of a function's network: .npz of x and y to measure on.")
    ] = None,
) -> None:
    """Convert a trained ANN to a spiking network, and report accuracy and energy against T."""
    is_function = re.fullmatch(r"[\w.]+:[\w.]+", checkpoint) is not None
    own = checkpoint.rpartition(":")[2] if is_function else Path(checkpoint).stem
    chosen, report_at = name or f"{own}-{method.value}", _steps(at)
    how = _method(method, "classifier" if is_function else "detector", steps, set_ or [], advanced)
    with progress_bar() as bar:
        if is_function:
            from training.converting.classifiers import ClassifierConversion, convert_classifier

            card, sweep = convert_classifier(
                ClassifierConversion(
                    factory=checkpoint, weights=weights, method=how, steps=steps, calibrate=Path(calibrate),
                    rows=rows, evaluate=evaluate, at=report_at, measured=windows, name=chosen, out=out,
                ),
                _show(bar),
            )  # fmt: skip
        else:
            from model.convert.detecting import WindowSettings
            from training.converting.twins import TwinConversion, convert

            card, sweep = convert(
                TwinConversion(
                    twin=checkpoint, method=how, window=WindowSettings(steps, input_.value, parts),
                    calibrate=calibrate, calibration_windows=rows, seed=seed, at=report_at, windows=windows,
                    data=data, trained=None if beside == "none" else beside, name=chosen, out=out,
                ),
                _show(bar),
            )  # fmt: skip
    _tell(card, sweep, out)
    if not is_function:
        output.print(f"try it: spikesight detect RECORDING --model {card}", soft_wrap=True)


def _steps(text: str) -> tuple[int, ...]:
    if text == "none":
        return ()
    try:
        found = tuple(int(part) for part in text.split(","))
    except ValueError:
        found = (0,)
    if min(found) < 1:
        raise typer.BadParameter(f"found {text!r}; write steps such as 8,16,32, or none", param_hint="--at")
    return found


def _method(choice: MethodChoice, task: Task, steps: int, texts: list[str], advanced: bool) -> Method:
    from training.converting.methods import method_for

    return method_for(choice.value, task, steps, texts, advanced=advanced)


def _show(bar: Progress) -> Callable[[str, float], None]:
    """A bar for each thing that is done, as it comes up."""
    tasks: dict[str, TaskID] = {}

    def show(what: str, share: float) -> None:
        if what not in tasks:
            tasks[what] = bar.add_task(what.capitalize(), total=1.0)
        bar.update(tasks[what], completed=share)

    return show


def _tell(card: Path, sweep: Sweep | None, out: Path) -> None:
    from training.converting.report import write_sweep

    if sweep is not None:
        output.print(_table(sweep))
        output.print(f"report: {write_sweep(sweep, out)}", soft_wrap=True)
    output.print(f"wrote {card.with_suffix('.safetensors')} and {card}", soft_wrap=True)


def _table(sweep: Sweep) -> Table:
    names = list(sweep.ann.scores)
    table = Table("", "T", *names, "agree", "M SynOps", "M MACs", "mJ")
    table.add_row(*_rival(sweep.ann, "1"))
    for point in sweep.points:
        scores = (f"{point.scores[name]:.3f}" for name in names)
        table.add_row("converted", str(point.steps), *scores, f"{point.agreement:.3f}", *_cost(point))
    if sweep.trained is not None:
        table.add_row(*_rival(sweep.trained, ""))
    return table


def _rival(rival: Rival, agreement: str) -> tuple[str, ...]:
    scores = (f"{value:.3f}" for value in rival.scores.values())
    return (rival.name, str(rival.steps), *scores, agreement, *_cost(rival))


def _cost(of: Point | Rival) -> tuple[str, ...]:
    return (f"{of.synops / 1e6:.4g}", f"{of.macs / 1e6:.4g}", f"{of.energy_mj:.3g}")
