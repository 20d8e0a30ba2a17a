"""Vendors' libraries, loaded when first needed, and their errors in one line."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from streaming.errors import BadSource


def camera_library(module: str, package: str) -> Any:
    """The module of a vendor's library. Raises `BadSource` with the way to install it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise BadSource(
            f"cameras of this kind need {package}, which cannot be loaded here ({error}). "
            "Install it: pip install 'spikesight[cameras]'"
        ) from None


def plain(error: Exception) -> str:
    """What a library's error says, without its C++ signature and stack trace."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    named = [line for line in lines if line.startswith(f"{type(error).__name__}: ")]
    text = (named or lines or [type(error).__name__])[0]
    return text.removeprefix(f"{type(error).__name__}: ").rstrip(".")
