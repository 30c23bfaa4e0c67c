"""Small shops in real folders, and the sides that their listings get."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from facetry.catalogue import Catalogue, CatalogueWriter
from facetry.config import IngestParams, SplitParams
from facetry.listing import Label, Listing, ListingImage, Split
from facetry.splitting import SplitSummary, split

TAXONOMY = "Pan:\nPot:\nWok:\n"


@dataclass(frozen=True, slots=True)
class Outcome:
    sides: Mapping[str, Split | None]
    summary: SplitSummary
    folder: Path


def listing(
    number: int,
    *,
    brand: str | None,
    category: str | None = "Pan",
    title: str | None = "x",
    clusters: Sequence[str | None] = (),
    rejection: str | None = None,
) -> Listing:
    """A listing with a picture for each cluster."""
    images = tuple(
        ListingImage(f"{number}-{place}".encode(), f"{place}.jpg", rejection, cluster)
        for place, cluster in enumerate(clusters)
    )
    label = Label(category) if category else None
    return Listing(id=str(number), title=title, brand=brand, images=images, label=label)


def brands(num_brands: int, *, size: int = 10) -> list[Listing]:
    return [listing(number, brand=f"brand {number % num_brands}") for number in range(num_brands * size)]


def write(folder: Path, listings: Iterable[Listing]) -> Catalogue:
    folder.mkdir(parents=True)
    with CatalogueWriter(folder, stage="clean", params=IngestParams(), taxonomy_yaml=TAXONOMY, parent=None) as writer:
        for each in listings:
            writer.add(each)
    return Catalogue.open(folder)


def split_shop(folder: Path, listings: Iterable[Listing], *, params: SplitParams | None = None) -> Outcome:
    catalogue = write(folder / "in", listings)
    summary = split(catalogue, params=params or SplitParams(), out=folder / "out")
    sides = {each.id: each.split for each in Catalogue.open(folder / "out").listings()}
    return Outcome(sides, summary, folder / "out")
