"""A shop of plain pictures whose colour and lid can be seen, and its catalogue."""

import io
from pathlib import Path

from PIL import Image, ImageDraw

from facetry.catalogue import Catalogue, CatalogueWriter
from facetry.config import SplitParams
from facetry.listing import Label, LabelSource, Listing, ListingImage, Split
from facetry.taxonomy import load_yaml

TAXONOMY_YAML = """
Home:
  attributes: {colour: [red, green, blue], lid: ['yes', 'no']}
  categories: {Pan: , Pot: }
Clothing:
  attributes: {colour: [red, green, blue, black]}
  categories: {T-Shirt: , Dress: }
"""
TAXONOMY = load_yaml(TAXONOMY_YAML, origin="test")
COLOURS = ("red", "green", "blue")
TEXTS = ["a photo of a product, lid: yes colour: red green blue black no category Pan Pot T-Shirt Dress"]


def picture(colour: str, *, has_lid: bool, shift: int = 0) -> ListingImage:
    image = Image.new("RGB", (48, 40), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((8 + shift, 18, 36 + shift, 36), fill=colour)
    if has_lid:
        draw.ellipse((8 + shift, 6, 36 + shift, 16), fill="black")
    data = io.BytesIO()
    image.save(data, "PNG")
    return ListingImage(data.getvalue(), f"{colour}-{shift}.png")


def pan(number: int, *, split: Split = Split.TRAIN, has_image: bool = True) -> Listing:
    colour, has_lid = COLOURS[number % 3], number % 2 == 0
    return Listing(
        id=f"{split}-{number}",
        title=f"Pan {number}",
        images=(picture(colour, has_lid=has_lid, shift=number // 6 % 4),) if has_image else (),
        label=Label(
            "Home > Pan" if number % 4 < 2 else "Home > Pot",
            {"colour": colour, "lid": "yes" if has_lid else "no"},
            LabelSource.AUDITED,
        ),
        split=split,
    )


def write_shop(folder: Path, listings: list[Listing]) -> Catalogue:
    folder.mkdir()
    with CatalogueWriter(
        folder, stage="split", params=SplitParams(), taxonomy_yaml=TAXONOMY_YAML, parent=None
    ) as writer:
        for listing in listings:
            writer.add(listing)
    return Catalogue.open(folder)
