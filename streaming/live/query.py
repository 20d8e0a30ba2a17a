"""Options in the query of a live source's URI: `?serial=42&roi=0,0,320,240`."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import SplitResult, parse_qsl, urlsplit

from streaming.errors import BadSource


def split_uri(uri: str) -> SplitResult:
    """`uri` in its parts. Raises `BadSource` where it is none ("udp://[::1:9000")."""
    try:
        return urlsplit(uri)
    except ValueError as error:
        raise BadSource(f"{uri[:200]}: found no valid URI ({error})") from None


def options_of(uri: str, allowed: Iterable[str]) -> dict[str, str]:
    """The options in the query of `uri`, by name.

    Raises:
        BadSource: a name that is none of `allowed`, or one that stands there twice.
    """
    names = tuple(allowed)
    given: dict[str, str] = {}
    for name, value in parse_qsl(split_uri(uri).query, keep_blank_values=True):
        if name not in names:
            raise BadSource(f"{uri}: found option {name!r}; allowed are {', '.join(names)}. Leave it out.")
        if name in given:
            raise BadSource(f"{uri}: found option {name!r} twice; each is allowed once. Leave one out.")
        given[name] = value
    return given


def whole_number(uri: str, name: str, text: str, low: int, high: int) -> int:
    """`text` as a whole number in `low`..`high`. Raises `BadSource` naming the range."""
    try:
        number = int(text)
    except ValueError:
        number = low - 1
    if not low <= number <= high:
        raise BadSource(f"{uri}: found {name}={text}; allowed is a whole number in {low}..{high}. Change it.")
    return number
