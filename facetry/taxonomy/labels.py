"""Labels that a taxonomy does not know, each of them once: how many listings have it, and what it was meant to be."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from facetry.errors import TaxonomyError
from facetry.taxonomy.tree import Taxonomy

NUM_LABELS_NAMED = 10


@dataclass(frozen=True, slots=True)
class UnknownLabel:
    """A category path that no product of a taxonomy can have, and how many listings have it."""

    path: str
    num_listings: int


def unknown_labels(counts: Mapping[str, int], *, taxonomy: Taxonomy) -> tuple[UnknownLabel, ...]:
    """Those of the labels in `counts` that are no leaf of `taxonomy`, the most frequent first."""
    unknown = [UnknownLabel(path, number) for path, number in counts.items() if path not in taxonomy.leaf_paths]
    return tuple(sorted(unknown, key=lambda label: (-label.num_listings, label.path)))


def refuse_unknown(unknown: Sequence[UnknownLabel], *, taxonomy: Taxonomy, origin: str, mend: str) -> None:
    """Raise a `TaxonomyError` that names these labels of the catalogue `origin`, if there are any."""
    if unknown:
        num_listings = sum(label.num_listings for label in unknown)
        listings = "1 listing" if num_listings == 1 else f"{num_listings:,} listings"
        heading = f"the label of {listings} of {origin} is not in the taxonomy: {mend}"
        raise TaxonomyError("\n".join([heading, *told(unknown, taxonomy=taxonomy)]))


def told(unknown: Sequence[UnknownLabel], *, taxonomy: Taxonomy) -> Iterator[str]:
    """A line for each label with its number of listings and the nearest name, as many as a person reads."""
    for label in unknown[:NUM_LABELS_NAMED]:
        yield f"{label.num_listings:>8,}  {taxonomy.why_no_leaf(label.path)}"
    others = unknown[NUM_LABELS_NAMED:]
    if others:
        yield f"{sum(label.num_listings for label in others):>8,}  in {len(others)} other labels"
