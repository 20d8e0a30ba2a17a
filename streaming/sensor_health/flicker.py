"""`find_flicker`: lights that go up and down at one frequency, out of the spectrum of ON minus OFF events.

Where light brightens pixels say ON, where it darkens OFF; so in ON minus OFF a lamp is a line at its own
frequency (twice the mains' for most). What moves has no lines there. A sensor's readout has: its ON and OFF
events come together, and are told apart from a lamp's by that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from streaming.sensor_health.report import FLICKER_LEAST_S, TILES, Flicker
from streaming.sensor_health.tally import SLOT_US

LOWEST_HZ, HIGHEST_HZ = 20.0, 990.0
LEAST_SLOTS, LENGTH_STEP, MOST_SLOTS = round(FLICKER_LEAST_S * 1e6 / SLOT_US), 1_000, 8_000
"""Up to four seconds; lengths whose transforms are fast."""
LEAST_EVENTS = 400
"""Of a tile in the window, below which its spectrum is not looked at."""
FLOOR_BLOCK = 50
STANDS_OUT = 25.0
"""Power of a line over that of the noise around it; by chance one in 10**10 is above."""
STRONG = 0.25
"""Lines at least so strong as the strongest one; the lowest of them is the frequency, the others its
harmonics."""
SINE = np.pi / 4
"""Resultant of events that follow a sine, ON in its rise and OFF in its fall; of bursts it is 1."""
LEAST_RESULTANT, LEAST_SHARE = 0.1, 0.02
NEAR_HZ = 1.0
MOST_FLICKERS = 3

Floats: TypeAlias = NDArray[np.float32]


def find_flicker(slots: Floats) -> tuple[Flicker, ...]:
    """The flicker that most events keep the time of, the strongest first, at most three.

    Args:
        slots: (S, TILES, 2) events of every half millisecond and tile, OFF and ON.
    """
    length = min(MOST_SLOTS, len(slots) // LENGTH_STEP * LENGTH_STEP)
    if length < LEAST_SLOTS:
        return ()
    slots = slots[len(slots) - length :]
    events = slots.reshape(length, -1).sum(axis=0).reshape(TILES, 2).sum(axis=1, dtype=np.float64)
    busy = np.flatnonzero(events >= LEAST_EVENTS)
    if events.sum() < LEAST_EVENTS:
        return ()
    signed = slots[:, :, 1] - slots[:, :, 0]
    rows = np.vstack([signed.sum(axis=1), signed.T[busy]])
    lines = _lines(rows, np.concatenate([[events.sum()], events[busy]]))
    found = [_explained(slots, events, hz) for hz in _distinct(lines)]
    flickers = [flicker for flicker in found if flicker is not None and flicker.share >= LEAST_SHARE]
    return tuple(sorted(flickers, key=lambda flicker: -flicker.share)[:MOST_FLICKERS])


@dataclass(frozen=True, slots=True)
class _Line:
    hz: float
    power: float


def _lines(rows: Floats, events: NDArray[np.float64]) -> list[_Line]:
    """The frequency of each row that has one, the strongest first.

    Args:
        rows: (R, S) ON minus OFF.
        events: (R,) ON plus OFF.
    """
    length = rows.shape[1]
    window = np.hanning(length).astype(np.float32)
    spectra = np.fft.rfft((rows - rows.mean(axis=1, keepdims=True)) * window)
    powers = (spectra.real**2 + spectra.imag**2).astype(np.float32)  # (R, S/2 + 1)
    step_hz = 1e6 / (length * SLOT_US)
    lowest, highest = int(LOWEST_HZ / step_hz), int(HIGHEST_HZ / step_hz)
    alone = events * float((window**2).mean())  # power of events that know nothing of each other
    out = powers > STANDS_OUT * np.maximum(_around(powers), alone[:, None])
    out[:, :lowest] = out[:, highest:] = False
    found = []
    for row in np.flatnonzero(out.any(axis=1)):
        index = _lowest_line(powers[row], out[row])
        found.append(_Line((index + _between(powers[row], index)) * step_hz, float(powers[row, index])))
    return sorted(found, key=lambda line: -line.power)


def _around(powers: Floats) -> Floats:
    """(R, F) power of the noise around each frequency, which is coloured where things move.

    The geometric mean of a block of frequencies, which a line hardly moves, scaled to the mean of noise.
    """
    rows, length = powers.shape
    blocks = -(-length // FLOOR_BLOCK)
    logs = np.log(powers + np.float32(1e-9))
    padded = np.pad(logs, ((0, 0), (0, blocks * FLOOR_BLOCK - length)), mode="edge")
    means = np.exp(padded.reshape(rows, blocks, FLOOR_BLOCK).mean(axis=2) + np.euler_gamma)
    floor: Floats = np.repeat(means, FLOOR_BLOCK, axis=1)[:, :length]
    return floor


def _lowest_line(power: Floats, out: NDArray[np.bool_]) -> int:
    """Index of the top of the lowest strong line; `out` says where power stands out, at least somewhere."""
    index = int(np.flatnonzero(out & (power >= STRONG * power[out].max()))[0])
    while index + 1 < len(power) and power[index + 1] > power[index]:  # a line is some bins wide
        index += 1
    return index


def _between(power: Floats, index: int) -> float:
    """Where between the bins the top of a line is, -0.5..0.5: a parabola through the logarithms."""
    if not 0 < index < len(power) - 1:
        return 0.0
    left, top, right = np.log(power[index - 1 : index + 2] + 1e-9)
    bend = left - 2 * top + right
    return float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5)) if bend < 0 else 0.0


def _distinct(lines: Sequence[_Line]) -> list[float]:
    """Frequencies of different things: no neighbours and no harmonics of stronger ones."""
    chosen: list[float] = []
    for line in lines:
        if not any(_same_thing(line.hz, hz) for hz in chosen):
            chosen.append(line.hz)
    return chosen[: 2 * MOST_FLICKERS]


def _same_thing(hz: float, other_hz: float) -> bool:
    low_hz, high_hz = sorted((hz, other_hz))
    times = round(high_hz / low_hz)
    return abs(high_hz - times * low_hz) <= NEAR_HZ * times


def _explained(slots: Floats, events: NDArray[np.float64], hz: float) -> Flicker | None:
    """The flicker at `hz`; None where ON and OFF come together, as a readout gives them."""
    turns = hz * SLOT_US * 1e-6 * (np.arange(len(slots)) + 0.5)
    wave = np.exp(-2j * np.pi * turns).astype(np.complex64)
    parts = np.tensordot(wave, slots, axes=(0, 0))  # (TILES, 2) OFF, ON
    if _together(parts.sum(axis=0), events.sum()):
        return None
    within_slot = float(np.sinc(hz * SLOT_US * 1e-6))
    resultant = np.abs(parts[:, 1] - parts[:, 0]) / np.maximum(events, 1) / within_slot
    seen = (resultant > np.maximum(LEAST_RESULTANT, 4 / np.sqrt(np.maximum(events, 1)))) & (events > 0)
    seen &= ~np.array([_together(parts[tile], events[tile]) for tile in range(TILES)])
    kept = np.minimum(1.0, resultant[seen] / SINE) * events[seen]
    share = float(kept.sum() / events.sum())
    return Flicker(float(hz), share, tuple(int(tile) for tile in np.flatnonzero(seen)))


def _together(parts: NDArray[np.complex64], events: float) -> bool:
    """Whether OFF and ON events rise and fall at the same time; both must be more than noise to tell."""
    noise = 4 * np.sqrt(max(1.0, float(events)))
    both = min(abs(parts[0]), abs(parts[1])) > noise
    return bool(both and (parts[0] * np.conj(parts[1])).real > 0)
