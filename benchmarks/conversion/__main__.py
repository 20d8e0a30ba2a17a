"""`python -m benchmarks.conversion [digits] [mnist] [cifar10] [--write]`: trains, converts, measures, judges.

Takes hours for all of it. What was measured is kept in a folder, row by row, and a run goes on where the last
one ended; `--write` writes docs/conversion-tables.md from all that is there.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from rich.console import Console

from benchmarks.conversion.measure import Results, fill
from benchmarks.conversion.page import Measured, page, verdicts
from benchmarks.conversion.rows import Evaluation, rows
from benchmarks.conversion.subsets import CALIBRATION_ROWS, SUBSETS, trained

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "conversion-tables.md"


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.conversion", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(SUBSETS)}; all by default")
    parser.add_argument("--rows", default="", help="only those whose name holds this")
    parser.add_argument("--at", type=_steps, default=(), help="only these T, joined by commas")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of .npz")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "conversion", help="what was measured")
    parser.add_argument("--write", nargs="?", type=Path, const=PAGE, help=f"a page, {PAGE.name} by default")
    given = parser.parse_args(arguments)
    if unknown := set(given.names) - set(SUBSETS):
        parser.error(f"found {', '.join(sorted(unknown))}; known are {', '.join(SUBSETS)}")
    torch.set_num_threads(1)
    console = Console(width=120)
    given.out.mkdir(parents=True, exist_ok=True)
    measured = []
    for name, subset in SUBSETS.items():
        for pool in subset.pools if name in (given.names or SUBSETS) else ():
            bench = trained(name, pool, given.data, given.out)
            results = Results(given.out / f"{name}-{pool}.json", bench)
            title = f"{subset.title}, {pool} pools"
            console.print(f"[bold]{title}[/bold]: ANN {100 * results.ann:.2f} %")
            wanted = [row for row in rows(name, pool) if given.rows in row.name]
            fill(results, wanted, bench, lambda line, t=title: console.print(f"{t}: {line}"), given.at)
            measured.append(Measured(name, pool, 100 * results.ann, results.macs, results.points))
            for evaluation in Evaluation:
                for what, value, margin, verdict in verdicts(measured[-1], evaluation):
                    console.print(f"{what}: {value}, {margin}: {verdict.strip('*')}")
    if given.write:
        given.write.write_text(page(measured, CALIBRATION_ROWS), encoding="utf-8")
        console.print(f"wrote {given.write}")


def _steps(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


if __name__ == "__main__":
    main()
