"""Listings as training examples."""

import random
from collections.abc import Iterable
from typing import TypedDict

from torch.utils.data import Dataset

from facetry.config import PromptParams
from facetry.errors import RequestError
from facetry.listing import Listing
from facetry.prompting import AnswerPart, Prompt, answer_parts, compose
from facetry.taxonomy import Taxonomy


class Example(TypedDict):
    prompt: Prompt
    answer: list[AnswerPart]


class ListingDataset(Dataset[Example]):
    """Labelled listings of one split, held in memory as they were encoded; pictures are decoded when asked for."""

    def __init__(
        self,
        listings: Iterable[Listing],
        *,
        taxonomy: Taxonomy,
        prompt: PromptParams,
        field_mask_probability: float = 0.0,
    ) -> None:
        self._examples = [(each, each.label) for each in listings if each.label and each.says_something]
        self._taxonomy = taxonomy
        self._prompt = prompt
        self._field_mask_probability = field_mask_probability

    def __len__(self) -> int:
        return len(self._examples)

    def __getitem__(self, index: int) -> Example:
        listing, label = self._examples[index]
        if random.random() < self._field_mask_probability:
            listing = mask_one_field(listing)
        answer = answer_parts(label, category=self._taxonomy.category(label.category))
        return Example(prompt=_compose(listing, params=self._prompt), answer=answer)


def mask_one_field(listing: Listing) -> Listing:
    """`listing` without one of its fields, chosen at random; its last field is never taken."""
    fields = [*listing.texts, *(["images"] if listing.usable_images else [])]
    return listing.without(random.choice(fields)) if len(fields) > 1 else listing


def _compose(listing: Listing, *, params: PromptParams) -> Prompt:
    try:
        return compose(listing, params=params)
    except RequestError as error:
        raise RequestError(f"listing '{listing.id}': {error}; run `facetry clean` on the catalogue first") from error
