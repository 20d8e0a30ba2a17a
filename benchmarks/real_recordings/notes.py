"""`Notes`: what people say of recordings, and of what certain weights find in them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

NOTES = Path(__file__).with_name("notes.toml")
DIGEST_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Notes:
    """Per name of a recording, plain text.

    Attributes:
        shows: what is in it.
        by_eye: what is right and wrong in the pictures drawn with these weights.
    """

    shows: dict[str, str]
    by_eye: dict[str, str]


def read_notes(digest: str, path: Path = NOTES) -> Notes:
    """The notes; what was said of other weights' pictures is left out.

    Args:
        digest: SHA-256 of the weights; the file knows them by its first digits.
        path: the file.
    """
    values = tomllib.loads(path.read_text(encoding="utf-8"))
    return Notes(values["shows"], values["by_eye"].get(digest[:DIGEST_DIGITS], {}))
