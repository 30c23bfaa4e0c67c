"""One listing that was asked about: what it is, what was answered, and what the answer could rest on."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from facetry.decoding.answer import Answer
from facetry.errors import RequestError
from facetry.listing import Label, Listing


class Offer(StrEnum):
    """What a listing shows of its product."""

    TEXT_AND_IMAGE = "text and image"
    TEXT_ONLY = "text only"
    IMAGE_ONLY = "image only"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Case:
    """A labelled listing, without its pictures, and its answer or the reason why it has none."""

    id: str
    title: str | None
    brand: str | None
    offer: Offer
    label: Label
    answer: Answer | None = None
    error: str | None = None

    @classmethod
    def of(cls, listing: Listing, answer: Answer | RequestError, *, shown: Listing | None = None) -> Self:
        """The case of a labelled `listing`; `shown` is what was seen of it, when that is not all."""
        assert listing.label is not None
        return cls(
            id=listing.id,
            title=listing.title,
            brand=listing.brand,
            offer=_offer(shown or listing),
            label=listing.label,
            answer=None if isinstance(answer, RequestError) else answer,
            error=str(answer) if isinstance(answer, RequestError) else None,
        )

    @property
    def is_right(self) -> bool:
        """Whether the whole category path is right; a listing without an answer is a mistake."""
        return self.answer is not None and self.answer.category == self.label.category

    @property
    def probability(self) -> float:
        return self.answer.probability if self.answer is not None else 0.0

    @property
    def group(self) -> str:
        """The brand, however it is cased and spaced; a listing without one stands alone."""
        brand = " ".join((self.brand or "").split()).casefold()
        return f"brand {brand}" if brand else f"listing {self.id}"


def _offer(listing: Listing) -> Offer:
    if listing.texts:
        return Offer.TEXT_AND_IMAGE if listing.usable_images else Offer.TEXT_ONLY
    return Offer.IMAGE_ONLY if listing.usable_images else Offer.NOTHING
