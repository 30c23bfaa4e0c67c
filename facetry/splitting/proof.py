"""The proof that nothing leaks: it reads what was written, and knows nothing of how the sides were found."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from facetry.catalogue import Catalogue
from facetry.errors import CatalogueError
from facetry.listing import Listing, ListingImage
from facetry.splitting.groups import group_name

COLUMNS = ("id", "brand", "image_clusters", "split")


def refuse_leaks(catalogue: Catalogue, *, group_by: Literal["brand", "listing"]) -> None:
    """Raise a `CatalogueError` that names the first group, or cluster of near-duplicates, on two sides, if one is."""
    clusters = {cluster for row in _rows(catalogue) for cluster in row["image_clusters"] or () if cluster}
    side_of: dict[str, str] = {}
    for row in _rows(catalogue):
        if row["split"] is None:
            continue
        images = tuple(ListingImage(b"", "", cluster=cluster) for cluster in row["image_clusters"] or ())
        listing = Listing(row["id"], brand=row["brand"], images=images)
        shared = sorted(f"near-duplicate cluster {cluster}" for cluster in listing.clusters & clusters)
        for what in (group_name(listing, group_by=group_by), *shared):
            side = side_of.setdefault(what, row["split"])
            if side != row["split"]:
                raise CatalogueError(
                    f"{what} is in both {side} and, with listing {row['id']}, {row['split']}: "
                    "nothing was written, please report this"
                )


def _rows(catalogue: Catalogue) -> Iterator[Mapping[str, Any]]:
    for batch in catalogue.columns(COLUMNS):
        yield from batch.to_pylist()
