"""`spikesight`: the command line. Each file holds the commands of one noun; heavy parts load when used."""

from __future__ import annotations

import sys

import typer
from rich.markup import escape

from model.errors import ModelError
from service.cli import (
    camera,
    cameras,
    converting,
    evaluating,
    exporting,
    networks,
    recordings,
    serving,
    streams,
    training,
)
from service.cli.terminal import errors as stderr
from service.client import ServiceProblem
from service.errors import ServiceError
from streaming.errors import StreamingError
from training.errors import TrainingError

app = typer.Typer(
    name="spikesight",
    help="Boxes from event cameras, by a spiking network.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
serving.register(app)
streams.register(app)
cameras.register(app)
camera.register(app)
recordings.register(app)
exporting.register(app)
networks.register(app)
training.register(app)
evaluating.register(app)
converting.register(app)


def main() -> None:
    """Entry point: our own errors become one line and exit code 2, without a traceback."""
    try:
        app()
    except (StreamingError, ModelError, TrainingError, ServiceError, ServiceProblem) as error:
        sys.exit(_complain(str(error)))
    except OSError as error:
        sys.exit(_complain(_plain(error)))


def _complain(message: str) -> int:
    # Escaped: a message may quote a file's content, which must not turn into colours.
    stderr.print(f"[bold red]error:[/] {escape(message)}", highlight=False, soft_wrap=True)
    return 2


def _plain(error: OSError) -> str:
    return f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error)
