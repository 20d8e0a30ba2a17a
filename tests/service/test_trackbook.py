"""Tracks begin once and end once, whatever the tracker says."""

from __future__ import annotations

import random

from model.tracking.tracks import Change, TrackChange
from service.trackbook import TrackBook


def change(track_id: int, what: Change) -> TrackChange:
    return TrackChange(what, track_id, 0, 0.9, (0, 0, 4, 4), (0, 0), (1.0,), 1_000, 0)


def told(changes: tuple[TrackChange, ...]) -> list[tuple[int, Change]]:
    return [(one.track_id, one.change) for one in changes]


def test_a_track_is_told_from_new_to_end() -> None:
    book = TrackBook()
    assert told(book.take([change(1, "new")])) == [(1, "new")]
    assert told(book.take([change(1, "update"), change(2, "new")])) == [(1, "update"), (2, "new")]
    assert told(book.take([change(1, "end"), change(2, "lost")])) == [(1, "end"), (2, "lost")]
    assert len(book) == 1
    assert book.next_id == 3


def test_nothing_follows_an_end() -> None:
    book = TrackBook()
    book.take([change(1, "new"), change(2, "new")])
    assert told(book.end_all()) == [(1, "end"), (2, "end")]
    assert book.take([change(1, "update"), change(2, "end")]) == ()
    assert book.end_all() == ()


def test_a_track_whose_beginning_was_missed_is_new() -> None:
    assert told(TrackBook().take([change(7, "update")])) == [(7, "new")]


def test_whatever_comes_every_id_is_new_once_and_ends_once() -> None:
    chance, book, seen = random.Random(3), TrackBook(), []
    for _ in range(2_000):
        one = change(chance.randint(1, book.next_id + 1), chance.choice(["new", "update", "lost", "end"]))
        seen += told(book.take([one]))
        if chance.random() < 0.01:
            seen += told(book.end_all())
    seen += told(book.end_all())
    for track_id in {one for one, _ in seen}:
        of_it = [what for one, what in seen if one == track_id]
        assert (of_it.count("end"), of_it[-1]) == (1, "end")
        assert of_it.count("new") == (of_it[0] == "new")
