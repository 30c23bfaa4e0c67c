"""Examples to one packed row of tensors, with a loss on the learnt parts of the answers only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from facetry.backbones.encoder import PromptEncoder, model_positions
from facetry.backbones.family import AnsweringFamily, ImageInput
from facetry.prompting import AnswerPart
from facetry.training.dataset import Example
from facetry.training.features import NOTHING_TO_SEE, FeatureStore, feature_keys

IGNORED = -100
CATEGORY, ATTRIBUTE = 1, 2
Batch = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Segment:
    """A prompt and its answer, and what should be said after each of their tokens."""

    ids: Sequence[int]
    images: Sequence[ImageInput]
    targets: Sequence[int]
    weights: Sequence[float]
    kinds: Sequence[int]


class Packer:
    """Puts the examples of a micro-batch one after the other into a single row; nothing is padded.

    A batch holds the model's arguments under `model`, and for each place of the row the token that should come next
    (`targets`, IGNORED where nothing is learnt), how much it counts (`weights`), whether it belongs to the CATEGORY or
    an ATTRIBUTE (`kinds`), and which example it is of (`owners`); `broken` are listings that lack an image here, as it
    cannot be decoded. With a `store`, images come as the `features` that it keeps.
    """

    def __init__(self, encoder: PromptEncoder, *, category_weight: float, store: FeatureStore | None = None) -> None:
        self._encoder = encoder
        self._category_weight = category_weight
        self._store = store
        self._known: dict[AnswerPart, list[int]] = {}

    def __call__(self, examples: Sequence[Example]) -> Batch:
        segments = [self._segment(example) for example in examples]
        if not (any(segment.images for segment in segments) if self._store is None else segments):
            segments.append(self._blank())
        lengths = torch.tensor([0, *(len(segment.ids) for segment in segments)])
        images = [segment.images for segment in segments]
        positions = [self._encoder.positions(segment.ids, segment.images) for segment in segments]
        model: dict[str, Any] = {
            "input_ids": _row([segment.ids for segment in segments], torch.long),
            "position_ids": model_positions(torch.cat(positions, dim=1)[:, None]),
            "segment_ends": lengths.cumsum(0).int(),
            "longest_segment": int(lengths.max()),
        }
        batch: Batch = {
            "model": model,
            "targets": _row([segment.targets for segment in segments], torch.long),
            "weights": _row([segment.weights for segment in segments], torch.float),
            "kinds": _row([segment.kinds for segment in segments], torch.long),
            "owners": torch.repeat_interleave(torch.arange(len(segments)), lengths[1:])[None],
            "listing_ids": [example.listing_id for example in examples],
            "num_prompt_tokens": int(lengths.sum()),
            "broken": [example.listing_id for example in examples if example.num_broken_images],
        }
        if self._store is None:
            model |= self._encoder.collate(images)
        elif features := [self._store.features(key) for example in examples for key in feature_keys(example)]:
            batch["features"] = features
        return batch

    def _segment(self, example: Example) -> _Segment:
        if self._store is None:
            encoded = self._encoder.encode(example.prompt)
            ids, images = list(encoded.token_ids), encoded.images
        else:
            images = tuple(self._store.image(key) for key in feature_keys(example))
            counts = [image.num_tokens for image in images]
            ids = list(self._encoder.expand(self._encoder.template_ids(example.prompt), counts))
        learnt, weights, kinds = [IGNORED] * len(ids), [0.0] * len(ids), [0] * len(ids)
        for place, part in enumerate(example.answer):
            tokens = self._tokens(part)
            ids += tokens
            learnt += [IGNORED] * len(tokens) if part.is_question else tokens
            weights += [(self._category_weight if place == 0 else 1.0) * example.weight] * len(tokens)
            kinds += [CATEGORY if place == 0 else ATTRIBUTE] * len(tokens)
        return _Segment(
            ids=ids,
            images=images,
            targets=[*learnt[1:], self._encoder.end_id],
            weights=[*weights[1:], example.weight],
            kinds=[*kinds[1:], ATTRIBUTE],
        )

    def _blank(self) -> _Segment:
        """Something to run the model on, with a picture where pictures are seen."""
        if self._store is not None:
            return _Segment([self._encoder.end_id], (), [IGNORED], [0.0], [0])
        encoded = self._encoder.encode(NOTHING_TO_SEE)
        length = len(encoded.token_ids)
        return _Segment(encoded.token_ids, encoded.images, [IGNORED] * length, [0.0] * length, [0] * length)

    def _tokens(self, part: AnswerPart) -> list[int]:
        if part not in self._known:
            self._known[part] = self._encoder.token_ids(part)
        return self._known[part]


@dataclass(frozen=True, slots=True)
class LearntTokens:
    """The learnt places of a batch: what each cost, how much it counts, its kind, its example, whether it was right."""

    losses: torch.Tensor
    weights: torch.Tensor
    kinds: torch.Tensor
    owners: torch.Tensor
    right: torch.Tensor

    @property
    def loss_sum(self) -> torch.Tensor:
        return (self.losses * self.weights).sum()

    def loss_by_listing(self, num_listings: int) -> torch.Tensor:
        """Each listing's mean loss of a learnt token."""
        owned = torch.stack([self.losses, torch.ones_like(self.losses)])
        sums, counts = owned.new_zeros(2, num_listings).index_add(1, self.owners, owned)
        means: torch.Tensor = sums / counts
        return means


def learn(model: nn.Module, batch: Mapping[str, Any], *, family: AnsweringFamily) -> LearntTokens:
    """Run `model` on a packed batch. Logits are computed at the learnt places only: a vocabulary is large."""
    learnt = batch["targets"] != IGNORED
    seen = {"mm_encoder_outputs": {"image": family.as_output(batch["features"])}} if "features" in batch else {}
    logits = model(**batch["model"], **seen, logits_to_keep=learnt, use_cache=False).logits.float()
    targets = batch["targets"][learnt]
    return LearntTokens(
        losses=nn.functional.cross_entropy(logits, targets, reduction="none"),
        weights=batch["weights"][learnt],
        kinds=batch["kinds"][learnt],
        owners=batch["owners"][learnt],
        right=logits.detach().argmax(dim=-1) == targets,
    )


def _row(values: Sequence[Sequence[float]], dtype: torch.dtype) -> torch.Tensor:
    return torch.tensor([each for of_one in values for each in of_one], dtype=dtype)[None]
