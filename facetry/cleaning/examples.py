"""The images that the report shows: those nearest to each threshold on both sides, and an even choice of the others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facetry.cleaning.findings import FAULTS
from facetry.cleaning.verdicts import Verdicts

EXAMPLES_PER_SIDE = 6
EXAMPLES_PER_ROW = 7
PAIRS_SHOWN = 9


@dataclass(frozen=True, slots=True)
class Examples:
    """Images by their index in the findings. `kept` has those that came closest to each of the faults.

    A refused picture with too many pixels is not shown: it would have to be decoded.
    """

    rejected: Mapping[str, Sequence[int]]
    kept: Mapping[str, Sequence[int]]
    fine: Sequence[int]
    duplicates: Sequence[int]
    conflicts: Sequence[int]

    def with_survivors(self, verdicts: Verdicts) -> frozenset[int]:
        """Every image that is shown: these, and what the duplicates among them repeat."""
        pairs = [*self.duplicates, *self.conflicts]
        singles = [index for gallery in (*self.rejected.values(), *self.kept.values()) for index in gallery]
        return frozenset([*singles, *self.fine, *pairs, *(int(verdicts.survivors[index]) for index in pairs)])


def choose_examples(verdicts: Verdicts) -> Examples:
    """A few images for each gallery of the report; the same verdicts give the same ones."""
    findings = verdicts.findings
    measured_by = {
        "blurred": findings.sharpnesses,
        "blank": findings.contrasts,
        "small": np.minimum(findings.widths, findings.heights),
    }
    rejected = {fault: np.flatnonzero(findings.faults == FAULTS.index(fault)) for fault in (*measured_by, "corrupt")}
    return Examples(
        rejected={
            fault: _nearest(found, -measured_by[fault]) if fault in measured_by else _spread(found, EXAMPLES_PER_ROW)
            for fault, found in rejected.items()
        },
        kept={fault: _nearest(verdicts.kept, measure) for fault, measure in measured_by.items()},
        fine=_spread(verdicts.kept, 2 * EXAMPLES_PER_ROW),
        duplicates=_spread(verdicts.duplicates, PAIRS_SHOWN),
        conflicts=_spread(verdicts.conflicts, PAIRS_SHOWN),
    )


def _nearest(indices: NDArray[np.int64], measure: NDArray[np.float32] | NDArray[np.int64]) -> list[int]:
    """Those of `indices` with the least `measure`, the least first."""
    least_first = np.argsort(measure[indices], kind="stable")[:EXAMPLES_PER_SIDE]
    return [int(index) for index in indices[least_first]]


def _spread(indices: NDArray[np.int64], most: int) -> list[int]:
    """At most `most` of `indices`, evenly spread over all of them."""
    step = max(1, -(-len(indices) // most))
    return [int(index) for index in indices[::step]]
