"""Vendors' libraries, loaded when first needed, and their errors in one line."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

from streaming.errors import BadSource


def camera_library(module: str, package: str) -> Any:
    """The module of a vendor's library. Raises `BadSource` with the way to install it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise BadSource(
            f"cameras of this kind need {package}, which cannot be loaded here ({error}). {_remedy(error)}"
        ) from None


def _remedy(error: ImportError) -> str:
    missing = re.match(r"lib(\w+)\.so\.(\d+): cannot open", str(error))
    if missing:
        return f"Install the system library: on Debian and Ubuntu apt-get install lib{missing[1]}{missing[2]}"
    return "Install it: pip install 'spikesight[cameras]'"


def plain(error: Exception) -> str:
    """What a library's error says, without its C++ signature and stack trace."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    named = [line for line in lines if line.startswith(f"{type(error).__name__}: ")]
    text = (named or lines or [type(error).__name__])[0]
    return text.removeprefix(f"{type(error).__name__}: ").rstrip(".")
