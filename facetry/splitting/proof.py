"""The proof that nothing leaks: it reads what was written, and knows nothing of how the sides were found."""

from typing import Literal

from facetry.catalogue import Catalogue
from facetry.errors import CatalogueError
from facetry.listing import Listing
from facetry.splitting.groups import group_name

COLUMNS = ("id", "brand", "image_clusters", "split")


def refuse_leaks(catalogue: Catalogue, *, group_by: Literal["brand", "listing"]) -> None:
    """Raise a `CatalogueError` that names the first group, or cluster of near-duplicates, on two sides, if one is."""
    side_of: dict[str, str] = {}
    for batch in catalogue.columns(COLUMNS):
        for row in batch.to_pylist():
            if row["split"] is None:
                continue
            name = group_name(Listing(row["id"], brand=row["brand"]), group_by=group_by)
            clusters = {f"near-duplicate cluster {cluster}" for cluster in row["image_clusters"] or () if cluster}
            for what in (name, *sorted(clusters)):
                side = side_of.setdefault(what, row["split"])
                if side != row["split"]:
                    raise CatalogueError(
                        f"{what} is in both {side} and, with listing {row['id']}, {row['split']}: "
                        "nothing was written, please report this"
                    )
