"""What a model has read of a batch of listings, and what it expects to come next."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import DynamicCache

from facetry.backbones.backbone import Backbone
from facetry.backbones.encoder import model_positions
from facetry.prompting import Prompt

PLACES_AT_ONCE = 64


@dataclass(frozen=True, slots=True, eq=False)
class Tried:
    """Tokens that were tried, and what the model made of them; others can be tried after them."""

    after: "Tried | None"
    columns: range
    """Where their keys and values are."""
    end: int
    """How many tokens were tried until here."""
    log_probability: float
    """Of those after the first, together."""
    next_log_probabilities: NDArray[np.float64]
    """Of the tokens that were asked for, after the last."""


@dataclass(frozen=True, slots=True, eq=False)
class Continuation:
    """Tokens to try in a row, after what was said in it and what was tried before, and tokens to ask for next."""

    row: int
    tokens: Sequence[int]
    next_tokens: Sequence[int]
    after: Tried | None = None

    @property
    def begin(self) -> int:
        return self.after.end if self.after else 0

    @property
    def tried_columns(self) -> list[int]:
        """Where the keys and values of all that was tried before it are."""
        columns, tried = list[int](), self.after
        while tried:
            columns += tried.columns
            tried = tried.after
        return columns


class Reading:
    """The prompts of a batch, read once. Tokens are tried with `attempt`, on a `fork`, and taken with `read`.

    Nothing that was tried is read twice, or seen by what does not come after it.
    """

    def __init__(self, backbone: Backbone, prompts: Sequence[Prompt]) -> None:
        self._model = backbone.model
        batch = backbone.encode(prompts)
        positions = batch.pop("position_ids")
        self._said = batch["attention_mask"].bool().cpu().numpy()
        """The columns of each row, as [rows, columns], that everything after them sees."""
        self._num_axes = len(positions)
        self._next_positions = (positions.amax(dim=(0, 2)) + 1).cpu().numpy()
        self._cache = DynamicCache(config=self._model.config.get_text_config())
        output = self._model(
            **batch,
            position_ids=model_positions(positions),
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        )
        self._expected = Expectation(output.logits[:, -1])

    def __len__(self) -> int:
        return len(self._said)

    def expect(self, row: int, tokens: Sequence[int]) -> NDArray[np.float64]:
        """The log-probability of each of some tokens after what was said in a row."""
        return self._expected.log_probabilities([row] * len(tokens), tokens)

    def fork(self, rows: Sequence[int]) -> "Reading":
        """The same reading of some of its rows; what is tried or read there leaves this one as it is."""
        fork = copy.copy(self)
        fork._cache = copy.copy(self._cache)
        fork._cache.layers = [copy.copy(layer) for layer in self._cache.layers]
        if list(rows) != list(range(len(self))):
            indices = torch.tensor(rows, device=self._model.device)
            fork._cache.batch_select_indices(indices)
            fork._expected = Expectation(self._expected.logits[indices])
            fork._said = self._said[rows]
            fork._next_positions = self._next_positions[rows]
        return fork

    def read(self, continuations: Sequence[Sequence[int]]) -> None:
        """Take each row's continuation as said."""
        said = [Continuation(row, tokens, ()) for row, tokens in enumerate(continuations) if tokens]
        if not said:
            return
        num_columns = self._said.shape[1]
        logits, lengths = self._forward(said, only_last=True)
        after = self._expected.logits.clone()
        after[[each.row for each in said]] = logits
        self._expected = Expectation(after)
        self._said[:, num_columns:] = np.arange(self._said.shape[1] - num_columns) < lengths[:, None]
        self._next_positions = self._next_positions + lengths

    def attempt(self, continuations: Sequence[Continuation]) -> list[Tried]:
        """What the model makes of continuations, in one pass; those of a row must stand together, rows in order."""
        num_columns = self._said.shape[1]
        logits, _ = self._forward(continuations, only_last=False)
        places, tokens = list[int](), list[int]()
        num_places = 0
        for each in continuations:
            places += range(num_places, num_places + len(each.tokens) - 1)
            num_places += len(each.tokens)
            places += [num_places - 1] * len(each.next_tokens)
            tokens += [*each.tokens[1:], *each.next_tokens]
        found = Expectation(logits).log_probabilities(places, tokens)
        tried, num_found = [], 0
        for each, begin in zip(continuations, _begins(continuations), strict=True):
            next_found = num_found + len(each.tokens) - 1
            tried.append(
                Tried(
                    after=each.after,
                    columns=range(num_columns + begin, num_columns + begin + len(each.tokens)),
                    end=each.begin + len(each.tokens),
                    log_probability=float(found[num_found:next_found].sum()),
                    next_log_probabilities=found[next_found : next_found + len(each.next_tokens)],
                )
            )
            num_found = next_found + len(each.next_tokens)
        return tried

    def _forward(
        self, continuations: Sequence[Continuation], *, only_last: bool
    ) -> tuple[torch.Tensor, NDArray[np.int64]]:
        """The logits after each token of continuations, or after their last, and how many tokens each row got."""
        begins = _begins(continuations)
        lengths = np.zeros(len(self), dtype=np.int64)
        for each, begin in zip(continuations, begins, strict=True):
            lengths[each.row] = begin + len(each.tokens)
        num_rows, num_columns = self._said.shape
        length = int(lengths.max())
        ids = np.zeros((num_rows, length), dtype=np.int64)
        positions = np.zeros((num_rows, length), dtype=np.int64)
        is_kept = np.zeros((num_rows, length), dtype=np.bool_)
        self._said = np.pad(self._said, ((0, 0), (0, length)))
        # What only fills a row up sees the prompt, because it must see something, and is seen by nothing.
        sees = np.repeat(self._said[:, None, :], length, axis=1)
        for each, begin in zip(continuations, begins, strict=True):
            places = slice(begin, begin + len(each.tokens))
            own_columns = slice(num_columns + begin, num_columns + begin + len(each.tokens))
            ids[each.row, places] = each.tokens
            positions[each.row, places] = self._next_positions[each.row] + each.begin + np.arange(len(each.tokens))
            is_kept[each.row, slice(places.stop - 1, places.stop) if only_last else places] = True
            sees[each.row, places, each.tried_columns] = True
            sees[each.row, places, own_columns] = np.tri(len(each.tokens), dtype=np.bool_)
        device = self._model.device
        hidden = torch.from_numpy(~sees[:, None]).to(device)
        mask = torch.zeros(hidden.shape, dtype=self._model.dtype, device=device)
        output = self._model(
            input_ids=torch.from_numpy(ids).to(device),
            attention_mask=mask.masked_fill_(hidden, torch.finfo(self._model.dtype).min),
            position_ids=model_positions(torch.from_numpy(positions).to(device).expand(self._num_axes, -1, -1)),
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=torch.from_numpy(is_kept).to(device),
        )
        return output.logits.view(-1, output.logits.shape[-1]), lengths


