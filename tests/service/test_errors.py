"""Every error of every tree has its row, and crosses processes as itself."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

import pytest

from model import errors as model
from service import errors as service
from service.errors import INTERNAL, PROBLEMS, error_message, from_wire, problem_of, to_wire
from streaming import errors as streaming


def classes_of(module: ModuleType) -> Iterator[type[Exception]]:
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, Exception) and value.__module__ == module.__name__:
            yield value


EVERY = [kind for module in (streaming, model, service) for kind in classes_of(module)]


@pytest.mark.parametrize("kind", EVERY)
def test_every_class_has_a_row_of_its_own(kind: type[Exception]) -> None:
    row = PROBLEMS[kind]
    assert 400 <= row.status < 600
    assert row.ws_code in (1001, 1007, 1008, 1009, 1011, 1013)
    assert row.type == f"urn:spikesight:problem:{row.slug}"


def test_no_two_rows_share_a_slug() -> None:
    slugs = [row.slug for row in PROBLEMS.values()]
    assert len(set(slugs)) == len(slugs)


@pytest.mark.parametrize("kind", EVERY)
def test_errors_cross_as_themselves(kind: type[Exception]) -> None:
    back = from_wire(to_wire(kind("found 3, allowed are 1..2")))
    assert type(back) is kind
    assert str(back) == "found 3, allowed are 1..2"


def test_what_may_be_tried_again_says_when() -> None:
    late = {kind for kind, row in PROBLEMS.items() if row.retry_after_s is not None}
    assert {service.QueueFull, service.WorkerDied, service.WorkerNotReady, service.TooManyStreams} <= late
    assert all(PROBLEMS[kind].status in (409, 429, 503, 507) for kind in late)


def test_subclasses_take_the_nearest_row() -> None:
    class Special(streaming.BackwardTime):
        pass

    assert problem_of(Special("x")) is PROBLEMS[streaming.BackwardTime]
    assert to_wire(Special("x"))["error"] == "BackwardTime"


def test_foreign_errors_keep_their_secrets() -> None:
    error = KeyError("/etc/passwd")
    assert problem_of(error) is INTERNAL
    assert error_message(error, fatal=True) == {
        "type": "error",
        "code": "internal",
        "message": INTERNAL.title,
        "fatal": True,
    }
    assert isinstance(from_wire(to_wire(error)), service.ServiceError)


def test_ours_say_what_is_wrong() -> None:
    message = error_message(service.BadFrame("found 3 bytes"), fatal=False)
    assert message == {"type": "error", "code": "bad-frame", "message": "found 3 bytes", "fatal": False}
