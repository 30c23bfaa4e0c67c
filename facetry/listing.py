"""A product listing, as every stage sees it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from facetry.errors import ConfigError

TEXT_FIELDS = ("title", "description", "brand", "brand_description")
DUPLICATE_OF = "duplicate of "
"""How the rejection of an image begins that names the listing whose image survives."""


class LabelSource(StrEnum):
    """Who said so; later ones are worth more."""

    UNAUDITED = "unaudited"
    TEACHER = "teacher"
    AUDITED = "audited"
    HUMAN = "human"


class Split(StrEnum):
    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Label:
    """A category path (`A > B > C`) and attribute values, and where they come from."""

    category: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    source: LabelSource = LabelSource.UNAUDITED


@dataclass(frozen=True, slots=True)
class ListingImage:
    """An encoded image, the path it came from, why `clean` rejected it, if it did, and which images it resembles.

    An image that resembles a better one, directly or by way of others, has the name of the best of them as its
    `cluster`. That best one has none itself, so copies that are added later do not change it.
    """

    data: bytes
    path: str
    rejection: str | None = None
    cluster: str | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """Words and pictures of one product. Every text may be absent, and so may the images.

    `candidates` are the categories that this listing is known to be one of; empty means any of the taxonomy.
    """

    id: str
    title: str | None = None
    description: str | None = None
    brand: str | None = None
    brand_description: str | None = None
    images: tuple[ListingImage, ...] = ()
    label: Label | None = None
    candidates: tuple[str, ...] = ()
    split: Split | None = None

    @property
    def clusters(self) -> frozenset[str]:
        """The clusters that its images are in: those they name, and those that are named after them."""
        named = (image.cluster for image in self.images if image.cluster is not None)
        return frozenset(named).union(image_name(self.id, number) for number in range(len(self.images)))

    @property
    def usable_images(self) -> tuple[ListingImage, ...]:
        return tuple(image for image in self.images if image.rejection is None)

    @property
    def texts(self) -> dict[str, str]:
        """The text fields that say something, in reading order."""
        present = ((name, getattr(self, name)) for name in TEXT_FIELDS)
        return {name: text for name, text in present if text and text.strip()}

    def without(self, name: str) -> "Listing":
        """A copy that lacks one of its text fields, or its `images`."""
        change: dict[str, Any] = {name: () if name == "images" else None}
        return replace(self, **change)

    @property
    def says_something(self) -> bool:
        return bool(self.usable_images or self.texts)


def image_name(listing_id: str, number: int) -> str:
    """What an image is called in the `cluster` of those that resemble it, as `A12#0`."""
    return f"{listing_id}#{number}"


def parse_split(name: str) -> Split:
    """The split called `name`."""
    if name not in list(Split):
        raise ConfigError(f"unknown split '{name}': use {', '.join(Split)}")
    return Split(name)
