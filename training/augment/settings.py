"""`AugmentSettings`: how far views stray from the plain one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AugmentSettings:
    """Probabilities and ranges of everything that is drawn for a view.

    The first block holds for pictures too; the others are for events alone. Losing single events, steps and
    regions follows EventDrop (Gu et al., IJCAI 2021), mosaics YOLOv4 (arXiv 2004.10934).

    Attributes:
        zoom: smallest and largest scale, relative to the letterbox; events never get more than one cell a
            sensor pixel.
        translate: share of the free play between sensor and grid that is used; 0 keeps the sensor centred.
        overhang: share of the sensor's side by which it may reach past the grid's border, or keep away from
            it, beyond the free play.
        flip: probability of a mirror image.
        mosaic: probability that several windows share the grid: two side by side, or four.
        mosaic_four: share of the mosaics that have four tiles.
        mosaic_centre: where the tiles meet, as a range of shares of the grid's sides.
        mosaic_zoom: `zoom` of the windows of a mosaic, relative to the whole grid's letterbox.

        swap: probability that ON and OFF change places.
        thin: probability of losing a share of the events; `thin_keep` is the range of the share kept.
        gain: probability of more events, as finer or more sensitive sensors have; `gain_max` is the most.
        retime: probability that the scene moves faster or slower; `speed` is the range of the factor. Where
            it is above 1 the first steps are empty, where it is below 1 the oldest events are lost.
        shift: probability that the steps lie otherwise against the label's moment, by up to `shift_steps`.
        hide: probability that a rectangle has no events; `hide_side` is the range of its sides, as shares of
            the grid's.
        still: probability that a window is emptied of events and boxes but for noise.

        noise: probability of extra isolated events; `noise_density` is the most, in events per cell, step
            and polarity.
        hot: probability of hot pixels, up to `hot_pixels` of them; `hot_rate` is the range of the events of
            each in a step.
        flicker: probability of a region that flickers as a lamp does; `flicker_side` is the range of its
            sides, as shares of the sensor's, `flicker_rate` of the events per cell and step.
        border: probability of events along one border of the sensor; `border_rate` is the range of events
            per cell and step.
        clamp: probability of a low ceiling (1 to 3 events) on the counts, as a long refractory period gives.
        leading_empty: probability of one or more first steps without any event.
        lost_step: probability that one step, any of them, has no event, as where a packet was lost.
    """

    zoom: tuple[float, float] = (0.6, 1.6)
    translate: float = 1.0
    overhang: float = 0.1
    flip: float = 0.5
    mosaic: float = 0.1
    mosaic_four: float = 0.5
    mosaic_centre: tuple[float, float] = (0.35, 0.65)
    mosaic_zoom: tuple[float, float] = (0.6, 1.3)

    swap: float = 0.15
    thin: float = 0.35
    thin_keep: tuple[float, float] = (0.15, 0.95)
    gain: float = 0.2
    gain_max: float = 3.0
    retime: float = 0.15
    speed: tuple[float, float] = (0.5, 1.6)
    shift: float = 0.15
    shift_steps: float = 0.5
    hide: float = 0.08
    hide_side: tuple[float, float] = (0.1, 0.35)
    still: float = 0.01

    noise: float = 0.3
    noise_density: float = 0.004
    hot: float = 0.15
    hot_pixels: int = 8
    hot_rate: tuple[float, float] = (0.7, 4.0)
    flicker: float = 0.06
    flicker_side: tuple[float, float] = (0.02, 0.15)
    flicker_rate: tuple[float, float] = (0.05, 0.8)
    border: float = 0.04
    border_rate: tuple[float, float] = (0.05, 0.6)
    clamp: float = 0.15
    leading_empty: float = 0.06
    lost_step: float = 0.03


NO_AUGMENT = AugmentSettings(
    zoom=(1.0, 1.0), translate=0.0, overhang=0.0, flip=0.0, mosaic=0.0, swap=0.0, thin=0.0, gain=0.0,
    retime=0.0, shift=0.0, hide=0.0, still=0.0, noise=0.0, hot=0.0, flicker=0.0, border=0.0, clamp=0.0,
    leading_empty=0.0, lost_step=0.0,
)  # fmt: skip
"""Every view is the plain one, as in the published training of EMS-YOLO on Gen1."""
