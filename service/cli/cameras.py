"""Commands around cameras: cameras, send."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from service.cli.terminal import errors, output
from streaming.errors import BadSource

if TYPE_CHECKING:
    from streaming.source import Source

SPEEDS = {12.0: "USB 1, 12 Mbit/s", 480.0: "USB 2, 480 Mbit/s", 5000.0: "USB 3, 5 Gbit/s"}
REPORT_S = 1.0
EXAMPLE = "udp://192.168.1.20:9000"


def register(app: typer.Typer) -> None:
    for command in (cameras, send):
        app.command()(command)


def cameras(
    json_: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    udev: Annotated[
        bool, typer.Option("--udev", help="Print the udev rules that let every user open cameras.")
    ] = False,
) -> None:
    """List the event cameras at this machine's USB, and say what to do where one cannot be used."""
    if udev:
        from streaming.live.bus import udev_rules

        print(udev_rules(), end="")
        return
    from service.cameras import Cameras

    async def asked() -> dict[str, Any]:
        return await Cameras().listed()

    told = asyncio.run(asked())
    if json_:
        print(json.dumps(told))
    else:
        _show(told)


def _show(told: dict[str, Any]) -> None:
    if told["cameras"]:
        table = Table("camera", "serial", "connection", "state", "source")
        for camera in told["cameras"]:
            row = (
                camera["name"],
                camera["serial"],
                _speed(camera["speed_mbps"]),
                camera["state"],
                camera["uri"],
            )
            table.add_row(*(escape(str(value or "-")) for value in row))
        output.print(table)
    for camera in told["cameras"]:
        said = [text for text in (camera["detail"], camera["advice"]) if text]
        if said:
            output.print(f"{escape(camera['name'])}: {escape(' '.join(said))}", soft_wrap=True)
    if told["advice"]:
        output.print(escape(told["advice"]), soft_wrap=True)
    missing = [name for name, version in told["drivers"].items() if version is None]
    if missing:
        output.print(f"Not installed: {', '.join(missing)}.", soft_wrap=True)


def _speed(mbps: float | None) -> str | None:
    return None if mbps is None else SPEEDS.get(mbps, f"{mbps / 1e3:g} Gbit/s")


def send(
    source: Annotated[str, typer.Argument(help="A recording, or a URI: sim://street?seed=1, usb://any, ...")],
    to: Annotated[str, typer.Option("--to", help=f"{EXAMPLE}?format=evt0, faery or t32_x16_y15_on1.")],
    speed: Annotated[
        str, typer.Option(help="Of a recording: event seconds a second, or max (which loses datagrams).")
    ] = "1",
    loop: Annotated[bool, typer.Option(help="Play a recording again and again.")] = False,
) -> None:
    """Send events as UDP datagrams, to a `udp://` stream of a service or to faery."""
    from streaming.live.sending import open_sender

    with open_sender(to) as sender, opened_for_playing(source, speed, loop) as opened:
        info = opened.info
        errors.print(
            f"sending {escape(source)} to {escape(to)}; its receiver: "
            f"udp://:PORT?width={info.width}&height={info.height}",
            soft_wrap=True,
        )
        report = _reporter()
        try:
            for events in opened.packets():
                sender.send(events)
                report(f"{sender.events:,} events in {sender.datagrams:,} datagrams")
        except KeyboardInterrupt:
            errors.print("stopped")
    output.print(f"sent {sender.events:,} events in {sender.datagrams:,} datagrams")
    if sender.unheard:
        errors.print(f"[yellow]nobody listened[/] for at least {sender.unheard:,} of them")


def opened_for_playing(source: str, speed: str, loop: bool) -> Source:
    """A recording is played by the clock; a URI says itself how it is played."""
    from streaming.live.linked import Linked
    from streaming.replay import replayed
    from streaming.sources import open_recording, open_source

    if "://" in source:
        if loop or speed != "1":
            raise BadSource(f"{source}: a URI says itself how it is played; leave --speed and --loop out")
        opened = open_source(source)
        if isinstance(opened, Linked):
            opened.on_wait = lambda what: errors.print(f"waiting: {escape(what)}", soft_wrap=True)
        return opened
    return replayed(lambda: open_recording(source), f"speed={speed}&loop={int(loop)}")


def _reporter() -> Callable[[str], None]:
    """Prints what it is told, once a second at most, where somebody looks."""
    last_s = time.monotonic()

    def report(text: str) -> None:
        nonlocal last_s
        if errors.is_terminal and time.monotonic() - last_s >= REPORT_S:
            last_s = time.monotonic()
            errors.print(text)

    return report
