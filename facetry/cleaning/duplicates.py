"""Near-duplicates: fingerprints that differ in a few bits."""

import numpy as np
from numpy.typing import NDArray

PAIRS_PER_BLOCK = 2**22


def nearest_survivors(fingerprints: NDArray[np.uint64], *, radius: int) -> NDArray[np.int64]:
    """For each fingerprint, best first, the index of the survivor within `radius` bits of it; a survivor names itself.

    Every pair is compared, so none is missed: 100,000 different fingerprints take some seconds.
    """
    different, first, group = np.unique(fingerprints, return_index=True, return_inverse=True)
    best_first = np.argsort(first)
    survivor_of = np.empty(len(different), dtype=np.int64)
    survivor_of[best_first] = first[best_first][_keep_leaders(different[best_first], radius=radius)]
    return survivor_of[group]


def _keep_leaders(fingerprints: NDArray[np.uint64], *, radius: int) -> NDArray[np.int64]:
    """As `nearest_survivors`, for fingerprints that all differ."""
    leader = np.arange(len(fingerprints))
    rows_per_block = max(1, PAIRS_PER_BLOCK // max(1, len(fingerprints)))
    for start in range(0, len(fingerprints), rows_per_block):
        block = fingerprints[start : start + rows_per_block]
        earlier = fingerprints[: start + len(block)]
        distances = np.bitwise_count(block[:, None] ^ earlier[None, :])
        for row in np.flatnonzero((distances <= radius).sum(axis=1) > 1):
            index = start + int(row)
            near = np.flatnonzero(distances[row, :index] <= radius)
            survivors = near[leader[near] == near]
            if len(survivors):
                leader[index] = survivors[np.argmin(distances[row, survivors])]
    return leader
