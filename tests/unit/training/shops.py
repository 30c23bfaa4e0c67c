"""Small catalogues to learn from."""

import io
from collections.abc import Iterable
from pathlib import Path

from PIL import Image

from facetry.catalogue import Catalogue, CatalogueWriter
from facetry.config import SplitParams
from facetry.listing import Label, LabelSource, Listing, ListingImage, Split

TAXONOMY = "Pan: {attributes: {lid: ['yes', 'no']}}\nPot:\nWok:\n"


def jpeg(colour: str = "red", *, side: int = 32) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(data, format="JPEG")
    return data.getvalue()


def listing(
    name: str,
    *,
    category: str | None = "Pan",
    lid: str | None = None,
    source: LabelSource = LabelSource.AUDITED,
    images: tuple[ListingImage, ...] = (),
    title: str | None = "a title",
    split: Split | None = Split.TRAIN,
) -> Listing:
    label = Label(category, {"lid": lid} if lid else {}, source) if category else None
    return Listing(id=name, title=title, images=images, label=label, split=split)


def catalogue(folder: Path, listings: Iterable[Listing], *, shard_megabytes: float = 8.0) -> Catalogue:
    folder.mkdir()
    with CatalogueWriter(
        folder,
        stage="split",
        params=SplitParams(),
        taxonomy_yaml=TAXONOMY,
        parent=None,
        shard_megabytes=shard_megabytes,
    ) as writer:
        for one in listings:
            writer.add(one)
    return Catalogue.open(folder)
