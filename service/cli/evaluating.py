"""`spikesight evaluate`: the figures of a card, part by part."""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from model.card import DEFAULT_MODEL
from service.cli.terminal import errors, output, progress_bar

if TYPE_CHECKING:
    from training.evaluate import Evaluation, EvaluationSettings, Part


QUIET = "sim://street?"
"""The street of the streaming accuracy; tracking has a fuller one."""


class Protocol(StrEnum):
    """Which boxes count."""

    COCO = "coco"
    PROPHESEE = "prophesee"


class HeldOut(StrEnum):
    """Splits of a data set that nobody learns from."""

    VAL = "val"
    TEST = "test"


class Runner(StrEnum):
    """What runs the steps."""

    ONNX = "onnx"
    TORCH = "torch"


def register(app: typer.Typer) -> None:
    app.command()(evaluate)


def evaluate(
    model: Annotated[str, typer.Argument(help="Name of a shipped model, or path of a card.")] = DEFAULT_MODEL,
    conditions: Annotated[bool, typer.Option("--conditions", help="Light, cameras, sensors, steps.")] = False,
    streaming: Annotated[bool, typer.Option("--streaming", help="On streets, with latency charged.")] = False,
    tracking: Annotated[bool, typer.Option("--tracking", help="Ids that last, on crowded streets.")] = False,
    latency: Annotated[
        bool, typer.Option("--latency", help="CPU ms a step and an answer, one core.")
    ] = False,
    twin: Annotated[str | None, typer.Option(help="Card of the ReLU twin: its accuracy and energy.")] = None,
    data: Annotated[
        str | None, typer.Option(help="On a data set: pedro:FOLDER, gen1:FOLDER, ..., as train takes it.")
    ] = None,
    split: Annotated[HeldOut, typer.Option(help="Of the data set.")] = HeldOut.VAL,
    everything: Annotated[bool, typer.Option("--all", help="Accuracy and all of the above.")] = False,
    windows: Annotated[int, typer.Option(min=1, help="Held-out windows: accuracy, twin, data.")] = 1000,
    condition_windows: Annotated[int, typer.Option(min=1, help="Windows of each condition.")] = 160,
    streets: Annotated[int, typer.Option(min=1, help="Streets to watch.")] = 4,
    seconds: Annotated[float, typer.Option(min=1, help="Of each street.")] = 10.0,
    scene: Annotated[str | None, typer.Option(help="Streets of other sensors, light or crowds.")] = None,
    latency_ms: Annotated[
        float | None, typer.Option(min=0, help="Charged in streaming; measured by default.")
    ] = None,
    beside: Annotated[
        str | None, typer.Option(help="With --streaming: other weights on the same streets.")
    ] = None,
    engine: Annotated[Runner, typer.Option(help="For streaming, tracking, latency.")] = Runner.ONNX,
    protocol: Annotated[
        Protocol, typer.Option(help="prophesee: boxes under 30 px diagonal or 10 px side do not count.")
    ] = Protocol.COCO,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="JSON file; curves go beside it.")] = None,
    write: Annotated[bool, typer.Option("--write", help="Put the figures into the card.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Measure weights on scenes and recordings that no training sees: the accuracy, or the parts named."""
    from training.datasets import BoxRule
    from training.evaluate import EvaluationSettings, write_card, write_report
    from training.streaming_accuracy import StreamingSettings
    from training.tracking_accuracy import CROWDED

    asked = {"conditions": conditions, "streaming": streaming, "tracking": tracking, "latency": latency}
    settings = EvaluationSettings(
        windows=windows,
        condition_windows=condition_windows,
        streaming=StreamingSettings(streets, seconds, scene or QUIET, latency_ms),
        tracking=StreamingSettings(streets, seconds, scene or CROWDED),
        beside=beside,
        rule=BoxRule() if protocol is Protocol.PROPHESEE else None,
        twin=twin,
        data=data,
        split=split.value,
        engine=engine.value,
    )
    asked |= {"twin": twin is not None, "data": data is not None}
    evaluation = _measure(model, _parts(asked, everything), settings)
    if out is not None:
        write_report(evaluation, out)
    if write:
        errors.print(f"wrote {write_card(model, evaluation)}")
    if json_:
        print(json.dumps(evaluation.metrics))
    else:
        for table in _tables(evaluation.metrics):
            output.print(table)


def _parts(asked: dict[str, bool], everything: bool) -> list[Part]:
    given = ("twin", "data")  # these need something to be named
    parts = [name for name, wanted in asked.items() if wanted or (everything and name not in given)]
    return ["accuracy", *parts] if everything or not parts else parts  # type: ignore[list-item, return-value]


def _measure(model: str, parts: list[Part], settings: EvaluationSettings) -> Evaluation:
    from training.evaluate import evaluate as run

    with progress_bar() as bar:
        tasks = {part: bar.add_task(f"{model}: {part}", total=None) for part in parts}
        return run(
            model, parts, settings, lambda part, done, of: bar.update(tasks[part], completed=done, total=of)
        )


def _tables(metrics: dict[str, Any]) -> Iterator[Table | str]:
    if "scores" in metrics:
        yield from _accuracy(metrics, metrics["on"])
    if "twin" in metrics:
        twin = metrics["twin"]
        yield (
            f"twin {twin['name']}: mAP50 {_of(twin['map50'])} against {_of(twin['spiking_map50'])}; "
            f"{twin['energy_mj']:.3g} mJ against {twin['spiking_energy_mj']:.3g} mJ, {twin['ratio']:.2f} x"
        )
    if "conditions" in metrics:
        yield _conditions(metrics["conditions"])
    if "streaming" in metrics:
        s = metrics["streaming"]
        yield _delays(metrics)
        yield (
            f"{s['streets']} streets of {s['seconds']:g} s: offline mAP50 {_of(s['offline_map50'])}, "
            f"streaming mAP50 {_of(s['map50'])} at {_of(s['latency_ms'])} ms ({s['dropped']} windows dropped)"
        )
    if "tracking" in metrics:
        yield _tracking(metrics["tracking"])
    if "latency" in metrics:
        took = metrics["latency"]
        yield (
            f"one core, {took['engine']}: {took['step_ms']:.1f} ms a step (90 %: {took['step_p90_ms']:.1f}), "
            f"{took['answer_ms']:.1f} ms from a window's end to its boxes; {took['machine']}"
        )
    for name, block in metrics.get("data_sets", {}).items():
        yield from _accuracy(block, f"windows of {name}")
        yield from _unmatched(block)


def _tracking(block: dict[str, Any]) -> Table:
    title = (
        f"{block['streets']} streets of {block['seconds']:g} s, {block['objects']} objects, "
        f"{block['crossings']} crossings, {block['hidden']} times hidden"
    )
    table = Table("ids by", "HOTA", "DetA", "AssA", "IDF1", "MOTA", "switches", "tracks", title=title)
    for name in ("tracker", "overlap", "named", "true_boxes"):
        row = block[name]
        shares = (_of(row[key]) for key in ("hota", "det_a", "ass_a", "idf1", "mota"))
        table.add_row(name.replace("_", " "), *shares, str(row["switches"]), str(row["tracks"]))
    return table


def _delays(metrics: dict[str, Any]) -> Table:
    rows = [metrics["streaming"], *filter(None, [metrics.get("streaming_beside")])]
    table = Table("mAP50 of answers", *(row.get("name", "these") for row in rows))
    for delay in rows[0]["delays"]:
        table.add_row(f"{delay} ms late", *(_of(row["delays"][delay]) for row in rows))
    table.add_row("as late as they are", *(_of(row["map50"]) for row in rows))
    table.add_row("mJ a second", *(f"{row['energy_mj_s']:.2f}" for row in rows))
    return table


def _unmatched(block: dict[str, Any]) -> Iterator[str]:
    if block["ignored"]:
        yield f"not known to the weights, ignored: {', '.join(block['ignored'])}"
    if block["not_measured"]:
        yield f"not labelled in the data, not measured: {', '.join(block['not_measured'])}"


def _accuracy(metrics: dict[str, Any], on: str) -> Iterator[Table | str]:
    scores, operating, activity = metrics["scores"], metrics["operating"], metrics["activity"]
    title = f"{metrics['windows']} {on}, {metrics['boxes']} boxes"
    table = Table("class", "AP50", "AP50:95", title=title)
    for name in scores["ap50"]:
        table.add_row(name, _of(scores["ap50"][name]), _of(scores["ap50_95"][name]))
    for name, size in scores["sizes"].items():
        table.add_row(f"{name} ({size['boxes']} boxes)", _of(size["map50"]), _of(size["map50_95"]))
    table.add_row("mean", _of(scores["map50"]), _of(scores["map50_95"]), style="bold")
    yield table
    yield "mAP50 after each step: " + ", ".join(_of(each["map50"]) for each in metrics["each_step"])
    yield (
        f"default threshold {operating['threshold']:g} (best F1 {operating['best_f1_threshold']:g}, quiet "
        f"{operating['quiet_threshold']:g}): precision {operating['precision']:.3f}, recall "
        f"{operating['recall']:.3f}, {operating['false_boxes']:.2f} false boxes a window"
    )
    yield _confusion(metrics["confusion"])
    yield (
        f"firing rate {activity['firing_rate']:.1%}; a window: {activity['synops'] / 1e6:.1f} M synaptic "
        f"operations at 0.9 pJ and {activity['macs'] / 1e6:.1f} M MACs at 4.6 pJ = "
        f"{activity['energy_mj']:.3g} mJ; dense twin {activity['dense_mj']:.3g} mJ (45 nm)"
    )


def _confusion(sheet: dict[str, Any]) -> Table:
    table = Table("there / found", *sheet["classes"])
    for name, row in zip(sheet["classes"], sheet["counts"], strict=True):
        table.add_row(name, *map(str, row))
    return table


def _conditions(rows: list[dict[str, Any]]) -> Table:
    classes = list(rows[0]["ap50"])
    table = Table("condition", "mAP50", *classes, "recall", "false boxes")
    for row in rows:
        by_class = [_of(row["ap50"][name]) for name in classes]
        table.add_row(row["name"], _of(row["map50"]), *by_class, _of(row["recall"]), _of(row["false_boxes"]))
    return table


def _of(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
