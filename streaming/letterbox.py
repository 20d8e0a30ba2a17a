"""`Letterbox`: how sensor pixels fall on the model's grid, and how boxes come back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Letterbox:
    """A sensor of any size centred in a grid, never stretched and never enlarged.

    Several sensor pixels may share a grid cell (their counts add up); a sensor smaller than the grid keeps
    its pixels, because enlarging would leave empty rows between counts.

    Attributes:
        sensor_width, sensor_height: size of the sensor, pixels.
        grid_width, grid_height: size of the model's grid, cells.
    """

    sensor_width: int
    sensor_height: int
    grid_width: int
    grid_height: int

    def __post_init__(self) -> None:
        sizes = (self.sensor_width, self.sensor_height, self.grid_width, self.grid_height)
        if not all(1 <= size <= 65_535 for size in sizes):
            raise ValueError(f"sensor and grid sides must be 1..65535 pixels, got {sizes}")

    @property
    def scale(self) -> float:
        """Grid cells per sensor pixel, at most 1."""
        return min(1.0, self.grid_width / self.sensor_width, self.grid_height / self.sensor_height)

    @property
    def pad_x(self) -> int:
        """Empty grid columns left of the sensor."""
        return (self.grid_width - round(self.sensor_width * self.scale)) // 2

    @property
    def pad_y(self) -> int:
        """Empty grid rows above the sensor."""
        return (self.grid_height - round(self.sensor_height * self.scale)) // 2

    def columns(self) -> NDArray[np.int32]:
        """(sensor_width,) int32: the grid column of every sensor column."""
        return _cells(self.sensor_width, self.scale, self.pad_x, self.grid_width)

    def rows(self) -> NDArray[np.int32]:
        """(sensor_height,) int32: the grid row of every sensor row."""
        return _cells(self.sensor_height, self.scale, self.pad_y, self.grid_height)

    def grid_xyxy_to_sensor_xyxy(self, xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, 4) boxes in grid cells to (N, 4) boxes in sensor pixels, clipped to the sensor."""
        pad = np.array([self.pad_x, self.pad_y] * 2, np.float32)
        size = np.array([self.sensor_width, self.sensor_height] * 2, np.float32)
        sensor: NDArray[np.float32] = np.clip((xyxy - pad) / np.float32(self.scale), 0, size).astype(
            np.float32
        )
        return sensor

    def sensor_xyxy_to_grid_xyxy(self, xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, 4) boxes in sensor pixels to (N, 4) boxes in grid cells."""
        pad = np.array([self.pad_x, self.pad_y] * 2, np.float32)
        return (xyxy * np.float32(self.scale) + pad).astype(np.float32)


def _cells(sensor_side: int, scale: float, pad: int, grid_side: int) -> NDArray[np.int32]:
    cells = np.floor((np.arange(sensor_side) + 0.5) * scale).astype(np.int32) + pad
    clipped: NDArray[np.int32] = np.minimum(cells, grid_side - 1)
    return clipped
