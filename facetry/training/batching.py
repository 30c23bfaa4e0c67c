"""Examples to a batch of tensors, with a loss on the learnt parts of the answers only."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from PIL import Image

from facetry.decoding.backbone import Backbone
from facetry.prompting import AnswerPart, Prompt
from facetry.training.dataset import Example

IGNORED = -100
BLANK_SIDE_PIXELS = 28
NOTHING_TO_SEE = Prompt(
    ({"role": "user", "content": [{"type": "image"}]},),
    (Image.new("RGB", (BLANK_SIDE_PIXELS, BLANK_SIDE_PIXELS), "white"),),
)
"""A row that nothing is learnt from, for batches without a picture.

Ranks exchange the gradients of the vision tower in the order in which they come, so it must run on every rank.
"""

_Number = TypeVar("_Number", int, float)


class Batcher:
    """Encodes examples by the backbone's own processor; questions inside an answer are shown, not learnt.

    `targets` holds, at each position, the token that should come next, or IGNORED; `weights` says how much it counts.
    """

    def __init__(self, backbone: Backbone, *, category_weight: float) -> None:
        self._backbone = backbone
        self._category_weight = category_weight
        self._image_token_id = backbone.model.config.image_token_id
        self._end: list[int] = [backbone.processor.tokenizer.eos_token_id]
        self._known: dict[AnswerPart, list[int]] = {}

    def __call__(self, examples: Sequence[Example]) -> dict[str, torch.Tensor]:
        prompts = [example["prompt"] for example in examples]
        answers: list[list[AnswerPart] | None] = [example["answer"] for example in examples]
        if not any(prompt.images for prompt in prompts):
            prompts, answers = [*prompts, NOTHING_TO_SEE], [*answers, None]
        encoded = self._backbone.processor.encode(prompts)
        rows = [
            self._with_answer(prompt_ids, answer) if answer is not None else _unlearnt(prompt_ids)
            for prompt_ids, answer in zip(encoded["input_ids"], answers, strict=True)
        ]
        length = max(len(row.ids) for row in rows)
        input_ids = torch.tensor(
            [_padded(row.ids, length, self._backbone.processor.tokenizer.pad_token_id) for row in rows]
        )
        batch = {
            "input_ids": input_ids,
            "targets": torch.tensor([_padded(row.targets, length, IGNORED) for row in rows]),
            "weights": torch.tensor([_padded(row.weights, length, 0.0) for row in rows]),
            "attention_mask": torch.tensor([_padded([1] * len(row.ids), length, 0) for row in rows]),
            "mm_token_type_ids": (input_ids == self._image_token_id).int(),
        }
        batch["pixel_values"] = torch.from_numpy(encoded["pixel_values"])
        batch["image_grid_thw"] = torch.from_numpy(encoded["image_grid_thw"])
        return batch

    def _with_answer(self, prompt_ids: list[int], answer: Sequence[AnswerPart]) -> "_Row":
        ids, learnt, weights = list(prompt_ids), [IGNORED] * len(prompt_ids), [0.0] * len(prompt_ids)
        for place, part in enumerate(answer):
            tokens = self._tokens(part)
            ids += tokens
            learnt += [IGNORED] * len(tokens) if part.is_question else tokens
            weights += [self._category_weight if place == 0 else 1.0] * len(tokens)
        next_tokens, next_weights = [*learnt[1:], *self._end], [*weights[1:], 1.0]
        return _Row(ids=ids, targets=next_tokens, weights=next_weights)

    def _tokens(self, part: AnswerPart) -> list[int]:
        if part not in self._known:
            self._known[part] = self._backbone.token_ids(part)
        return self._known[part]


def _unlearnt(prompt_ids: list[int]) -> "_Row":
    return _Row(ids=prompt_ids, targets=[IGNORED] * len(prompt_ids), weights=[0.0] * len(prompt_ids))


@dataclass(frozen=True, slots=True)
class _Row:
    """A prompt and its answer, and what should be said after each of their tokens."""

    ids: list[int]
    targets: list[int]
    weights: list[float]


def _padded(values: list[_Number], length: int, filler: _Number) -> list[_Number]:
    return values + [filler] * (length - len(values))
