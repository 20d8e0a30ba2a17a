"""`make bench`: every benchmark, or those named: `python -m benchmarks engines decode memory`."""

from __future__ import annotations

import argparse

from rich.console import Console

from benchmarks import decode, engines, live, memory, overload, sensor_health

BENCHMARKS = {
    "engines": engines.run,
    "decode": decode.run,
    "memory": memory.run,
    "sensor_health": sensor_health.run,
    "overload": overload.run,
    "live": live.run,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="name", help=f"of {', '.join(BENCHMARKS)}; all by default"
    )
    names = parser.parse_args().names
    if unknown := set(names) - set(BENCHMARKS):
        parser.error(f"found {', '.join(sorted(unknown))}; known are {', '.join(BENCHMARKS)}")
    console = Console(width=120)
    for name in names or BENCHMARKS:
        BENCHMARKS[name](console)


main()
