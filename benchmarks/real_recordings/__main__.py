"""`python -m benchmarks.real_recordings`."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.progress import track

from benchmarks import real_recordings
from benchmarks.real_recordings.clips import Clip, read_clip
from benchmarks.real_recordings.notes import read_notes
from benchmarks.real_recordings.page import Found, page, sheet_name
from benchmarks.real_recordings.sheets import sheet_png
from benchmarks.real_recordings.watching import read_truth, recordings_in, watch
from model.card import DEFAULT_MODEL, Card, load_card
from model.detector import Detector
from streaming.errors import StreamingError
from training.evaluate import Evaluation, write_card

ROOT = Path(__file__).parents[2]
RECORDINGS, DOCS = ROOT.parent / "shared" / "recordings", ROOT / "docs"
PICTURES = Path("images", "recordings")


def look(detector: Detector, paths: list[Path], pictures: Path) -> Found:
    """Watches every recording and draws its sheet into the folder `pictures`."""
    watched, clips, refused = [], [], {}
    for path in track(paths, "recordings", transient=True):
        truth = read_truth(path, detector.card.classes)
        try:
            seen = watch(path, detector)
        except StreamingError as error:
            refused[path.name] = str(error)
            continue
        watched.append(seen)
        (pictures / sheet_name(path)).write_bytes(sheet_png(seen, truth))
        if truth is not None:
            clips.append(read_clip(path, truth, detector))
    return Found(detector.card, detector.digest, watched, refused, clips, read_notes(detector.digest))


def figures(card: Card, clips: list[Clip]) -> list[dict[str, str | int]]:
    """The block `real_clips` of a card."""
    return [{"name": clip.name, **asdict(clip.hits(card.threshold))} for clip in clips]


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=real_recordings.__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("model", nargs="?", default=DEFAULT_MODEL, help="a shipped model, or a card's path")
    parser.add_argument(
        "--recordings", type=Path, default=RECORDINGS, help="with VOC boxes (.xml) beside them"
    )
    parser.add_argument("--out", type=Path, default=DOCS, help="gets recordings.md and its pictures")
    parser.add_argument("--write", action="store_true", help="put the labelled clips' figures into the card")
    options = parser.parse_args(words)
    paths = recordings_in(options.recordings) if options.recordings.is_dir() else []
    if not paths:
        parser.error(f"found no recordings in {options.recordings}; they are not part of the repository")
    (options.out / PICTURES).mkdir(parents=True, exist_ok=True)
    found = look(Detector.load(options.model), paths, options.out / PICTURES)
    (options.out / "recordings.md").write_text(page(found, PICTURES), encoding="utf-8")
    rows = figures(found.card, list(found.clips))
    if options.write:
        write_card(options.model, Evaluation(load_card(options.model), {"real_clips": rows}))
    console = Console()
    for row in rows:
        console.print(f"{row['name']}: {row['found']} of {row['people']} people, {row['false']} false boxes")


if __name__ == "__main__":
    main()
