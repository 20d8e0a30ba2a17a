"""Commands around a running service: serve, health, warm, watch."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import httpx
import typer
from pydantic import ValidationError
from rich.live import Live
from rich.table import Table

from service.cli.terminal import errors, output
from service.client import Client

if TYPE_CHECKING:
    from service.settings import Settings


def register(app: typer.Typer) -> None:
    for command in (serve, health, warm, watch):
        app.command()(command)


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = None,
    model: Annotated[str | None, typer.Option(help="Default model.")] = None,
    models_dir: Annotated[
        Path | None, typer.Option(help="Folder with more models, trained or converted.")
    ] = None,
) -> None:
    """Start the service: REST, WebSocket and the live page. Settings: docs/settings.md."""
    import uvicorn

    from service.app import create_app
    from service.telemetry import configure_logging

    settings = _settings(host=host, port=port, model=model, models_dir=models_dir)
    configure_logging(settings)
    listener = _listen(settings.host, settings.port)
    address = f"http://{settings.host}:{listener.getsockname()[1]}"
    errors.print(f"Spikesight is starting on [bold]{address}[/] (live page), API at {address}/docs")
    config = uvicorn.Config(
        create_app(settings),
        log_config=None,
        access_log=False,
        # Above the limit itself, so that a frame just over it is refused with a reason and not only closed.
        ws_max_size=2 * settings.max_frame_bytes,
        timeout_graceful_shutdown=5,
    )
    uvicorn.Server(config).run(sockets=[listener])


def _settings(**chosen: Any) -> Settings:
    """Settings of the environment, and over them what the command line chose."""
    from service.settings import PREFIX, Settings

    try:
        return Settings(**{name: value for name, value in chosen.items() if value is not None})
    except ValidationError as error:
        for fault in error.errors():
            name = ".".join(str(part) for part in fault["loc"])
            errors.print(
                f"[bold red]setting {PREFIX}{name.upper()}:[/] found {fault['input']!r}; {fault['msg']}"
            )
        errors.print("docs/settings.md lists all settings with their units.")
        raise typer.Exit(2) from None


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise OSError(
            f"cannot listen on {host}:{port}: {error.strerror}. Choose another port with --port "
            "(make run PORT=8001) or stop what listens there."
        ) from None
    return listener


def health(
    url: Annotated[str | None, typer.Option(help="Service to ask; this machine's port by default.")] = None,
) -> None:
    """Exit 0 when the service is ready, 1 when it is not."""
    address = url or f"http://127.0.0.1:{_settings().port}"
    try:
        response = httpx.get(f"{address}/health/ready", timeout=4)
    except httpx.TransportError as error:
        errors.print(f"{address} does not answer: {error}")
        raise typer.Exit(1) from None
    output.print_json(response.text)
    raise typer.Exit(0 if response.is_success else 1)


def warm() -> None:
    """Compile the loops and export the graphs of all shipped models, so that a first start is quick."""
    from importlib import import_module

    from model.card import available
    from model.detector import Detector
    from streaming.isolation import PRELOAD
    from streaming.sources import open_source

    for module in PRELOAD:
        import_module(module)
    with open_source("sim://street?duration_s=0.1&speed=max") as street:
        events = sum(len(packet) for packet in street.packets())
    output.print(f"the loops are compiled ({events} simulated events)")
    for name in available():
        Detector.load(name)
        output.print(f"{name} is ready")


def watch(
    source: Annotated[
        str, typer.Argument(help="A stream id, or a source to start: sim://street?seed=1")
    ] = "sim://street?seed=1",
    url: Annotated[str, typer.Option(help="Service to watch.")] = "http://127.0.0.1:8000",
    token: Annotated[str | None, typer.Option(envvar="SPIKESIGHT_TOKEN", help="Bearer token.")] = None,
    lines: Annotated[bool, typer.Option("--json", help="One JSON message a line.")] = False,
    count: Annotated[int | None, typer.Option(min=1, help="Stop after so many answers.")] = None,
) -> None:
    """Follow a stream's boxes in the terminal."""
    with Client(url, token=token) as client:
        started = "://" in source
        stream = client.start_stream(source)["id"] if started else source
        try:
            _follow(client, stream, lines, count)
        except KeyboardInterrupt:
            errors.print("stopped watching")
        finally:
            if started:
                client.stop_stream(stream)


def _follow(client: Client, stream: str, lines: bool, count: int | None) -> None:
    seen = 0
    with Live(console=output, refresh_per_second=10, screen=False, auto_refresh=not lines) as live:
        for message in client.watch(stream):
            if lines:
                print(json.dumps(message), flush=True)
            elif message["type"] == "detections":
                live.update(_table(stream, message))
            seen += message["type"] == "detections"
            if count is not None and seen >= count:
                return


def _table(stream: str, message: dict[str, Any]) -> Table:
    latency = message["latency_ms"]["total"]
    table = Table(
        title=f"{stream}  t={message['t_us'][1] / 1e6:.3f} s  behind {message['behind_ms']:.0f} ms  "
        f"latency {latency:.0f} ms",
        min_width=60,
    )
    for column in ("label", "score", "left", "top", "right", "bottom"):
        table.add_column(column, justify="left" if column == "label" else "right")
    for box in message["boxes"]:
        table.add_row(box["label"], f"{box['score']:.2f}", *(f"{side:.0f}" for side in box["xyxy"]))
    return table
