"""Examples to a batch of tensors, with a loss on the learnt parts of the answers only."""

from collections.abc import Sequence

import torch

from facetry.decoding.backbone import Backbone
from facetry.prompting import AnswerPart
from facetry.training.dataset import Example

IGNORED = -100


class Batcher:
    """Encodes examples by the backbone's own processor; questions inside an answer are shown, not learnt."""

    def __init__(self, backbone: Backbone) -> None:
        self._backbone = backbone
        self._image_token_id = backbone.model.config.image_token_id
        self._end = [backbone.processor.tokenizer.eos_token_id]
        self._known: dict[AnswerPart, list[int]] = {}

    def __call__(self, examples: Sequence[Example]) -> dict[str, torch.Tensor]:
        encoded = self._backbone.processor.encode([example["prompt"] for example in examples])
        rows = [
            self._with_answer(prompt_ids, example["answer"])
            for prompt_ids, example in zip(encoded["input_ids"], examples, strict=True)
        ]
        length = max(len(ids) for ids, _ in rows)
        pad = self._backbone.processor.tokenizer.pad_token_id
        input_ids = torch.tensor([ids + [pad] * (length - len(ids)) for ids, _ in rows])
        batch = {
            "input_ids": input_ids,
            "labels": torch.tensor([labels + [IGNORED] * (length - len(labels)) for _, labels in rows]),
            "attention_mask": torch.tensor([[1] * len(ids) + [0] * (length - len(ids)) for ids, _ in rows]),
            "mm_token_type_ids": (input_ids == self._image_token_id).int(),
        }
        if "pixel_values" in encoded:
            batch["pixel_values"] = torch.from_numpy(encoded["pixel_values"])
            batch["image_grid_thw"] = torch.from_numpy(encoded["image_grid_thw"])
        return batch

    def _with_answer(self, prompt_ids: list[int], answer: Sequence[AnswerPart]) -> tuple[list[int], list[int]]:
        ids, labels = list(prompt_ids), [IGNORED] * len(prompt_ids)
        for part in answer:
            tokens = self._tokens(part)
            ids += tokens
            labels += [IGNORED] * len(tokens) if part.is_question else tokens
        return ids + self._end, labels + self._end

    def _tokens(self, part: AnswerPart) -> list[int]:
        if part not in self._known:
            self._known[part] = self._backbone.token_ids(part)
        return self._known[part]
