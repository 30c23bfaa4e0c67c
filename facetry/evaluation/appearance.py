"""What a picture looks like, as numbers that need no learning: where its edges run, and which colours it has."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Vector: TypeAlias = NDArray[np.float32]

SIDE_PIXELS = 64
CELL_PIXELS = 8
NUM_DIRECTIONS = 9
NUM_COLOUR_BINS = (8, 3, 3)


def describe(image: bytes) -> Vector | None:
    """Gradient directions and a hue, saturation and value histogram, each of length 1; None if it is no picture."""
    import cv2

    if not image:
        return None
    pixels = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_REDUCED_COLOR_2)
    if pixels is None:
        return None
    small = cv2.resize(pixels, (SIDE_PIXELS, SIDE_PIXELS), interpolation=cv2.INTER_AREA)
    hsv = cv2.cvtColor(small, cv2.COLOR_BGR2HSV)
    colours = cv2.calcHist([hsv], [0, 1, 2], None, NUM_COLOUR_BINS, [0, 180, 0, 256, 0, 256])
    edges = _gradient_directions(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY).astype(np.float32))
    return np.concatenate([_unit(edges), _unit(np.asarray(colours, np.float32).ravel())]).astype(np.float32)


def _gradient_directions(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """A histogram of oriented gradients: one per cell, made comparable over each block of 2 by 2 cells."""
    down, right = np.gradient(grey)
    strength = np.hypot(down, right)
    direction = (np.arctan2(down, right) % np.pi) / np.pi * NUM_DIRECTIONS
    lower = np.floor(direction).astype(int)
    to_upper = direction - lower
    votes = np.zeros((NUM_DIRECTIONS, *grey.shape), np.float32)
    rows, columns = np.indices(grey.shape)
    votes[lower % NUM_DIRECTIONS, rows, columns] = strength * (1 - to_upper)
    votes[(lower + 1) % NUM_DIRECTIONS, rows, columns] = strength * to_upper
    num_cells = SIDE_PIXELS // CELL_PIXELS
    cells = votes.reshape(NUM_DIRECTIONS, num_cells, CELL_PIXELS, num_cells, CELL_PIXELS).sum(axis=(2, 4))
    blocks = np.concatenate([cells[:, :-1, :-1], cells[:, :-1, 1:], cells[:, 1:, :-1], cells[:, 1:, 1:]])
    return np.asarray(blocks / (np.linalg.norm(blocks, axis=0) + 1.0), np.float32).ravel()


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-6), np.float32)
