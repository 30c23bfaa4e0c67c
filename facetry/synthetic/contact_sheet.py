"""One picture of the whole shop: a row of products for each category."""

import json
from collections import defaultdict
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from facetry.errors import SourceError
from facetry.synthetic.catalogue import LISTINGS_NAME, TRUTH_NAME
from facetry.taxonomy import SEPARATOR

CELL_PIXELS = 132
GAP_PIXELS = 6
CAPTION_PIXELS = 24
IMAGES_PER_CATEGORY = 4
CATEGORIES_PER_ROW = 2


def contact_sheet(drawn: Path, *, out: Path) -> None:
    """Put a few sound hero images of every category of the drawn catalogue at `drawn` on one PNG at `out`."""
    heroes = _heroes(drawn)
    rows = -(-len(heroes) // CATEGORIES_PER_ROW)
    block_width = IMAGES_PER_CATEGORY * (CELL_PIXELS + GAP_PIXELS) + 3 * GAP_PIXELS
    block_height = CELL_PIXELS + CAPTION_PIXELS + 2 * GAP_PIXELS
    sheet = Image.new("RGB", (block_width * CATEGORIES_PER_ROW, block_height * rows), "white")
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(15)
    for number, (category, paths) in enumerate(heroes.items()):
        row, column = number % rows, number // rows
        left, top = column * block_width + 2 * GAP_PIXELS, row * block_height + GAP_PIXELS
        pen.text((left, top), category, fill=(50, 50, 56), font=font)
        for step, path in enumerate(paths):
            with Image.open(drawn / path) as image:
                cell = image.resize((CELL_PIXELS, CELL_PIXELS), Image.Resampling.LANCZOS)
            sheet.paste(cell, (left + step * (CELL_PIXELS + GAP_PIXELS), top + CAPTION_PIXELS))
    sheet.save(out)


def _heroes(drawn: Path) -> dict[str, list[str]]:
    """Paths of sound heroes by category, each of a brand that the category has not shown yet where there is one."""
    truth = drawn / TRUTH_NAME
    if not truth.is_file():
        raise SourceError(
            f"{drawn} holds no {TRUTH_NAME}: give a folder that `facetry draw` wrote, with {LISTINGS_NAME}"
        )
    candidates: dict[str, dict[str, str]] = defaultdict(dict)
    with truth.open(encoding="utf-8") as lines:
        for line in lines:
            listing = json.loads(line)
            hero = listing["images"][0] if listing["images"] else None
            if hero is not None and hero["defect"] is None and hero["duplicate_of"] is None:
                candidates[listing["category"]].setdefault(listing["brand"], hero["path"])
    names = sorted(candidates)
    return {name.replace(SEPARATOR, " › "): list(candidates[name].values())[:IMAGES_PER_CATEGORY] for name in names}
