"""Golden JSON: the form of what goes over the wire, with what changes from run to run taken out.

`SPIKESIGHT_UPDATE_GOLDEN=1 pytest tests/contract` writes the files anew; read what changed before committing.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "golden"
UPDATE = "SPIKESIGHT_UPDATE_GOLDEN"
VOLATILE = frozenset(
    {"id", "stream", "stream_name", "zone", "alarm", "request_id", "created", "since", "raised"}
    | {"name", "pid", "instance", "what"}
)


def form_of(value: Any, key: str = "") -> Any:
    """`value` with numbers as "<number>", volatile texts as "<text>", and equal neighbours of a list once."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float):
        return "<number>"
    if isinstance(value, str):
        return "<text>" if key in VOLATILE else value
    if isinstance(value, list):
        forms = [form_of(item) for item in value]
        return [form for at, form in enumerate(forms) if at == 0 or form != forms[at - 1]]
    return {name: form_of(item, name) for name, item in value.items()}


def check(name: str, value: Any) -> None:
    """`value` must be what `golden/NAME.json` says."""
    path = FOLDER / f"{name}.json"
    if os.environ.get(UPDATE):
        path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf8")
    assert path.is_file(), f"{path} is missing; {UPDATE}=1 writes it"
    assert value == json.loads(path.read_text(encoding="utf8")), f"the form of {name} has changed"
