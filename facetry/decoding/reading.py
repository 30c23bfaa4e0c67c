"""What a model has read of a batch of listings, and what it expects to come next."""

from collections.abc import Sequence

import torch
from transformers import DynamicCache

from facetry.backbones.backbone import Backbone
from facetry.backbones.encoder import model_positions
from facetry.prompting import Prompt


class Reading:
    """The prompts of a batch, read once. Continuations are tried with `peek` and taken with `read`."""

    def __init__(self, backbone: Backbone, prompts: Sequence[Prompt]) -> None:
        self._model = backbone.model
        batch = backbone.encode(prompts)
        self._mask = batch["attention_mask"]
        positions = batch.pop("position_ids")
        self._num_axes = len(positions)
        self._cache = DynamicCache(config=self._model.config.get_text_config())
        self._next_position = positions.amax(dim=(0, 2)) + 1
        output = self._model(
            **batch,
            position_ids=model_positions(positions),
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        )
        self._log_probabilities = _log_probabilities(output.logits[:, -1])

    def __len__(self) -> int:
        return len(self._mask)

    def peek(self, continuations: Sequence[Sequence[int]]) -> torch.Tensor:
        """The log-probability of every token after each row's continuation, as [rows, vocabulary]; reads nothing."""
        if not any(continuations):
            return self._log_probabilities
        log_probabilities, mask = self._forward(continuations)
        self._cache.crop(-mask.shape[1])
        return log_probabilities

    def read(self, continuations: Sequence[Sequence[int]]) -> None:
        """Take each row's continuation as said."""
        if not any(continuations):
            return
        self._log_probabilities, mask = self._forward(continuations)
        self._mask = torch.cat([self._mask, mask], dim=1)
        self._next_position = self._next_position + mask.sum(dim=1)

    def _forward(self, continuations: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        length = max(len(tokens) for tokens in continuations)
        device = self._mask.device
        ids = torch.tensor([[*tokens, *[0] * (length - len(tokens))] for tokens in continuations], device=device)
        lengths = torch.tensor([len(tokens) for tokens in continuations], device=device)
        offsets = torch.arange(length, device=device)
        mask = (offsets < lengths[:, None]).to(self._mask.dtype)
        positions = (self._next_position[:, None] + offsets).expand(self._num_axes, -1, -1)
        output = self._model(
            input_ids=ids,
            attention_mask=torch.cat([self._mask, mask], dim=1),
            position_ids=model_positions(positions),
            past_key_values=self._cache,
            use_cache=True,
        )
        last = output.logits[torch.arange(len(ids), device=device), (lengths - 1).clamp(min=0)]
        said_nothing = (lengths == 0)[:, None]
        return torch.where(said_nothing, self._log_probabilities, _log_probabilities(last)), mask


def _log_probabilities(logits: torch.Tensor) -> torch.Tensor:
    return logits.double().log_softmax(dim=-1)
