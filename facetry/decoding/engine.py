"""The one engine that answers listings: evaluation, releases and Triton all call it."""

from collections.abc import Sequence
from pathlib import Path

import torch

from facetry.backbones.backbone import Backbone
from facetry.backbones.dual_family import DualEncoderFamily
from facetry.backbones.encoder import load_config
from facetry.backbones.registry import find_family
from facetry.config import PromptParams
from facetry.decoding.answer import Answer
from facetry.decoding.caption_engine import CaptionEngine
from facetry.decoding.checkpoint import Checkpoint
from facetry.decoding.reading import Reading
from facetry.decoding.search import Found, rank
from facetry.decoding.trie import Trie
from facetry.errors import RequestError
from facetry.listing import Listing
from facetry.prompting import Prompt, attribute_question, category_part, compose, value_part
from facetry.taxonomy import Attribute, Taxonomy


class Engine:
    """Answers listings with a category of the taxonomy and a value for each of its attributes, never anything else."""

    def __init__(self, backbone: Backbone, *, taxonomy: Taxonomy, prompt: PromptParams) -> None:
        self.backbone = backbone
        self.taxonomy = taxonomy
        self._prompt = prompt
        self._categories = Trie.compile(
            {leaf.path: backbone.token_ids(category_part(leaf.path)) for leaf in taxonomy.leaves}
        )
        self._values = {
            attribute: Trie.compile({value: backbone.token_ids(value_part(value)) for value in attribute.values})
            for leaf in taxonomy.leaves
            for attribute in leaf.choices
        }

    @classmethod
    def load(cls, folder: Path) -> "Engine | CaptionEngine":
        """The engine of the checkpoint at `folder`; one of its own for a model that compares pictures with captions."""
        checkpoint = Checkpoint.open(folder)
        family = find_family(load_config(folder), folder=folder)
        if isinstance(family, DualEncoderFamily):
            return CaptionEngine.load(folder, family=family)
        return cls(Backbone.load(folder), taxonomy=checkpoint.taxonomy, prompt=checkpoint.card.prompt)

    def answer(self, listings: Sequence[Listing]) -> list[Answer | RequestError]:
        """An answer for each listing, in order; a listing that cannot be answered has its error instead."""
        composed = [self.compose(listing) for listing in listings]
        answers = iter(self._answer_prompts([prompt for prompt in composed if isinstance(prompt, Prompt)]))
        return [next(answers) if isinstance(prompt, Prompt) else prompt for prompt in composed]

    def compose(self, listing: Listing) -> Prompt | RequestError:
        """What the model is shown of `listing`, or why it cannot be shown."""
        try:
            return compose(listing, params=self._prompt, resized_to=self.backbone.encoder.resized_to)
        except RequestError as error:
            return error

    @torch.inference_mode()
    def _answer_prompts(self, prompts: Sequence[Prompt]) -> list[Answer]:
        if not prompts:
            return []
        reading = Reading(self.backbone, prompts)
        categories = [found for found in _best(reading, [self._categories] * len(prompts)) if found]
        values = self._find_values(reading, categories)
        return [_answer(category, of_category) for category, of_category in zip(categories, values, strict=True)]

    def _find_values(self, reading: Reading, categories: Sequence[Found]) -> list[dict[str, Found]]:
        """For each row, the values of its category's attributes, asked one after the other."""
        attributes = [self.taxonomy.category(category.label).choices for category in categories]
        values: list[dict[str, Found]] = [{} for _ in categories]
        unread = [category.tokens for category in categories]
        for turn in range(max(len(of_category) for of_category in attributes)):
            asked: list[Attribute | None] = [
                of_category[turn] if turn < len(of_category) else None for of_category in attributes
            ]
            reading.read(
                [(*said, *self._question_ids(attribute)) for said, attribute in zip(unread, asked, strict=True)]
            )
            found = _best(reading, [self._values[attribute] if attribute else None for attribute in asked])
            unread = [value.tokens if value else () for value in found]
            for row, (attribute, value) in enumerate(zip(asked, found, strict=True)):
                if attribute and value:
                    values[row][attribute.name] = value
        return values

    def _question_ids(self, attribute: Attribute | None) -> list[int]:
        return self.backbone.token_ids(attribute_question(attribute.name)) if attribute else []


def _best(reading: Reading, tries: Sequence[Trie | None]) -> list[Found | None]:
    """For each row the most probable label of its trie; None where it has no trie."""
    return [ranking.found[0] if ranking else None for ranking in rank(reading, tries)]


def _answer(category: Found, values: dict[str, Found]) -> Answer:
    return Answer(
        category=category.label,
        probability=category.probability,
        attributes={name: value.label for name, value in values.items()},
        attribute_probabilities={name: value.probability for name, value in values.items()},
    )
