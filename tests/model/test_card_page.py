"""Cards as pages: what a reader must find, and that the pages in docs/ are of the weights that ship."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from model.card import available, load_card
from model.card_page import card_to_markdown

PAGES = Path(__file__).parents[2] / "docs" / "models"


@pytest.mark.parametrize("name", available())
def test_the_page_in_docs_is_the_card(name: str) -> None:
    page = (PAGES / f"{name}.md").read_text(encoding="utf8")
    assert page == card_to_markdown(load_card(name)), f"run: spikesight models {name} > docs/models/{name}.md"


def test_a_page_says_what_a_reader_needs() -> None:
    page = card_to_markdown(load_card("ems-nano"))
    for words in ("person, car, two-wheeler", "AP50:95", "Not good for", "spikesight train", "firing rate"):
        assert words in page


def test_a_card_without_measurements_says_nothing_of_them() -> None:
    page = card_to_markdown(replace(load_card("ems-nano"), metrics={}, training={}))
    for title in ("## Accuracy", "## Conditions", "## Latency", "## Training"):
        assert title not in page
    assert "## Not good for" in page


def test_conditions_real_clips_and_their_commands_are_shown() -> None:
    condition = {
        "name": "night", "windows": 16, "boxes": 20, "map50": 0.5, "ap50": {"person": 0.5, "car": None},
        "recall": 0.4, "false_boxes": 0.25,
    }  # fmt: skip
    clip = {"name": "walker_1", "people": 3, "found": 2, "false": 1}
    card = replace(load_card("ems-nano"), metrics={"conditions": [condition], "real_clips": [clip]})
    page = card_to_markdown(card)
    assert "| night | 0.500 | 0.500 | - | 0.400 | 0.250 |" in page
    assert "spikesight evaluate ems-nano --conditions --condition-windows 16 --write" in page
    assert "| walker_1 | 2 of 3 | 1 |" in page
    assert "python -m benchmarks.real_recordings ems-nano --write" in page


@pytest.mark.parametrize(("given", "says"), [(None, "(onnx, one core)"), (20.0, "--latency-ms 20 --write")])
def test_the_streaming_section_names_its_command(given: float | None, says: str) -> None:
    streaming = {
        "scene": "sim://street?night=1", "streets": 2, "seconds": 5.0, "moments": 1000, "dropped": 0,
        "latency_ms": 20.0, "given_latency_ms": given, "engine": "onnx", "offline_map50": 0.5,
        "offline_map50_95": 0.2, "map50": 0.4, "map50_95": None,
    }  # fmt: skip
    page = card_to_markdown(replace(load_card("ems-nano"), metrics={"streaming": streaming}))
    assert "--streaming --streets 2 --seconds 5 --scene 'sim://street?night=1'" in page
    assert says in page
    assert "| answers when they are out | 0.400 | - |" in page