class Expectation:
    """What may come next at some places, of all tokens there are."""

    def __init__(self, logits: torch.Tensor) -> None:
        self.logits = logits
        totals = [_log_total(part) for part in torch.split(logits, PLACES_AT_ONCE)]
        self._log_totals = torch.cat(totals)

    def log_probabilities(self, places: Sequence[int], tokens: Sequence[int]) -> NDArray[np.float64]:
        """The log-probability of a token at each of some places, never above 0."""
        device = self.logits.device
        at, of = torch.tensor(places, device=device), torch.tensor(tokens, device=device)
        found = (self.logits[at, of].double() - self._log_totals[at]).clamp_(max=0)
        array: NDArray[np.float64] = found.cpu().numpy()
        return array


def _log_total(logits: torch.Tensor) -> torch.Tensor:
    """What to take from logits to make them log-probabilities: their sum is in float32, its logarithm in float64."""
    logits = logits.float()
    highest = logits.amax(dim=-1, keepdim=True)
    return (logits - highest).exp_().sum(dim=-1).double().log() + highest.squeeze(-1).double()


def _begins(continuations: Sequence[Continuation]) -> list[int]:
    """Where each continuation begins in its row, after those of the same row before it."""
    begins, ends = [], dict[int, int]()
    for each in continuations:
        begins.append(ends.get(each.row, 0))
        ends[each.row] = begins[-1] + len(each.tokens)
    return begins
