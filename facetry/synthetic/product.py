"""What is drawn: a product, known by its category and attributes, in its brand's look."""

from collections.abc import Mapping
from dataclasses import dataclass

from facetry.synthetic.brands import Brand
from facetry.synthetic.colours import Colour


@dataclass(frozen=True, slots=True)
class Product:
    """A category (a leaf's own name), its true attributes, its tone, and small turns of its shape from 0 to 1."""

    category: str
    attributes: Mapping[str, str]
    brand: Brand
    tone: Colour
    stoutness: float
    detail: float
    number: int
