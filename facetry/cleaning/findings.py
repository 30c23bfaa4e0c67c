"""What is found in a catalogue's images, in their order, without holding on to their bytes."""

import dataclasses
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice

import numpy as np

from facetry.catalogue import Catalogue
from facetry.cleaning.appearance import Appearance, examine
from facetry.cleaning.duplicates import nearest_survivors
from facetry.config import CleanParams
from facetry.listing import LabelSource, Listing
from facetry.progress import ProgressLine

LISTINGS_PER_BATCH = 64


@dataclass(frozen=True, slots=True)
class Finding:
    """One image: whose it is, how it looks, and the finding it is a duplicate of, by index, if it is one."""

    listing_id: str
    label_source: LabelSource | None
    appearance: Appearance
    duplicate_of: int | None = None

    @property
    def reason(self) -> str | None:
        """The kind of rejection, or None for an image that is kept."""
        return "duplicate" if self.duplicate_of is not None else self.appearance.fault


def find(catalogue: Catalogue, *, params: CleanParams) -> list[Finding]:
    """A finding for each image of the catalogue, in order."""
    findings: list[Finding] = []
    listings = catalogue.listings()
    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        ProgressLine("examining the images of listings", total=len(catalogue)) as progress,
    ):
        for batch in _batches(listings):
            owners = [listing for listing in batch for _ in listing.images]
            images = [image.data for listing in batch for image in listing.images]
            for listing, appearance in zip(owners, pool.map(partial(examine, params=params), images), strict=True):
                source = listing.label.source if listing.label else None
                findings.append(Finding(listing.id, source, appearance))
            progress.advance(len(batch))
    return mark_duplicates(findings, radius=params.duplicate_radius)


def mark_duplicates(findings: Sequence[Finding], *, radius: int) -> list[Finding]:
    """The findings with the near and exact copies among the faultless ones marked.

    Of copies the one with the better label source survives, then the one with more pixels, then the first.
    """
    marked = list(findings)
    sources = [None, *LabelSource]
    best_first = sorted(
        (index for index, finding in enumerate(findings) if finding.appearance.fault is None),
        key=lambda index: (-sources.index(findings[index].label_source), -findings[index].appearance.num_pixels, index),
    )
    fingerprints = np.array([findings[index].appearance.fingerprint for index in best_first], dtype=np.uint64)
    for place, survivor in enumerate(nearest_survivors(fingerprints, radius=radius)):
        if survivor != place:
            index = best_first[place]
            marked[index] = dataclasses.replace(findings[index], duplicate_of=best_first[survivor])
    return marked


def _batches(listings: Iterator[Listing]) -> Iterator[list[Listing]]:
    while batch := list(islice(listings, LISTINGS_PER_BATCH)):
        yield batch
