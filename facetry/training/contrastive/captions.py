"""All captions of a run as tensors, checked to be told apart by the model that is to learn them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from facetry.backbones.dual_encoder import PairEncoder
from facetry.decoding.captions import Facet
from facetry.errors import TrainingError


@dataclass(frozen=True)
class CaptionTable:
    """The captions of every facet, one after the other; `facet_of` says whose each is."""

    facets: tuple[Facet, ...]
    arguments: Mapping[str, torch.Tensor]
    facet_of: torch.Tensor

    @classmethod
    def of(cls, facets: Sequence[Facet], *, encoder: PairEncoder) -> "CaptionTable":
        """The table; a `TrainingError` when a caption is too long for the model, or is the same as another."""
        _check(facets, encoder=encoder)
        numbers = [number for number, facet in enumerate(facets) for _ in facet.values]
        texts = [caption for facet in facets for caption in facet.captions]
        return cls(tuple(facets), encoder.encode_captions(texts), torch.tensor(numbers))

    def __len__(self) -> int:
        return len(self.facet_of)

    def number(self, facet: int, value: str | None) -> int | None:
        """The number of the caption of a facet's value; None when it has no such value."""
        before = sum(len(each.values) for each in self.facets[:facet])
        values = self.facets[facet].values
        return before + values.index(value) if value in values else None

    def select(self, numbers: torch.Tensor) -> dict[str, torch.Tensor]:
        """The model's arguments for some of the captions, without places that none of them fills."""
        chosen = {name: tensor[numbers] for name, tensor in self.arguments.items()}
        if "attention_mask" in chosen:
            longest = int(chosen["attention_mask"].sum(dim=1).max())
            chosen = {name: tensor[:, :longest] for name, tensor in chosen.items()}
        return chosen


def _check(facets: Sequence[Facet], *, encoder: PairEncoder) -> None:
    known: dict[tuple[int, ...], str] = {}
    for facet in facets:
        for value, caption in zip(facet.values, facet.captions, strict=True):
            ids = tuple(encoder.caption_ids(caption))
            if len(ids) > encoder.num_caption_tokens:
                raise TrainingError(
                    f"train.contrastive.sentence: the caption '{caption}' has {len(ids)} tokens, the model reads "
                    f"{encoder.num_caption_tokens}: write a shorter one"
                )
            meaning = f"{facet.name} '{value}'"
            if ids in known:
                raise TrainingError(
                    f"train.contrastive: the caption '{caption}' stands for {known[ids]} and {meaning}: set captions "
                    "to sentence, with {name} in it, or learn them in runs of their own"
                )
            known[ids] = meaning
