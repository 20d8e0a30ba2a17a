"""How a text of events is laid out: separator, names, size line, first row."""

from __future__ import annotations

import re
from dataclasses import dataclass

from streaming.readers.columns import roles_by_name
from streaming.readers.sizes import Size

COMMENT = b"#"
MAX_LINE_BYTES = 4096
BOM = b"\xef\xbb\xbf"
_NUMBER = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_SPLIT = re.compile(rb"[,;\s]+")


@dataclass(frozen=True, slots=True)
class TextLayout:
    """Layout of a text of events.

    Attributes:
        names: names of the columns, None without a header line.
        size: size of the sensor where the first line is only "width height", or where the names carry it as
            faery writes them ("x@640", "y@480"), else None.
        columns: how many columns the first row has.
        data_at: byte of the first row.
    """

    names: tuple[str, ...] | None
    size: Size | None
    columns: int
    data_at: int


def find_layout(head: bytes) -> TextLayout | None:
    """Layout by the first bytes of a file, None where they are not a text of events."""
    names: tuple[str, ...] | None = None
    size: Size | None = None
    at = len(BOM) if head.startswith(BOM) else 0
    while at < len(head):
        end = head.find(b"\n", at)
        end = len(head) if end < 0 else end
        line = head[at:end].strip()
        if len(line) > MAX_LINE_BYTES:
            return None
        cells = split_cells(line.lstrip(COMMENT))
        if _are_names(cells):
            names, size = _names_and_size(cells)
        elif line and not line.startswith(COMMENT):
            if are_numbers(cells) and len(cells) >= 4:
                return TextLayout(names, size, len(cells), at)
            if size or names or not (len(cells) == 2 and all(cell.isdigit() for cell in cells)):
                return None
            size = Size(int(cells[0][:9]), int(cells[1][:9]))
        at = end + 1
    return None


def looks_like_events(head: bytes) -> bool:
    """Whether the first bytes of a file are a text of events."""
    return b"\0" not in head and find_layout(head) is not None


def split_cells(line: bytes) -> list[bytes]:
    """Cells of a line, separated by commas, semicolons or blanks."""
    return [cell for cell in _SPLIT.split(line.strip()) if cell]


def are_numbers(cells: list[bytes]) -> bool:
    """Whether each cell is a decimal number."""
    return all(_NUMBER.fullmatch(cell) for cell in cells)


def _are_names(cells: list[bytes]) -> bool:
    return all(cell.isascii() for cell in cells) and roles_by_name(_names_and_size(cells)[0]) is not None


def _names_and_size(cells: list[bytes]) -> tuple[tuple[str, ...], Size | None]:
    parts = [cell.decode("ascii").strip('"').lower().partition("@") for cell in cells]
    sides = {name: int(side[:9]) for name, _, side in parts if side.isdecimal()}
    size = Size(sides["x"], sides["y"]) if sides.keys() == {"x", "y"} else None
    return tuple(name for name, _, _ in parts), size
