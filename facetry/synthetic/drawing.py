"""Making one planned listing: product, pictures, words and label, all from the seed and its own number only."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import ClassVar

from facetry.config import LISTING_FIELDS, DrawParams
from facetry.listing import LabelSource
from facetry.synthetic.brands import DEPARTMENTS, Brand
from facetry.synthetic.defects import encode, reencode, spoil
from facetry.synthetic.plan import ListingPlan
from facetry.synthetic.product import Product
from facetry.synthetic.rendering import photograph
from facetry.synthetic.words import write_words
from facetry.taxonomy import Category, Taxonomy

LISTINGS_PER_FOLDER = 1000
ATTRIBUTE_LABELLED_SHARE = 0.9
WRONG_WITHIN_DEPARTMENT_SHARE = 0.8

CONTAINERS: Mapping[str, tuple[tuple[str, float], ...]] = {
    "Moisturiser": (("jar", 1.0),),
    "Exfoliator": (("tube", 1.0),),
    "Eye Care": (("tube", 1.0),),
    "Cleanser": (("pump bottle", 1.0),),
    "Serum": (("dropper bottle", 1.0),),
    "Toner": (("bottle", 1.0),),
    "Mist": (("spray bottle", 1.0),),
    "Balm": (("tin", 0.7), ("stick", 0.3)),
    "Mask": (("sachet", 1.0),),
    "Peel": (("vials", 1.0),),
    "Oil": (("decanter", 1.0),),
    "Bath Salts": (("jar", 0.7), ("pouch", 0.3)),
    "Body Wash": (("bottle", 1.0),),
    "Bath Oil": (("decanter", 1.0),),
}
ONE_HANDLE_SHARE = {"Saucepan": 0.7, "Frying Pan": 0.75, "Casserole": 0.2, "Wok": 0.5}
SLEEVES: Mapping[str, tuple[tuple[str, float], ...]] = {
    "T-Shirt": (("short", 0.7), ("long", 0.15), ("sleeveless", 0.15)),
    "Shirt": (("long", 0.65), ("short", 0.35)),
    "Sweater": (("long", 0.85), ("sleeveless", 0.15)),
    "Dress": (("sleeveless", 0.4), ("short", 0.35), ("long", 0.25)),
}
NECKLINES: Mapping[str, tuple[tuple[str, float], ...]] = {
    "T-Shirt": (("crew", 0.6), ("v-neck", 0.4)),
    "Shirt": (("collar", 1.0),),
    "Sweater": (("crew", 0.4), ("v-neck", 0.25), ("roll neck", 0.35)),
    "Dress": (("crew", 0.4), ("v-neck", 0.4), ("collar", 0.2)),
}


@dataclass(frozen=True, slots=True)
class DrawnListing:
    """A listing's row of the table, and the truth about it."""

    COLUMNS: ClassVar[tuple[str, ...]] = LISTING_FIELDS
    row: Mapping[str, str | None]
    truth: Mapping[str, object]
    counts: Mapping[str, int]


def draw_chunk(
    plans: Sequence[ListingPlan], *, folder: Path, params: DrawParams, taxonomy: Taxonomy
) -> list[DrawnListing]:
    """Draw the listings of `plans` and put their images into `folder`."""
    leaves = {leaf.name: leaf for leaf in taxonomy.leaves}
    return [_draw_listing(plan, folder=folder, params=params, leaves=leaves) for plan in plans]


def _draw_listing(
    plan: ListingPlan, *, folder: Path, params: DrawParams, leaves: Mapping[str, Category]
) -> DrawnListing:
    product = _make_product(plan, seed=params.seed)
    random = Random(f"{params.seed}/listing/{plan.index}")
    words = write_words(product, misleads=plan.title_misleads, has_images=bool(plan.defects), random=random)
    category, attributes = _label(plan, product, leaves=leaves, random=random)
    images = _draw_images(plan, product, folder=folder, params=params)
    row = {
        "id": _listing_id(plan.index),
        "title": words.title,
        "description": words.description,
        "brand": words.brand,
        "brand_description": words.brand_description,
        "images": ";".join(str(image["path"]) for image in images),
        "category": category,
        "attributes": json.dumps(attributes, sort_keys=True),
        "label_source": (LabelSource.AUDITED if plan.is_audited else LabelSource.UNAUDITED).value,
    }
    truth = {
        "id": _listing_id(plan.index),
        "brand": plan.brand.name,
        "category": leaves[product.category].path,
        "attributes": dict(product.attributes),
        "label_is_wrong": plan.label_is_wrong,
        "title_misleads": plan.title_misleads,
        "text_tells_category": words.tells_category,
        "images": images,
    }
    return DrawnListing(row=row, truth=truth, counts=_counts(plan))


