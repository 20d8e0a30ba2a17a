"""`tracking`: what a card's page says of ids that last."""

from __future__ import annotations

from collections.abc import Iterator

from model.card import Card
from model.markdown import code, figure, table

ROWS = {
    "tracker": "the tracker, as the service runs it",
    "overlap": "each box goes on with the one before that it overlaps",
    "named": "the same boxes, named by the truth: what ids can reach",
    "true_boxes": "the tracker on the true boxes",
}
SHARES = ("hota", "det_a", "ass_a", "idf1", "mota")


def tracking(card: Card) -> Iterator[str]:
    """Sentences, the table and its command."""
    block = card.metrics["tracking"]
    yield (
        f"{block['streets']} simulated streets (`{block['scene']}`) of {block['seconds']:g} s with "
        f"{block['objects']} objects: {block['crossings']} pairs cross, {block['hidden']} times one is "
        f"hidden and seen again. Held against the truth at {block['moments']} moments; what the columns mean "
        "stands in `docs/tracking.md`."
    )
    cells = [
        [
            words,
            *(figure(block[name][share]) for share in SHARES),
            str(block[name]["switches"]),
            str(block[name]["tracks"]),
        ]
        for name, words in ROWS.items()
    ]
    yield table(("ids by", "HOTA", "DetA", "AssA", "IDF1", "MOTA", "switches", "tracks"), cells)
    yield code(
        f"spikesight evaluate {card.name} --tracking --streets {block['streets']} "
        f"--seconds {block['seconds']:g} --scene '{block['scene']}' --write"
    )
