"""Small catalogues of pictures that no compression makes smaller, for tests of versions."""

from collections.abc import Iterable
from pathlib import Path
from random import Random

from facetry.catalogue import Catalogue, CatalogueWriter
from facetry.config import IngestParams
from facetry.listing import Label, Listing, ListingImage

TAXONOMY = "Pan:\nPot:\n"


def listing(number: int, *, num_bytes: int = 2000) -> Listing:
    """The listing `shop-<number>`, always the same."""
    picture = ListingImage(Random(number).randbytes(num_bytes), f"{number}.jpg")
    return Listing(id=f"shop-{number}", title=f"Pan {number}", images=(picture,), label=Label("Pan", {"lid": "with"}))


def write(folder: Path, listings: Iterable[Listing], *, shard_megabytes: float = 0.05) -> Catalogue:
    folder.mkdir(parents=True)
    with CatalogueWriter(
        folder,
        stage="ingest",
        params=IngestParams(shard_megabytes=shard_megabytes),
        taxonomy_yaml=TAXONOMY,
        parent=None,
        shard_megabytes=shard_megabytes,
    ) as writer:
        for each in listings:
            writer.add(each)
    return Catalogue.open(folder)


def num_bytes_in(remote: Path) -> int:
    """What a folder that is a remote holds."""
    return sum(path.stat().st_size for path in remote.rglob("*") if path.is_file())
