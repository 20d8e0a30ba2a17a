"""`split_filters`: the filters that a live source's URI asks for, and the URI that its driver understands."""

from __future__ import annotations

from urllib.parse import unquote_plus, urlsplit, urlunsplit

from streaming.filters.settings import Setting, parse_filter

KEY = "filter"


def split_filters(uri: str) -> tuple[str, list[Setting]]:
    """`usb://evk4?filter=hot_pixels&biases=x` as `usb://evk4?biases=x` and its filters, in their order.

    A `file://` URI stays as it is: its replay filters by itself.

    Raises:
        BadSource: a filter that means nothing; the message names what is allowed.
    """
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return uri, []
    pairs = [pair.partition("=") for pair in parts.query.split("&") if pair]
    rest = "&".join("".join(pair) for pair in pairs if pair[0] != KEY)
    return (
        urlunsplit(parts._replace(query=rest)) if len(rest) != len(parts.query) else uri,
        [parse_filter(unquote_plus(value)) for name, _, value in pairs if name == KEY],
    )
