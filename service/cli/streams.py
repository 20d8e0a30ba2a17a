"""Commands for the streams of a running service: streams, start, stop."""

from __future__ import annotations

import json
import time
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from service.cli.terminal import errors, output
from service.client import Client, ServiceProblem

NAME_TAKEN = 409

Url = Annotated[str, typer.Option(envvar="SPIKESIGHT_URL", help="Service to ask.")]
Token = Annotated[str | None, typer.Option(envvar="SPIKESIGHT_TOKEN", help="Bearer token.")]
HERE = "http://127.0.0.1:8000"


def register(app: typer.Typer) -> None:
    for command in (streams, start, stop):
        app.command()(command)


def streams(
    url: Url = HERE,
    token: Token = None,
    as_json: Annotated[bool, typer.Option("--json", help="As the service says it.")] = False,
) -> None:
    """List the streams of a running service: how they stand to their sources, and how fast they are."""
    with Client(url, token=token) as client:
        found = client.streams()
    if as_json:
        output.print_json(json.dumps(found))
    elif found:
        output.print(_table(found))
    else:
        output.print("no streams; `spikesight start sim://street?seed=1` starts one")


def start(
    source: Annotated[str, typer.Argument(help="dv://camera:7777, usb://any, sim://street?seed=1, ...")],
    name: Annotated[str | None, typer.Option(help="Shown to people.")] = None,
    model: Annotated[str | None, typer.Option(help="Default the service's.")] = None,
    threshold: Annotated[float | None, typer.Option(help="Least score of a box; the card's.")] = None,
    policy: Annotated[str | None, typer.Option(help="drop_oldest, shed_steps or block.")] = None,
    keep: Annotated[
        bool | None, typer.Option("--keep/--no-keep", help="Run on unwatched and after restarts.")
    ] = None,
    wait_s: Annotated[float, typer.Option("--wait", help="Seconds to wait for the service.")] = 0.0,
    url: Url = HERE,
    token: Token = None,
) -> None:
    """Start a stream in a running service; one of this name and source that runs already is fine."""
    chosen = {"name": name, "model": model, "threshold": threshold, "policy": policy, "keep": keep}
    settings = {key: value for key, value in chosen.items() if value is not None}
    with Client(url, token=token) as client:
        _await(client, wait_s)
        try:
            stream = client.start_stream(source, **settings)
        except ServiceProblem as problem:
            stream = _running(client, name, source, problem)
        output.print(f"{escape(stream['name'])} ({stream['id']}) is {stream['link']['state']}")


def stop(
    stream: Annotated[str, typer.Argument(help="Id or name.")], url: Url = HERE, token: Token = None
) -> None:
    """Stop a stream of a running service for good."""
    with Client(url, token=token) as client:
        client.stop_stream(stream)
    output.print(f"{escape(stream)} is stopped")


def _await(client: Client, wait_s: float) -> None:
    """Returns when the service is ready, or after `wait_s` in any case."""
    end_s = time.monotonic() + wait_s
    while time.monotonic() < end_s and not client.ready():
        errors.print("waiting for the service", highlight=False)
        time.sleep(1.0)


def _running(client: Client, name: str | None, source: str, problem: ServiceProblem) -> dict[str, Any]:
    same = [one for one in client.streams() if (one["name"], one["source"]) == (name, source)]
    if problem.status != NAME_TAKEN or not same:
        raise problem
    return same[0]


def _table(found: list[dict[str, Any]]) -> Table:
    table = Table()
    for column in ("name", "id", "source", "link", "model", "kev/s", "behind ms", "answers", "dropped steps"):
        table.add_column(column, justify="right" if column in _NUMBERS else "left")
    for one in found:
        table.add_row(
            escape(one["name"]),
            one["id"],
            escape(one["source"]),
            one["link"]["state"],
            one["model"],
            f"{one['events_per_s'] / 1e3:.1f}",
            f"{one['behind_ms']:.0f}",
            str(one["answers"]),
            str(one["dropped"]["steps"]),
        )
    return table


_NUMBERS = ("kev/s", "behind ms", "answers", "dropped steps")
