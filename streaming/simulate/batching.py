"""How many scenes are worked on together: on a processor so few that their pictures stay in its cache."""

from __future__ import annotations

from typing import Final

import torch

PIXELS_AT_ONCE: Final = {"cpu": 360_000}
"""By kind of device: about so many, but one scene at least; elsewhere all."""


def cuts(scenes: int, pixels: int, device: torch.device) -> list[slice]:
    """Scenes 0 to `scenes`, of `pixels` each, in groups of neighbours."""
    most = PIXELS_AT_ONCE.get(device.type)
    at_once = max(1, scenes if most is None else most // pixels)
    return [slice(start, min(start + at_once, scenes)) for start in range(0, scenes, at_once)]
