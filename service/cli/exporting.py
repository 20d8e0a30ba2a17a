"""`spikesight export`: detections of the history as a file, straight from the database."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from model.errors import BadSetting
from service.cli.terminal import output, progress_bar

if TYPE_CHECKING:
    from service.store.database import Database
    from service.store.export_formats import Format
    from service.store.filters import Filter


def register(app: typer.Typer) -> None:
    app.command()(export)


def export(
    out: Annotated[Path, typer.Argument(help="File to write; .csv, .parquet or .json (COCO).")],
    form: Annotated[
        str | None, typer.Option("--format", help="csv, parquet or coco, where the name does not say it.")
    ] = None,
    stream: Annotated[list[str] | None, typer.Option(help="Id or name; may be given several times.")] = None,
    from_: Annotated[
        str | None, typer.Option("--from", help="Begin: 2026-01-31T12:00:00Z, or seconds since 1970.")
    ] = None,
    to: Annotated[str | None, typer.Option(help="End, exclusive; as --from.")] = None,
    class_: Annotated[
        list[str] | None, typer.Option("--class", help="Name of a class; may be given several times.")
    ] = None,
    min_score: Annotated[float | None, typer.Option(min=0, max=1, help="Least score.")] = None,
    track_id: Annotated[int | None, typer.Option(min=1, help="Of one track.")] = None,
    data_dir: Annotated[
        Path | None, typer.Option(envvar="SPIKESIGHT_DATA_DIR", help="The service's data folder.")
    ] = None,
    database_url: Annotated[
        str | None, typer.Option(envvar="SPIKESIGHT_DATABASE_URL", help="Its database, where it is another.")
    ] = None,
) -> None:
    """Write detections of the history to a file. The service may run meanwhile."""
    from service.store.exports import check_installed
    from service.store.filters import Filter

    chosen = _format(out, form)
    check_installed(chosen)
    asked = Filter(
        streams=tuple(stream or ()),
        from_us=_moment("--from", from_),
        to_us=_moment("--to", to),
        classes=tuple(class_ or ()),
        min_score=min_score,
        track_id=track_id,
    )
    database = _attach(data_dir, database_url)
    try:
        count = _write(database, asked, out, chosen)
    finally:
        database.close()
    output.print(f"wrote {count:,} boxes to {out}")


def _write(database: Database, asked: Filter, out: Path, form: Format) -> int:
    """By way of a file beside it, so that `out` is whole or not there."""
    from service.store.export_child import READ_S, write_export
    from service.store.filters import check_streams
    from service.store.reader import read

    read(database, lambda connection: check_streams(connection, asked, ()), READ_S)
    part = out.with_name(out.name + ".part")
    try:
        with progress_bar() as bar:
            task = bar.add_task(f"Writing {out.name}", total=None)
            count = write_export(
                database, asked, part, form, 0, lambda rows: bar.update(task, completed=rows)
            )
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    return count


def _attach(data_dir: Path | None, url: str | None) -> Database:
    from service.store.database import Database, database_url

    if data_dir is None and not url:
        raise BadSetting("no database is named; give --data-dir or --database-url as the service has them")
    return Database.attach(database_url(url or "", data_dir or Path()))


def _format(out: Path, form: str | None) -> Format:
    from service.store.export_formats import SUFFIXES

    by_suffix = {suffix: name for name, suffix in SUFFIXES.items()}
    found = form or by_suffix.get(out.suffix.lower(), "")
    if found not in SUFFIXES:
        raise BadSetting(
            f"found {form or out.name!r}; known are --format {', '.join(SUFFIXES)} and names that end in "
            f"{', '.join(by_suffix)}"
        )
    return cast("Format", found)


def _moment(option: str, text: str | None) -> Any:
    from service.store.schemas import parse_moment

    try:
        return None if text is None else parse_moment(text)
    except ValueError as error:
        raise BadSetting(f"{option} is {text!r}; it {error}") from None
