"""Small catalogues of pictures that a test can tell apart."""

import io
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from facetry.catalogue import Catalogue, CatalogueWriter
from facetry.config import IngestParams
from facetry.listing import Label, LabelSource, Listing, ListingImage

TAXONOMY = "Pan:\nPot:\n"


def picture(seed: int, *, side: int = 320) -> Image.Image:
    """A patchwork that looks like no other seed's."""
    patches = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    return Image.fromarray(patches).resize((side, side), Image.Resampling.NEAREST)


def encode(image: Image.Image, *, kind: str = "JPEG", **options: object) -> bytes:
    data = io.BytesIO()
    image.save(data, format=kind, **options)
    return data.getvalue()


def listing(
    name: str, *images: bytes, category: str | None = "Pan", source: LabelSource = LabelSource.UNAUDITED
) -> Listing:
    """A listing titled by its id."""
    label = Label(category, source=source) if category else None
    pictures = (ListingImage(data, f"{name}-{number}.jpg") for number, data in enumerate(images))
    return Listing(id=name, title=name, images=tuple(pictures), label=label)


def catalogue(folder: Path, listings: Iterable[Listing], *, shard_megabytes: float = 8.0) -> Catalogue:
    folder.mkdir()
    with CatalogueWriter(
        folder,
        stage="ingest",
        params=IngestParams(),
        taxonomy_yaml=TAXONOMY,
        parent=None,
        shard_megabytes=shard_megabytes,
    ) as writer:
        for one in listings:
            writer.add(one)
    return Catalogue.open(folder)


def varied_listings(num_listings: int) -> list[Listing]:
    """Listings with sound, small, broken and repeated pictures among theirs, and some without any."""
    listings = []
    for number in range(num_listings):
        sound = encode(picture(number if number % 7 else 0))
        more = {1: encode(picture(number, side=90)), 2: sound[:900], 3: encode(picture(number + 1), quality=60)}
        images = () if number % 11 == 5 else (sound, *filter(None, [more.get(number % 5)]))
        category = ("Pan", "Pot", None)[number % 3]
        listings.append(listing(f"item-{number:03d}", *images, category=category))
    return listings


def files(folder: Path) -> Mapping[str, bytes]:
    """Every file below `folder` by its path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
