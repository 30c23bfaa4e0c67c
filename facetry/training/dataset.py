"""Listings as training examples."""

import random
from collections.abc import Iterable
from typing import TypedDict

from torch.utils.data import Dataset

from facetry.config import PromptParams, TrainParams
from facetry.errors import RequestError
from facetry.listing import Listing
from facetry.prompting import AnswerPart, Prompt, answer_parts, compose
from facetry.taxonomy import Taxonomy


class Example(TypedDict):
    prompt: Prompt
    answer: list[AnswerPart]


class ListingDataset(Dataset[Example]):
    """Labelled listings of one split, held in memory as they were encoded; pictures are decoded when asked for.

    With `varied`, a field is left out now and then, as `params` says; without, a listing looks as it does when served.
    """

    def __init__(
        self, listings: Iterable[Listing], *, taxonomy: Taxonomy, params: TrainParams, varied: bool = False
    ) -> None:
        self._examples = [(each, each.label) for each in listings if each.label and each.says_something]
        self._taxonomy = taxonomy
        self._params = params
        self._varied = varied

    def __len__(self) -> int:
        return len(self._examples)

    def __getitem__(self, index: int) -> Example:
        listing, label = self._examples[index]
        answer = answer_parts(label, category=self._taxonomy.category(label.category))
        return Example(prompt=self._look_at(listing), answer=answer)

    def _look_at(self, listing: Listing) -> Prompt:
        if self._varied and random.random() < self._params.field_mask_probability:
            listing = mask_one_field(listing)
        return _compose(listing, params=self._params.prompt)


def mask_one_field(listing: Listing) -> Listing:
    """`listing` without one of its fields, chosen at random; its last field is never taken."""
    fields = [*listing.texts, *(["images"] if listing.usable_images else [])]
    return listing.without(random.choice(fields)) if len(fields) > 1 else listing


def _compose(listing: Listing, *, params: PromptParams) -> Prompt:
    try:
        return compose(listing, params=params)
    except RequestError as error:
        raise RequestError(f"listing '{listing.id}': {error}; run `facetry clean` on the catalogue first") from error
