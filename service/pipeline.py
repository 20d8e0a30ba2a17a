"""A recording to answers inside this process: what `spikesight detect` runs."""

from __future__ import annotations

from service.options import DetectOptions

__all__ = ["DetectOptions"]
