"""How models that answer in words are taught: a listing's prompt, then its answer, in packed rows."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import distributed, nn
from torch.utils.data import DataLoader, Dataset
from transformers import PreTrainedModel

from facetry.backbones.encoder import PromptEncoder
from facetry.config import TrainParams
from facetry.taxonomy import Taxonomy
from facetry.training.batching import Packer
from facetry.training.dataset import Example, ListingDataset
from facetry.training.features import FeatureStore, encode_images, feature_keys, fill
from facetry.training.feed import Feed
from facetry.training.lesson import Lesson
from facetry.training.loading import loading
from facetry.training.measure import Lengths, measure
from facetry.training.objective import AnswerObjective
from facetry.training.parts import vision_is_frozen
from facetry.training.sampling import evaluation_batches
from facetry.training.segments import attend_within_segments

LISTINGS_PER_LOOK = 8


class AnswerLesson(Lesson):
    """Where nothing of the vision tower and the projector is learnt, images are looked at once, ahead of everything."""

    def __init__(self, encoder: PromptEncoder, *, taxonomy: Taxonomy, params: TrainParams) -> None:
        self.encoder = encoder
        self.family = encoder.family
        self.objective = AnswerObjective(encoder.family)
        self._taxonomy = taxonomy
        self._params = params
        self._store: FeatureStore | None = None

    def measure(self, feed: Feed) -> Lengths:
        return measure(feed, encoder=self.encoder, taxonomy=self._taxonomy, params=self._params)

    def adapt(self, model: PreTrainedModel, *, folder: Path) -> None:
        attend_within_segments(model)
        is_worth_it = self._params.cache_image_features and self._params.epochs > 1
        if is_worth_it and vision_is_frozen(model, family=self.family):
            self._store = FeatureStore(folder)

    def look_ahead(self, model: nn.Module, *, feeds: Sequence[Feed]) -> None:
        """Each rank looks at its share of the images, all of them at equally many batches."""
        if self._store is None:
            return
        model.eval()
        for feed in feeds:
            examples = ListingDataset(
                feed,
                taxonomy=self._taxonomy,
                params=self._params,
                encoder_resized_to=self.encoder.resized_to,
                varied=False,
            )
            batches = evaluation_batches(
                np.zeros(len(feed), dtype=np.int64),
                batch_size=LISTINGS_PER_LOOK,
                num_ranks=distributed.get_world_size(),
                rank=distributed.get_rank(),
            )
            loader = DataLoader(
                examples, batch_sampler=batches, collate_fn=partial(encode_images, encoder=self.encoder), **loading()
            )
            fill(self._store, loader, model=model, encoder=self.encoder, name=f"rank-{distributed.get_rank()}")
            distributed.barrier()
        model.train()

    def dataset(self, feed: Feed, *, varied: bool) -> Dataset[Example]:
        return ListingDataset(
            feed,
            taxonomy=self._taxonomy,
            params=self._params,
            encoder_resized_to=self.encoder.resized_to,
            varied=varied,
            knows_images=self._knows_images if self._store is not None else None,
        )

    def collate(self) -> Callable[[Sequence[Example]], dict[str, Any]]:
        return Packer(self.encoder, category_weight=self._params.category_weight, store=self._store)

    def _knows_images(self, example: Example) -> bool:
        return self._store is not None and all(key in self._store for key in feature_keys(example))