def _counts(plan: ListingPlan) -> Counter[str]:
    counts = Counter(defect.value for defect in plan.defects if defect is not None)
    counts.update(
        images=len(plan.defects),
        duplicates=int(plan.copies is not None),
        wrong_labels=int(plan.label_is_wrong),
        misleading_titles=int(plan.title_misleads),
    )
    return counts


def _draw_images(
    plan: ListingPlan, product: Product, *, folder: Path, params: DrawParams
) -> list[dict[str, str | None]]:
    """Write the listing's images, the hero first; the path, defect and original of each."""
    truths: list[dict[str, str | None]] = []
    for number, defect in enumerate(plan.defects):
        path = _image_path(plan.index, number)
        original = _image_path(plan.copies, 0) if plan.copies is not None and number == 0 else None
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(_image_bytes(plan, product, number, params=params))
        truths.append({"path": path, "defect": defect.value if defect else None, "duplicate_of": original})
    return truths


def _image_bytes(plan: ListingPlan, product: Product, number: int, *, params: DrawParams) -> bytes:
    is_copy = plan.copies is not None and number == 0
    index = plan.product_index if is_copy else plan.index
    random = Random(f"{params.seed}/image/{index}/{number}")
    image = photograph(product, view_number=number, side=params.image_side_pixels, random=random)
    quality = random.randrange(86, 95)
    defect = plan.defects[number]
    if defect is not None:
        return spoil(image, defect, quality=quality, random=random)
    data = encode(image, quality=quality)
    if is_copy and not plan.copy_is_exact:
        return reencode(data, random=Random(f"{params.seed}/copy/{plan.index}"))
    return data


def _make_product(plan: ListingPlan, *, seed: int) -> Product:
    """The planned product; a listing that copies another has that one's product."""
    random = Random(f"{seed}/product/{plan.product_index}")
    place = random.choices(range(len(plan.brand.colours)), weights=(3, 2, 1))[0]
    return Product(
        category=plan.category,
        attributes=_attributes(plan.category, plan.brand, colour=plan.brand.colours[place], random=random),
        brand=plan.brand,
        tone=plan.brand.tones[place],
        stoutness=random.random(),
        detail=random.random(),
        number=random.randrange(1, 100),
    )


def _attributes(category: str, brand: Brand, *, colour: str, random: Random) -> dict[str, str]:
    if brand.department == "kitchen":
        handle = "one" if random.random() < ONE_HANDLE_SHARE[category] else "two"
        return {"lid": random.choice(("yes", "no")), "handle": handle}
    if brand.department == "clothing":
        return {
            "colour": colour,
            "sleeve length": _weighted(SLEEVES[category], random),
            "neckline": _weighted(NECKLINES[category], random),
        }
    return {"colour": colour, "container": _weighted(CONTAINERS[category], random)}


def _weighted(values: tuple[tuple[str, float], ...], random: Random) -> str:
    return random.choices([value for value, _ in values], weights=[weight for _, weight in values])[0]


def _label(
    plan: ListingPlan, product: Product, *, leaves: Mapping[str, Category], random: Random
) -> tuple[str, dict[str, str]]:
    """What the shop says the product is: its category path and most of its attributes, or another category's."""
    if not plan.label_is_wrong:
        known = {
            name: value for name, value in product.attributes.items() if random.random() < ATTRIBUTE_LABELLED_SHARE
        }
        return leaves[product.category].path, known
    near = DEPARTMENTS[product.brand.department] if random.random() < WRONG_WITHIN_DEPARTMENT_SHARE else tuple(leaves)
    leaf = leaves[random.choice([name for name in near if name != product.category])]
    own = product.attributes
    return leaf.path, {
        attribute.name: own[attribute.name] if attribute.name in own else random.choice(attribute.values)
        for attribute in leaf.choices
    }


def _listing_id(index: int) -> str:
    return f"{index:07d}"


def _image_path(index: int, number: int) -> str:
    return f"images/{index // LISTINGS_PER_FOLDER:04d}/{_listing_id(index)}-{number + 1}.jpg"
