"""Commands around recordings: info, convert, view, detect."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import Progress, TaskID
from rich.table import Table

from model.card import DEFAULT_MODEL
from service.cli.terminal import errors, output, progress_bar
from service.options import DetectOptions
from streaming.errors import BadSource

if TYPE_CHECKING:
    from service.answers import Answer
    from streaming.picture import Picture
    from streaming.readers.recording import Recording
    from streaming.source import Source

FRAME_US = 40_000

Recorded = Annotated[Path, typer.Argument(metavar="FILE", help="A recording of any known format.")]
Width = Annotated[int | None, typer.Option(help="Sensor columns, where the file does not say.")]
Height = Annotated[int | None, typer.Option(help="Sensor rows, where the file does not say.")]
Format = Annotated[str | None, typer.Option("--format", help="Skip the look at the content.")]
Filters = Annotated[
    list[str] | None,
    typer.Option(
        "--filter",
        help="hot_pixels, background:dt_us=2000, refractory:500, region:x0,y0,x1,y1, polarity:on, flip:h; "
        "may be given several times, applied in this order.",
    ),
]
Model = Annotated[str, typer.Option(help="Name of a shipped model, or path of a card.")]
Threshold = Annotated[float | None, typer.Option(help="Least score, 0..1; the card's by default.")]


def register(app: typer.Typer) -> None:
    for command in (info, convert, view, detect):
        app.command()(command)


def info(
    file: Recorded,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    width: Width = None,
    height: Height = None,
    format_: Format = None,
) -> None:
    """What a recording holds: format, sensor, size, events, times, rates, and how its sensor did."""
    from streaming.sensor_health.watch import RecordingHealth
    from streaming.sources import open_recording
    from streaming.summary import summarise

    with open_recording(file, format=format_, width=width, height=height) as source:
        watch = RecordingHealth(source.info.width, source.info.height)
        summary = asdict(summarise(source, also=watch.add))
    health = watch.worst()
    if json_:
        print(json.dumps({**summary, "health": health.to_json()}))
        return
    table = Table("field", "value", title=str(file), show_header=False)
    for name, value in summary.items():
        table.add_row(name, f"{value:,.3f}" if isinstance(value, float) else str(value))
    for verdict in health.verdicts:
        words = f"[bold]{verdict.words}[/bold]" if verdict.level == "warn" else verdict.words
        table.add_row(f"sensor: {verdict.topic}", words)
    output.print(table)


def convert(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A recording, or a sim:// URI that ends.")],
    out: Annotated[Path, typer.Argument(help="Ends in .npy, .csv, .aedat4 or .raw (EVT3).")],
    filters: Filters = None,
    width: Width = None,
    height: Height = None,
    format_: Format = None,
) -> None:
    """Write a recording in another format; a simulated scene with its true boxes beside, OUT_bbox.npy."""
    from streaming.sources import open_source
    from streaming.writers import write_recording

    with (
        open_source(file, format=format_, width=width, height=height) as source,
        progress_bar() as bar,
    ):
        if source.info.live:
            raise BadSource(f"{file}: found a live source; add duration_s=10&speed=max, say, so that it ends")
        task = bar.add_task(f"{Path(file).name} to {out.name}", total=None)
        written = write_recording(
            _filtered(source, filters), out, on_progress=lambda events: bar.update(task, completed=events)
        )
        output.print(f"wrote {written:,} events to {out}")
        if file.startswith("sim://"):
            _write_truth(source, out.with_name(f"{out.stem}_bbox.npy"))


def _write_truth(source: Source, path: Path) -> None:
    from streaming.simulate.source import SimulatedSource
    from streaming.simulate.truth import write_truth

    assert isinstance(source, SimulatedSource), "sim:// opens simulated sources"
    output.print(f"wrote {write_truth(source, path):,} true boxes to {path}")


def view(
    file: Recorded,
    out: Annotated[Path, typer.Option("--out", "-o", help="Ends in .mp4 (film) or .png (sheet).")],
    boxes: Annotated[bool, typer.Option("--boxes", help="Detect, and draw the boxes.")] = False,
    frame_us: Annotated[int, typer.Option(min=100, help="Time one picture shows, us.")] = FRAME_US,
    filters: Filters = None,
    model: Model = DEFAULT_MODEL,
    threshold: Threshold = None,
    width: Width = None,
    height: Height = None,
    format_: Format = None,
) -> None:
    """Draw a recording as a film or a sheet of pictures."""
    options = DetectOptions(model=model, threshold=threshold, width=width, height=height, format=format_)
    answers = list(_answers(file, options, filters)) if boxes else []
    _draw(file, out, frame_us, answers, options, filters)


def detect(
    file: Recorded,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object a line, as answers come.")] = False,
    video: Annotated[Path | None, typer.Option(help="Also draw a film (.mp4) or sheet (.png).")] = None,
    model: Model = DEFAULT_MODEL,
    threshold: Threshold = None,
    iou: Annotated[float | None, typer.Option(help="Largest overlap of two boxes of one class.")] = None,
    stride: Annotated[int | None, typer.Option(min=1, help="Steps between two answers.")] = None,
    start_us: Annotated[int | None, typer.Option(help="From here, us after the first event.")] = None,
    end_us: Annotated[int | None, typer.Option(help="Up to here, us after the first event.")] = None,
    filters: Filters = None,
    width: Width = None,
    height: Height = None,
    format_: Format = None,
) -> None:
    """Find the objects in a recording."""
    options = DetectOptions(model, threshold, iou, stride, start_us, end_us, width, height, format_)
    answers: list[Answer] = []
    for answer in _answers(file, options, filters):
        if json_:
            print(json.dumps(answer.to_message()), flush=True)
        if not json_ or video:
            answers.append(answer)
    if video:
        _draw(file, video, _window_us(answers), answers, options, filters)
    if not json_:
        _print_answers(file, answers)


def _answers(file: Path, options: DetectOptions, filters: list[str] | None) -> Iterator[Answer]:
    """Answers of a recording, with a progress bar over its bytes."""
    from model.detector import Detector
    from service.pipeline import detect_recording

    with _opened(file, options) as source, progress_bar() as bar:
        task = bar.add_task(f"Detecting in {file.name}", total=1.0)
        detector = Detector.load(options.model)
        for answer in detect_recording(_filtered(source, filters), detector, options):
            bar.update(task, completed=source.fraction())
            yield answer


def _draw(
    file: Path,
    out: Path,
    frame_us: int,
    answers: list[Answer],
    options: DetectOptions,
    filters: list[str] | None,
) -> None:
    from service.film import frames
    from streaming.clip import render_clip

    with _opened(file, options) as source, progress_bar() as bar:
        task = bar.add_task(f"Drawing {out.name}", total=1.0)
        pictures = _watched(frames(_filtered(source, filters), frame_us, answers), source, bar, task)
        count = render_clip(pictures, out, fps=min(60.0, 1e6 / frame_us))
    errors.print(f"drew {count} pictures to {out}")


def _watched(
    pictures: Iterator[Picture], source: Recording, bar: Progress, task: TaskID
) -> Iterator[Picture]:
    for picture in pictures:
        bar.update(task, completed=source.fraction())
        yield picture


def _opened(file: Path, options: DetectOptions) -> Recording:
    from streaming.sources import open_recording

    return open_recording(file, format=options.format, width=options.width, height=options.height)


def _filtered(source: Source, filters: list[str] | None) -> Source:
    if not filters:
        return source
    from streaming.filters.chain import FilteredSource
    from streaming.filters.settings import parse_filter

    return FilteredSource(source, [parse_filter(text) for text in filters])


def _window_us(answers: list[Answer]) -> int:
    """Time between two answers: the frame that shows each once."""
    if len(answers) < 2:
        return FRAME_US
    return max(1, answers[1].t_us[1] - answers[0].t_us[1])


def _print_answers(file: Path, answers: list[Answer]) -> None:
    table = Table("t (ms)", "label", "score", "left, top, right, bottom (px)", title=str(file))
    start_us = answers[0].t_us[0] if answers else 0
    for answer in answers:
        for row in _rows(answer.to_message()):
            table.add_row(f"{(answer.t_us[1] - start_us) / 1e3:.1f}", *row)
    output.print(table)
    boxes = sum(len(answer.detections) for answer in answers)
    energy_mj = sum(answer.spikes.energy_mj for answer in answers)
    rates = [answer.spikes.rate for answer in answers]
    output.print(
        f"{boxes} boxes in {len(answers)} answers; firing rate {sum(rates) / max(len(rates), 1):.1%}; "
        f"{energy_mj:.3g} mJ at 0.9 pJ a synaptic operation and 4.6 pJ a multiply-accumulate (45 nm)"
    )


def _rows(message: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for box in message["boxes"]:
        sides = ", ".join(f"{side:.0f}" for side in box["xyxy"])
        yield box["label"], f"{box['score']:.2f}", sides
