"""`spikesight`: the command line. Each file holds the commands of one noun; heavy parts load when used."""

from __future__ import annotations

import sys

import typer

from model.errors import ModelError
from service.cli import networks, recordings, serving
from service.cli.terminal import errors as stderr
from service.client import ServiceProblem
from streaming.errors import StreamingError

app = typer.Typer(
    name="spikesight",
    help="Boxes from event cameras, by a spiking network.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
serving.register(app)
recordings.register(app)
networks.register(app)


def main() -> None:
    """Entry point: our own errors become one line and exit code 2, without a traceback."""
    try:
        app()
    except (StreamingError, ModelError, ServiceProblem) as error:
        stderr.print(f"[bold red]error:[/] {error}", highlight=False, soft_wrap=True)
        sys.exit(2)
    except OSError as error:
        stderr.print(f"[bold red]error:[/] {_plain(error)}", highlight=False, soft_wrap=True)
        sys.exit(2)


def _plain(error: OSError) -> str:
    return f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error)
