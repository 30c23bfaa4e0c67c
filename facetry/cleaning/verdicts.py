"""Which images repeat a better one, and which look alike: judged over all images of a catalogue at once."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from facetry.cleaning.findings import WITHOUT, Findings
from facetry.cleaning.near_duplicates import near_pairs
from facetry.listing import DUPLICATE_OF


@dataclass(frozen=True, slots=True, eq=False)
class Verdicts:
    """What is judged of each image of `findings`; images are told by their index in there.

    `survivors` has the better copy of each image, itself if there is none, and `clusters` the best of those that it
    resembles, directly or by way of others. `conflicts` are the duplicates whose label has another category than
    their survivor's.
    """

    findings: Findings
    survivors: NDArray[np.int64]
    clusters: NDArray[np.int64]
    kept: NDArray[np.int64]
    duplicates: NDArray[np.int64]
    conflicts: NDArray[np.int64]
    num_exact_copies: int

    def rejection(self, index: int) -> str | None:
        """Why an image is rejected, as it is written into the catalogue."""
        survivor = int(self.survivors[index])
        if survivor == index:
            return self.findings.fault(index)
        return DUPLICATE_OF + self.findings.listing_id(survivor)

    def cluster(self, index: int) -> str | None:
        """The name of the best of the images that this one resembles, if it is another."""
        best = int(self.clusters[index])
        return None if best == index else self.findings.image_name(best)

    def count_rejected(self) -> Mapping[str, int]:
        """How many images are rejected for each reason that occurs, the most frequent first."""
        by_reason = {**self.findings.count_faults(), "duplicate": len(self.duplicates)}
        found = sorted((-count, reason) for reason, count in by_reason.items() if count)
        return {reason: -count for count, reason in found}


def judge(findings: Findings, *, radius: int) -> Verdicts:
    """The verdicts on images without fault: the others survive no image, and resemble none.

    Of near-duplicates the one with the better label source survives, then the one with more pixels, then the first.
    """
    faultless = np.flatnonzero(findings.faults == WITHOUT)
    sources, sizes = findings.label_sources[faultless].astype(np.int64), findings.num_pixels[faultless]
    best_first = faultless[np.lexsort((-sizes, -sources))]
    pairs = near_pairs(findings.fingerprints[best_first], radius=radius)
    everything = np.arange(len(findings))
    survivors = everything.copy()
    survivors[best_first] = best_first[pairs.nearest_survivors()]
    clusters = everything.copy()
    clusters[best_first] = best_first[pairs.clusters()]
    duplicates = np.flatnonzero(survivors != everything)
    return Verdicts(
        findings=findings,
        survivors=survivors,
        clusters=clusters,
        kept=np.flatnonzero((findings.faults == WITHOUT) & (survivors == everything)),
        duplicates=duplicates,
        conflicts=_conflicts(findings, duplicates=duplicates, survivors=survivors[duplicates]),
        num_exact_copies=_count_exact(findings, duplicates=duplicates, survivors=survivors[duplicates]),
    )


def _conflicts(findings: Findings, *, duplicates: NDArray[np.int64], survivors: NDArray[np.int64]) -> NDArray[np.int64]:
    ours, theirs = findings.categories[duplicates], findings.categories[survivors]
    disagree: NDArray[np.bool_] = (ours != theirs) & (ours != WITHOUT) & (theirs != WITHOUT)
    return duplicates[disagree]


def _count_exact(findings: Findings, *, duplicates: NDArray[np.int64], survivors: NDArray[np.int64]) -> int:
    same_bytes = pc.equal(findings.digests.take(duplicates), findings.digests.take(survivors))
    return int(pc.sum(same_bytes).as_py() or 0)
