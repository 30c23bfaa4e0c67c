"""The labels of this benchmark: 14 of a small shop, within Google's 5,582, within 10,000."""

import gzip
from pathlib import Path

GOOGLE = Path(__file__).parents[2] / "tests" / "data" / "google-product-taxonomy.en-US.txt.gz"
NUM_GOOGLE = 5582
NUMBERS_OF_LABELS = (14, NUM_GOOGLE, 10_000)
SHOP = (
    "Apparel & Accessories > Clothing > Dresses",
    "Apparel & Accessories > Clothing > Shirts & Tops",
    "Apparel & Accessories > Clothing > Skirts",
    "Apparel & Accessories > Clothing > Outerwear > Coats & Jackets",
    "Apparel & Accessories > Shoes",
    "Apparel & Accessories > Handbags, Wallets & Cases > Handbags",
    "Health & Beauty > Personal Care > Cosmetics > Skin Care > Lotion & Moisturizer",
    "Health & Beauty > Personal Care > Cosmetics > Skin Care > Facial Cleansers",
    "Health & Beauty > Personal Care > Cosmetics > Bath & Body > Bar Soap",
    "Health & Beauty > Personal Care > Cosmetics > Bath & Body > Bath Additives",
    "Home & Garden > Kitchen & Dining > Cookware & Bakeware > Cookware > Skillets & Frying Pans",
    "Home & Garden > Kitchen & Dining > Cookware & Bakeware > Cookware > Stock Pots",
    "Home & Garden > Linens & Bedding > Towels > Bath Towels & Washcloths",
    "Home & Garden > Linens & Bedding > Towels > Beach Towels",
)
FOR_WHOM = ("For Children", "For Professionals")


def labels(number: int) -> list[str]:
    """The shop's labels; or all of Google's, filled up with finer ones that are made up."""
    if number == len(SHOP):
        return list(SHOP)
    with gzip.open(GOOGLE, "rt", encoding="utf-8") as file:
        google = [line.rstrip("\n").partition(" - ")[2] for line in file if not line.startswith("#")]
    finer = [f"{path} > {whom}" for whom in FOR_WHOM for path in google if path not in SHOP]
    return [*google, *finer][:number]
