"""Views of labelled windows and pictures: drawn at random, rendered into the grid, tiled and spoilt."""

from training.augment.draw import draw_faults, draw_tiling, draw_view
from training.augment.faults import Burst, Faults, spoil
from training.augment.mosaic import compose
from training.augment.region import Region
from training.augment.render import Sample, render
from training.augment.settings import NO_AUGMENT, AugmentSettings
from training.augment.views import Labelled, View, boxes_to_view, plain_view

__all__ = [
    "NO_AUGMENT",
    "AugmentSettings",
    "Burst",
    "Faults",
    "Labelled",
    "Region",
    "Sample",
    "View",
    "boxes_to_view",
    "compose",
    "draw_faults",
    "draw_tiling",
    "draw_view",
    "plain_view",
    "render",
    "spoil",
]
