"""The engine of CLIP and its kin: a picture is what the nearest of the captions says."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from pydantic import BaseModel, ValidationError

from facetry.backbones.dual_encoder import DualEncoder
from facetry.backbones.dual_family import DualEncoderFamily
from facetry.config import ContrastiveParams
from facetry.decoding.answer import Answer
from facetry.decoding.captions import CATEGORY, Facet, category_facet, learnt_facets, values_in
from facetry.decoding.checkpoint import CARD_NAME, Checkpoint, CheckpointCard
from facetry.errors import CheckpointError, RequestError
from facetry.listing import Listing
from facetry.prompting import decode_image
from facetry.taxonomy import Taxonomy

CAPTIONS_AT_ONCE = 1024


class CaptionEngine:
    """Answers listings by their first picture, with a category of the taxonomy and values of the attributes learnt.

    Where the category was learnt, attributes are answered that the answered category has, from the values it allows.
    Where it was not, the category is only what the model made of its caption before (zero-shot), so it decides nothing:
    every learnt attribute is answered, from all its values.
    """

    def __init__(self, encoder: DualEncoder, *, taxonomy: Taxonomy, params: ContrastiveParams) -> None:
        self.taxonomy = taxonomy
        self._dual_encoder = encoder
        self._knows_category = CATEGORY in params.learn
        self._category = category_facet(taxonomy, params=params)
        attributes = [facet for facet in learnt_facets(taxonomy, params=params) if facet.name != CATEGORY]
        self._places = {facet.name: {value: place for place, value in enumerate(facet.values)} for facet in attributes}
        self._captions = {facet.name: self._embed_captions(facet) for facet in (self._category, *attributes)}

    @classmethod
    def load(cls, folder: Path, *, family: DualEncoderFamily) -> "CaptionEngine":
        """The engine of the checkpoint at `folder`, a model of `family`."""
        checkpoint = Checkpoint.open(folder)
        try:
            params = _captions_learnt_last(checkpoint.card)
        except ValidationError as error:
            raise CheckpointError(f"{folder / CARD_NAME} does not tell its captions: train it again") from error
        return cls(DualEncoder.load(folder, family=family), taxonomy=checkpoint.taxonomy, params=params)

    @torch.inference_mode()
    def answer(self, listings: Sequence[Listing]) -> list[Answer | RequestError]:
        """An answer for each listing, in order; a listing that cannot be answered has its error instead."""
        seen = [self._look_at(listing) for listing in listings]
        pixels = [each for each in seen if isinstance(each, torch.Tensor)]
        answers = iter(self._answer_pictures(torch.stack(pixels)) if pixels else [])
        return [next(answers) if isinstance(each, torch.Tensor) else each for each in seen]

    def _look_at(self, listing: Listing) -> torch.Tensor | RequestError:
        if not listing.usable_images:
            return RequestError("the listing holds no image and the model sees nothing else: give one")
        try:
            encoder = self._dual_encoder.encoder
            picture = decode_image(listing.usable_images[0].data, resized_to=encoder.resized_to)
            return encoder.encode_image(picture)
        except RequestError as error:
            return error

    def _answer_pictures(self, pixels: torch.Tensor) -> list[Answer]:
        images = self._dual_encoder.embed_images(pixels)
        logits = {name: self._dual_encoder.logits(images, captions) for name, captions in self._captions.items()}
        return [self._answer({name: of_facet[row] for name, of_facet in logits.items()}) for row in range(len(pixels))]

    def _answer(self, logits: Mapping[str, torch.Tensor]) -> Answer:
        """The answer of one picture, whose fit to the captions of each facet is `logits`."""
        category, probability = _best(self._category.values, logits[CATEGORY])
        found = {
            name: _best(values, logits[name][[self._places[name][value] for value in values]])
            for name in self._places
            if (values := self._allowed(name, category=category))
        }
        return Answer(
            category=category,
            probability=probability,
            attributes={name: value for name, (value, _) in found.items()},
            attribute_probabilities={name: probability for name, (_, probability) in found.items()},
        )

    def _allowed(self, name: str, *, category: str) -> tuple[str, ...]:
        """The values from which an attribute is answered; none when it is not."""
        return values_in(self.taxonomy.category(category), name) if self._knows_category else tuple(self._places[name])

    @torch.inference_mode()
    def _embed_captions(self, facet: Facet) -> torch.Tensor:
        parts = [facet.captions[start:][:CAPTIONS_AT_ONCE] for start in range(0, len(facet.captions), CAPTIONS_AT_ONCE)]
        encoder = self._dual_encoder.encoder
        return torch.cat([self._dual_encoder.embed_captions(encoder.encode_captions(part)) for part in parts])


class _Stage(BaseModel):
    contrastive: Mapping[str, object] = {}


class _Trained(BaseModel):
    contrastive: Mapping[str, object]
    stages: tuple[_Stage, ...] = ()


def _captions_learnt_last(card: CheckpointCard) -> ContrastiveParams:
    """What the last of a checkpoint's runs was about."""
    trained = _Trained.model_validate(card.params)
    last = trained.stages[-1].contrastive if trained.stages else {}
    return ContrastiveParams.model_validate({**trained.contrastive, **last})


def _best(values: Sequence[str], logits: torch.Tensor) -> tuple[str, float]:
    """The value whose caption fits best, and its share of the probability."""
    probabilities = logits.double().softmax(dim=0)
    best = int(probabilities.argmax())
    return values[best], float(probabilities[best])
