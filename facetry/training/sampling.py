"""In which order listings are learnt from, and which process looks at which of them.

All of it follows from the seed, the epoch and the listings, so that processes agree without a word. Which listings
make a step does not depend on how many processes there are.
"""

import heapq
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

from facetry.config import TrainParams
from facetry.errors import TrainingError
from facetry.training.feed import Feed

NO_GROUP = -1
"""The group of listings that do not tell what is balanced; they come as often as without balancing."""


class Draw(NamedTuple):
    """One look at the listing of a feed at `index`; the epoch decides how it is varied."""

    epoch: int
    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody looks for here


class MicroBatches(Sampler[list[Draw]]):
    """The micro-batches of one rank: of each step, its share of `batch_size` listings, in `accumulation_steps` parts.

    A step's listings are dealt so that all parts, on all ranks, have about as many tokens; in the last step of an
    epoch some parts may be empty. With `groups` (a number for each listing) every step has as many listings of each
    group, of which small ones are repeated. With `longest_first` the steps that need the most memory come first.
    """

    def __init__(
        self,
        lengths: NDArray[np.integer[Any]],
        *,
        batch_size: int,
        num_ranks: int,
        rank: int,
        accumulation_steps: int,
        seed: int,
        groups: NDArray[np.int64] | None = None,
        longest_first: bool,
    ) -> None:
        self._lengths = lengths
        self._batch_size = batch_size
        self._num_ranks = num_ranks
        self._rank = rank
        self._accumulation_steps = accumulation_steps
        self._seed = seed
        self._groups = groups
        self._longest_first = longest_first
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self._epoch = epoch

    def __len__(self) -> int:
        return -(-len(self._lengths) // self._batch_size) * self._accumulation_steps

    def __iter__(self) -> Iterator[list[Draw]]:
        for step in self._steps():
            parts = deal(step, lengths=self._lengths[step], num_parts=self._num_ranks * self._accumulation_steps)
            for part in parts[self._rank :: self._num_ranks]:
                yield [Draw(self._epoch, index) for index in part]

    def _steps(self) -> list[NDArray[np.int64]]:
        """The listings of each step of the epoch."""
        random = np.random.default_rng([self._seed % 2**32, self._epoch])
        if self._groups is None:
            order = random.permutation(len(self._lengths))
        else:
            order = balanced_order(self._groups, random=random)
        steps = [order[start : start + self._batch_size] for start in range(0, len(order), self._batch_size)]
        if self._longest_first and self._epoch == 0:
            tokens = [int(self._lengths[step].sum()) for step in steps]
            longest = [int(self._lengths[step].max()) for step in steps]
            first = dict.fromkeys([int(np.argmax(tokens)), int(np.argmax(longest))])
            steps = [steps[number] for number in dict.fromkeys([*first, *range(len(steps))])]
        return steps


def deal(step: NDArray[np.int64], *, lengths: NDArray[np.integer[Any]], num_parts: int) -> list[list[int]]:
    """The listings of a step in parts of about as many tokens: the longest first, each to the part that has least."""
    parts: list[list[int]] = [[] for _ in range(num_parts)]
    least = [(0, number) for number in range(num_parts)]
    for place in np.argsort(-lengths, kind="stable"):
        num_tokens, number = least[0]
        parts[number].append(int(step[place]))
        heapq.heapreplace(least, (num_tokens + int(lengths[place]), number))
    return parts


def balanced_order(groups: NDArray[np.int64], *, random: np.random.Generator) -> NDArray[np.int64]:
    """As many draws as there are listings, any stretch of which has as many of each group.

    A group's listings come one after the other, and again when all have come.
    """
    names, sizes = np.unique(groups, return_counts=True)
    is_group = names != NO_GROUP
    shares = np.where(is_group, sizes[is_group].sum() / len(groups) / max(is_group.sum(), 1), sizes / len(groups))
    members = np.split(np.argsort(groups, kind="stable"), np.cumsum(sizes)[:-1])
    draws, places = [], []
    for of_group, share in zip(members, shares, strict=True):
        count = int(np.ceil(share * len(groups))) + 1
        rounds = [random.permutation(of_group) for _ in range(-(-count // len(of_group)))]
        draws.append(np.concatenate(rounds)[:count])
        places.append((np.arange(count) + random.random()) / share)
    in_turn = np.argsort(np.concatenate(places), kind="stable")[: len(groups)]
    return np.concatenate(draws)[in_turn]


def balancing_groups(feed: Feed, *, params: TrainParams) -> NDArray[np.int64] | None:
    """The group of each listing by what `params.balance` names, `category` or an attribute; None for no balance."""
    if params.balance is None:
        return None
    values = feed.values(params.balance)
    numbers = {value: number for number, value in enumerate(sorted({value for value in values if value is not None}))}
    if not numbers:
        known = ", ".join(["category", *feed.attribute_names])
        raise TrainingError(f"train.balance: no listing tells its '{params.balance}': use one of {known}")
    return np.array([numbers[value] if value is not None else NO_GROUP for value in values], dtype=np.int64)


def evaluation_batches(
    lengths: NDArray[np.integer[Any]], *, batch_size: int, num_ranks: int, rank: int
) -> list[list[Draw]]:
    """The batches that one rank looks at: over all ranks every listing once, the longest first.

    Every rank has as many batches, the last of which may be empty.
    """
    order = np.argsort(-lengths, kind="stable").tolist()
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    batches += [[]] * (-len(batches) % num_ranks)
    return [[Draw(0, index) for index in batch] for batch in batches[rank::num_ranks]]
