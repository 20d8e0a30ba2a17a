"""`page`: what was found in real recordings, as Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.real_recordings.clips import RANGE, Clip, Hits, judge, recall_range, thresholds, together
from benchmarks.real_recordings.notes import DIGEST_DIGITS, Notes
from benchmarks.real_recordings.shifts import Shifted
from benchmarks.real_recordings.watching import Watched
from model.card import Card
from model.markdown import code, figure, table

NOT_LOOKED_AT = "not looked at yet with these weights"


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """All that the page tells.

    Attributes:
        card, digest: the weights.
        watched: recordings that could be read.
        refused: message, per name of one that could not.
        clips: the labelled ones.
        notes: what people say of them.
    """

    card: Card
    digest: str
    watched: Sequence[Watched]
    refused: Mapping[str, str]
    clips: Sequence[Clip]
    notes: Notes


def page(found: Found, pictures: Path) -> str:
    """The page; `pictures` is the folder of the sheets, as the page sees it."""
    card = found.card
    parts = [
        "# Real recordings",
        f"What `{card.name}` (weights {found.digest[:DIGEST_DIGITS]}, threshold {card.threshold:g}) finds in "
        "recordings of real sensors, as `spikesight detect FILE` does. Nobody trained on them and nothing is "
        "chosen on them. All but the column by eye is written by",
        code(f"python -m benchmarks.real_recordings {card.name} --write"),
        _recordings(found),
        *(f"Refused: `{message}`" for message in found.refused.values()),
    ]
    if found.clips:
        parts += ["## Labelled clips", *_labelled(found)]
    parts += [
        "## Pictures",
        "Our boxes have a label and a score, true ones are white.",
        *_sheets(found, pictures),
    ]
    return "\n\n".join(parts) + "\n"


def _recordings(found: Found) -> str:
    head = ("file", "sensor", "events", "duration", "shows", "windows", "boxes", "by eye")
    rows = [_row(watched, found.notes) for watched in found.watched]
    rows += [[name, "-", "-", "-", _shows(found.notes, name), "-", "refused", "-"] for name in found.refused]
    return table(head, sorted(rows))


def _row(watched: Watched, notes: Notes) -> list[str]:
    summary, name = watched.summary, watched.path.name
    return [
        name,
        f"{summary.sensor or summary.format}, {summary.width} x {summary.height}",
        f"{summary.events:,}",
        f"{summary.duration_us / 1000:.1f} ms",
        _shows(notes, name),
        str(len(watched.answers)),
        _by_class(watched),
        notes.by_eye.get(name, NOT_LOOKED_AT),
    ]


def _shows(notes: Notes, name: str) -> str:
    return notes.shows.get(name, "-")


def _by_class(watched: Watched) -> str:
    counts = Counter(
        answer.detections.classes[label] for answer in watched.answers for label in answer.detections.label
    )
    return ", ".join(f"{count} {name}" for name, count in counts.most_common()) or "none"


def _labelled(found: Found) -> Iterator[str]:
    default = [clip.hits(found.card.threshold) for clip in found.clips]
    low, high = recall_range(default)
    yield (
        "People at the end of each clip, found at IoU 0.5 by the answer of the window with most events, at "
        "the card's threshold."
    )
    rows = [
        [clip.name, *_cells(hits), _scores(clip)] for clip, hits in zip(found.clips, default, strict=True)
    ]
    rows.append(["all", *_cells(together(default)), ""])
    yield table(("clip", "people found", "false boxes", "boxes by score"), rows)
    yield (
        f"{RANGE:.0%} range of the recall over resampled clips: {figure(low, 2)} to {figure(high, 2)}. "
        f"Clips: {len(found.clips)}; fewer than some dozens are no statistic; the range says how much "
        "hangs on one."
    )
    yield "### Other thresholds, for information"
    yield "Nothing is chosen by this table."
    yield _thresholds(found)
    yield "### Shifted steps"
    yield (
        "One window of each clip that begins earlier (-) or later than its first event, so that the borders "
        "of all steps move. What falls outside is lost: in brackets after found + false boxes stands the "
        "share of events seen."
    )
    yield _shifts(found.clips)


def _cells(hits: Hits) -> list[str]:
    return [f"{hits.found} of {hits.people}", str(hits.false)]


def _scores(clip: Clip) -> str:
    """All boxes down to the least threshold, best first."""
    return ", ".join(
        f"{clip.boxes.classes[label]} {score:.2f}"
        for label, score in zip(clip.boxes.label, clip.boxes.score, strict=True)
    )


def _thresholds(found: Found) -> str:
    rows = []
    for name, threshold in thresholds(found.card):
        hits = [clip.hits(threshold) for clip in found.clips]
        rows.append([name, f"{threshold:g}", *_cells(together(hits)), *(_plus(each) for each in hits)])
    head = ("threshold", "", "people found", "false boxes", *(clip.name for clip in found.clips))
    return table(head, rows)


def _shifts(clips: Sequence[Clip]) -> str:
    head = ("begins", *(clip.name for clip in clips))
    rows = [
        [f"{windows[0].shift_us / 1000:+g} ms", *map(_shifted, windows, clips)]
        for windows in zip(*(clip.shifted for clip in clips), strict=True)
    ]
    return table(head, rows)


def _shifted(window: Shifted, clip: Clip) -> str:
    return f"{_plus(judge(window.boxes, clip.truth))} ({window.seen:.0%})"


def _plus(hits: Hits) -> str:
    return f"{hits.found} + {hits.false}"


def _sheets(found: Found, pictures: Path) -> Iterator[str]:
    for watched in found.watched:
        name = watched.path.name
        shows = _shows(found.notes, name)
        yield f"**{name}**: {shows}\n\n![{name}: {shows}]({pictures / sheet_name(watched.path)})"


def sheet_name(path: Path) -> str:
    """File name of a recording's sheet."""
    return f"{path.stem}.png"
