"""What a listing says of its product: at times what it is, at times nothing, at times something else."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from facetry.synthetic.brands import DEPARTMENTS, Brand
from facetry.synthetic.product import Product

TITLE_TELLS_SHARE = 0.6
DESCRIPTION_TELLS_SHARE = 0.15
SYNONYM_SHARE = 0.25
NULL_SHARES: Mapping[str, float] = {"title": 0.05, "description": 0.2, "brand": 0.02, "brand_description": 0.3}

SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "Moisturiser": ("day cream", "hydrating cream"),
    "Exfoliator": ("face scrub", "polishing scrub"),
    "Eye Care": ("eye cream", "under-eye gel"),
    "Cleanser": ("face wash", "cleansing gel"),
    "Serum": ("concentrate", "booster drops"),
    "Toner": ("tonic", "facial lotion"),
    "Mist": ("face spray", "facial spritz"),
    "Balm": ("salve", "ointment"),
    "Mask": ("sheet treatment", "face pack"),
    "Peel": ("resurfacing ampoules", "acid treatment"),
    "Oil": ("facial elixir", "nourishing drops"),
    "Bath Salts": ("soaking salts", "bath crystals"),
    "Body Wash": ("shower gel", "shower cream"),
    "Bath Oil": ("bathing elixir", "bath essence"),
    "Saucepan": ("milk pan", "sauce pot"),
    "Frying Pan": ("skillet", "fry pan"),
    "Casserole": ("Dutch oven", "stew pot"),
    "Wok": ("stir-fry pan", "stir-fryer"),
    "T-Shirt": ("tee", "jersey top"),
    "Shirt": ("button-down", "oxford"),
    "Sweater": ("jumper", "pullover"),
    "Dress": ("frock", "gown"),
}

_LINES = (
    "Everyday",
    "Signature",
    "Atelier",
    "Calm",
    "Northern",
    "Heritage",
    "First Light",
    "Slow",
    "Essential",
    "Harbour",
)
_NOTES: Mapping[str, tuple[str, ...]] = {
    "beauty": ("fig & cedar", "rose water", "oat milk", "sea fennel", "neroli", "green tea", "chamomile", "yuzu"),
    "kitchen": ("hand finished", "induction ready", "oven safe", "heavy base", "lifetime guarantee", "family size"),
    "clothing": ("organic cotton", "relaxed fit", "washed finish", "soft handle", "made to last", "limited edition"),
}
_SIZES: Mapping[str, tuple[str, ...]] = {
    "beauty": ("30 ml", "50 ml", "75 ml", "150 ml", "travel size"),
    "kitchen": ("20 cm", "24 cm", "28 cm", "large"),
    "clothing": ("S", "M", "L", "XL"),
}
_PRAISE: Mapping[str, tuple[str, ...]] = {
    "beauty": (
        "Leaves skin soft and calm.",
        "Vegan and cruelty free.",
        "A small pause in a long day.",
        "Made with oils pressed cold.",
    ),
    "kitchen": (
        "Heats evenly and cleans in a minute.",
        "Goes from hob to table.",
        "Gets better with every meal.",
        "Safe on every hob.",
    ),
    "clothing": (
        "Cut to be worn for years.",
        "Wash it cold and it keeps its shape.",
        "Goes with all you own.",
        "Sewn by people we know.",
    ),
}
_GOODS = {"beauty": "skin and bath care", "kitchen": "cookware", "clothing": "clothes"}
_MANNERS = ("small batches of", "honest", "unhurried", "plain-spoken", "beautiful everyday")


@dataclass(frozen=True, slots=True)
class Words:
    """A listing's four texts, and whether any of them names what the product is."""

    title: str | None
    description: str | None
    brand: str | None
    brand_description: str | None
    tells_category: bool


def write_words(product: Product, *, misleads: bool, has_images: bool, random: Random) -> Words:
    """The texts for `product`. The title names another category when it `misleads`, the right one without images."""
    chance = random.random()
    title_tells = not misleads and (chance < TITLE_TELLS_SHARE or not has_images)
    description_tells = not misleads and TITLE_TELLS_SHARE <= chance < TITLE_TELLS_SHARE + DESCRIPTION_TELLS_SHARE
    named = _another_category(product, random) if misleads else product.category
    title = _title(product, named if title_tells or misleads else None, random)
    description = _description(product, product.category if description_tells else None, random)
    kept = {name: random.random() >= share for name, share in NULL_SHARES.items()}
    return Words(
        title=title if kept["title"] or misleads or not has_images else None,
        description=description if kept["description"] else None,
        brand=product.brand.name if kept["brand"] else None,
        brand_description=describe_brand(product.brand) if kept["brand_description"] else None,
        tells_category=(title_tells and (kept["title"] or not has_images))
        or (description_tells and kept["description"]),
    )


def describe_brand(brand: Brand) -> str:
    """The same words in every listing of a brand; half of the brands say which kind of goods they make."""
    random = Random(f"about/{brand.name}")
    goods = _GOODS[brand.department] if random.random() < 0.5 else "things"
    return f"{brand.name} makes {random.choice(_MANNERS)} {goods}."


def _title(product: Product, named: str | None, random: Random) -> str:
    department = product.brand.department
    line, note, size = random.choice(_LINES), random.choice(_NOTES[department]), random.choice(_SIZES[department])
    if named is None:
        return random.choice(
            (
                f"{line} No. {product.number} {note}",
                f"{product.brand.name} {line} {note}, {size}",
                f"{line} {note} {size}",
            )
        )
    noun = _noun(named, random)
    return random.choice(
        (f"{line} {noun} {note}", f"{product.brand.name} {noun}, {size}", f"{noun} with {note} No. {product.number}")
    )


def _description(product: Product, named: str | None, random: Random) -> str:
    parts = [f"A {_noun(named, random).lower()} for every day."] if named else []
    parts.append(random.choice(_PRAISE[product.brand.department]))
    colour = product.attributes.get("colour")
    if colour is not None and random.random() < 0.3:
        parts.append(f"Comes in {colour}.")
    if product.attributes.get("lid") == "yes" and random.random() < 0.3:
        parts.append("Lid included.")
    return " ".join(parts)


def _noun(category: str, random: Random) -> str:
    return random.choice(SYNONYMS[category]).capitalize() if random.random() < SYNONYM_SHARE else category


def _another_category(product: Product, random: Random) -> str:
    return random.choice([name for name in DEPARTMENTS[product.brand.department] if name != product.category])
