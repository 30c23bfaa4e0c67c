"""A model made up: what may come next after any tokens is drawn by chance, the same at each time of asking."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from facetry.decoding.reading import Continuation, Tried

NUM_TOKENS = 8


@dataclass(frozen=True, slots=True, eq=False)
class DrawnTried(Tried):
    tokens: tuple[int, ...]


@dataclass(frozen=True)
class DrawnReading:
    """Rows by their seeds; the higher `sharpness`, the surer each of them is of what comes next."""

    seeds: tuple[int, ...]
    sharpness: float
    num_passes: list[int]

    def __len__(self) -> int:
        return len(self.seeds)

    def expect(self, row: int, tokens: Sequence[int]) -> NDArray[np.float64]:
        return self.log_probabilities(row, ())[list(tokens)]

    def fork(self, rows: Sequence[int]) -> "DrawnReading":
        return DrawnReading(tuple(self.seeds[row] for row in rows), self.sharpness, self.num_passes)

    def attempt(self, continuations: Sequence[Continuation]) -> list[Tried]:
        self.num_passes.append(len(continuations))
        return [self._try(each) for each in continuations]

    def log_probabilities(self, row: int, prefix: tuple[int, ...]) -> NDArray[np.float64]:
        return _log_probabilities(self.seeds[row], prefix, self.sharpness)

    def log_probability(self, row: int, tokens: Sequence[int]) -> float:
        """What scoring a label token by token gives."""
        return sum(float(self.log_probabilities(row, tuple(tokens[:end]))[token]) for end, token in enumerate(tokens))

    def _try(self, each: Continuation) -> DrawnTried:
        before = each.after.tokens if isinstance(each.after, DrawnTried) else ()
        whole = (*before, *each.tokens)
        forced = (
            self.log_probabilities(each.row, whole[:end])[whole[end]] for end in range(len(before) + 1, len(whole))
        )
        return DrawnTried(
            after=each.after,
            columns=range(0),
            end=len(whole),
            log_probability=float(sum(forced)),
            next_log_probabilities=self.log_probabilities(each.row, whole)[list(each.next_tokens)],
            tokens=whole,
        )


@lru_cache(maxsize=10_000)
def _log_probabilities(seed: int, prefix: tuple[int, ...], sharpness: float) -> NDArray[np.float64]:
    logits = np.random.default_rng([seed, *prefix, NUM_TOKENS]).normal(size=NUM_TOKENS) * sharpness
    found: NDArray[np.float64] = logits - np.log(np.exp(logits).sum())
    return found
