"""How many scenes are worked on together: on a processor so few that their pictures stay in its cache."""

from __future__ import annotations

from typing import Final

import torch

SCENES_AT_ONCE: Final = {"cpu": 4}
"""By kind of device; elsewhere all."""


def cuts(scenes: int, device: torch.device) -> list[slice]:
    """Scenes 0 to `scenes` in groups of neighbours."""
    at_once = SCENES_AT_ONCE.get(device.type, max(1, scenes))
    return [slice(start, min(start + at_once, scenes)) for start in range(0, scenes, at_once)]
