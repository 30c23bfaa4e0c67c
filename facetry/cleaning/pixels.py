"""What grey pixels tell: how much they vary, how sharp they are, and the light in each cell of a grid."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facetry.cleaning.compiling import compiled

CELLS_PER_SIDE = 32


class Measures(NamedTuple):
    """The standard deviation of the grey levels, the variance of their Laplacian, and the mean of each cell."""

    contrast: float
    sharpness: float
    cells: NDArray[np.float32]


def measure(grey: NDArray[np.uint8]) -> Measures:
    """The measures of a picture of any size; one too thin to have a Laplacian has no sharpness."""
    return Measures(float(_contrast(grey)), float(_sharpness(grey)), _cell_means(grey))


@compiled
def _contrast(grey: NDArray[np.uint8]) -> float:
    height, width = grey.shape
    total = np.int64(0)
    total_of_squares = np.int64(0)
    for y in range(height):
        for x in range(width):
            level = np.int64(grey[y, x])
            total += level
            total_of_squares += level * level
    mean = total / grey.size
    return math.sqrt(max(0.0, total_of_squares / grey.size - mean * mean))


@compiled
def _sharpness(grey: NDArray[np.uint8]) -> float:
    height, width = grey.shape
    if height < 3 or width < 3:
        return 0.0
    total = np.int64(0)
    total_of_squares = np.int64(0)
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            around = np.int32(grey[y - 1, x]) + np.int32(grey[y + 1, x])
            around += np.int32(grey[y, x - 1]) + np.int32(grey[y, x + 1])
            laplacian = np.int64(around - 4 * np.int32(grey[y, x]))
            total += laplacian
            total_of_squares += laplacian * laplacian
    count = (height - 2) * (width - 2)
    mean = total / count
    return float(total_of_squares / count - mean * mean)


@compiled
def _cell_means(grey: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The mean of each of 32 x 32 cells; a pixel on their border counts for each by the share that lies in it."""
    height, width = grey.shape
    cells = np.empty((CELLS_PER_SIDE, CELLS_PER_SIDE), dtype=np.float32)
    columns = np.empty(width, dtype=np.float32)
    cell_area = height * width / CELLS_PER_SIDE**2
    for row in range(CELLS_PER_SIDE):
        top, bottom = row * height / CELLS_PER_SIDE, (row + 1) * height / CELLS_PER_SIDE
        columns[:] = 0
        for y in range(int(top), math.ceil(bottom)):
            share = np.float32(min(bottom, y + 1) - max(top, y))
            for x in range(width):
                columns[x] += share * np.float32(grey[y, x])
        for column in range(CELLS_PER_SIDE):
            left, right = column * width / CELLS_PER_SIDE, (column + 1) * width / CELLS_PER_SIDE
            total = 0.0
            for x in range(int(left), math.ceil(right)):
                total += (min(right, x + 1) - max(left, x)) * columns[x]
            cells[row, column] = total / cell_area
    return cells
