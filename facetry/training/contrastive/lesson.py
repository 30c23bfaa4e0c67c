"""How CLIP and its kin are taught: pictures against the captions of what they show."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn
from transformers import PreTrainedModel

from facetry.backbones.dual_encoder import PairEncoder
from facetry.backbones.dual_family import DualEncoderFamily
from facetry.config import TrainParams
from facetry.decoding.captions import CATEGORY, learnt_facets
from facetry.errors import TrainingError
from facetry.taxonomy import Taxonomy
from facetry.training.contrastive.captions import CaptionTable
from facetry.training.contrastive.dataset import PictureCollator, PictureDataset
from facetry.training.contrastive.losses import UNKNOWN
from facetry.training.contrastive.objective import CaptionObjective
from facetry.training.feed import Feed
from facetry.training.lesson import Lesson
from facetry.training.measure import Lengths

NOT_SENT = "ds_optim_param"
"""An attribute by which DeepSpeed knows weights that ranks do not send each other at the start."""


class ContrastiveLesson(Lesson):
    """Every listing that has a picture and tells something of `contrastive.learn` is learnt from."""

    family: DualEncoderFamily

    def __init__(self, base_model: str, *, family: DualEncoderFamily, taxonomy: Taxonomy, params: TrainParams) -> None:
        _check(params)
        self.family = family
        self.facts = params.contrastive.learn
        self.encoder = PairEncoder.load(base_model, family=family)
        facets = learnt_facets(taxonomy, params=params.contrastive)
        self._captions = CaptionTable.of(facets, encoder=self.encoder)
        self._params = params
        self.objective = CaptionObjective(
            self._captions,
            family=family,
            blank=self.encoder.blank_image(),
            objective=params.contrastive.objective,
        )

    def measure(self, feed: Feed) -> Lengths:
        """Pictures are all alike; of the captions that a step reads, each listing is reckoned its share."""
        self._check_labels(feed)
        num_captions = 1 if self._params.contrastive.objective == "contrastive" else len(self._captions)
        captions_per_listing = -(-num_captions // self._params.batch_size)
        num_text_tokens = captions_per_listing * self._captions.arguments["input_ids"].shape[1]
        sizes = (num_text_tokens, self.encoder.num_image_tokens, 0)
        text, image, answer = (np.full(len(feed), size, dtype=np.int32) for size in sizes)
        return Lengths(text_tokens=text, image_tokens=image, answer_tokens=answer)

    def dataset(self, feed: Feed, *, varied: bool) -> PictureDataset:
        return PictureDataset(feed, captions=self._captions, encoder=self.encoder, params=self._params)

    def collate(self) -> Callable[[Sequence[Any]], dict[str, Any]]:
        return PictureCollator(self.encoder, num_facets=len(self._captions.facets))

    def adapt(self, model: PreTrainedModel, *, folder: Path) -> None:
        """Let the model's forward be `compare`: under ZeRO 3 there are no weights to be had outside of it.

        DeepSpeed fails to send a weight without dimensions (CLIP's `logit_scale`) from the first rank to the others.
        They have read the same one from the same file, so it is marked as one that is not sent.
        """
        model.forward = partial(self.family.compare, model)
        for weight in model.parameters():
            if weight.dim() == 0:
                setattr(weight, NOT_SENT, True)

    def look_ahead(self, model: nn.Module, *, feeds: Sequence[Feed]) -> None:
        """Nothing is kept: a tower that is frozen looks at its pictures anew in every epoch."""

    def _check_labels(self, feed: Feed) -> None:
        """Refuse a facet that nothing is known of, and say how many labels are not among its values."""
        values = (
            self.dataset(feed, varied=False).values if len(feed) else np.full((1, len(self._captions.facets)), UNKNOWN)
        )
        for number, facet in enumerate(self._captions.facets):
            num_known = int((values[:, number] != UNKNOWN).sum())
            if num_known == 0:
                raise TrainingError(
                    f"train.contrastive.learn: no listing with an image tells its '{facet.name}' in the train split, "
                    "or none in the validation split: label some, or learn something else"
                )
            num_labelled = sum(value is not None for value in feed.values(facet.name))
            if num_labelled > num_known:
                print(
                    f"{num_labelled - num_known} labels are no value of '{facet.name}' and are not learnt", flush=True
                )


def _check(params: TrainParams) -> None:
    if params.learn == "title":
        raise TrainingError("train.learn: title is for models that answer in words; CLIP and SigLIP learn labels")
    if params.metric == "category_accuracy" and CATEGORY not in params.contrastive.learn:
        raise TrainingError("train.metric: category_accuracy, but train.contrastive.learn does not name the category")
