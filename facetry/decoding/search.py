"""The most probable labels of each listing, found without scoring the others.

Best-first search over the trie is exact: a prefix is never less probable than what continues it, so the first whole
label to reach the front of the queue is the best one, and the second the next.
"""

import heapq
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from facetry.decoding.reading import Continuation, Tried
from facetry.decoding.trie import ROOT, Numbers, Trie

MAX_EXPANSIONS = 256
MAX_PREFIXES_PER_PASS = 8
MIN_SHARE_OF_BEST = 0.1
"""A prefix less probable than this share of the best is not asked for beside it: it will hardly be needed."""


class Reader(Protocol):
    """What search needs of a `Reading`."""

    def __len__(self) -> int: ...
    def expect(self, row: int, tokens: Sequence[int]) -> NDArray[np.float64]: ...
    def fork(self, rows: Sequence[int]) -> "Reader": ...
    def attempt(self, continuations: Sequence[Continuation]) -> list[Tried]: ...


@dataclass(frozen=True, slots=True)
class Found:
    """A label, its tokens and its probability."""

    label: str
    tokens: tuple[int, ...]
    probability: float


@dataclass(frozen=True, slots=True)
class Mass:
    """Between what a probability lies."""

    lower: float
    upper: float


class Prefix(NamedTuple):
    """A node of the trie that search came to.

    Its cost is the negative log-probability of the label at it when it is `whole`, else of the first token into it
    and all before that: what is below it cannot cost less.
    """

    cost: float
    node: int
    is_whole: bool
    after: Tried | None


@dataclass(frozen=True, slots=True)
class Ranking:
    """The most probable labels of a row, best first; exact unless search left out what may be better than the last."""

    found: tuple[Found, ...]
    is_exact: bool
    num_expansions: int
    trie: Trie
    leaves: tuple[Prefix, ...]
    """Where search ended: labels with their probabilities, and prefixes that hold all other labels."""

    def mass(self, labels: Iterable[int]) -> Mass:
        """Between what the probability of some labels lies together, given their numbers in the trie.

        Those below a node of the trie are `trie.labels_below(node)`. Labels that may not be answered have none.
        """
        numbers = np.unique(np.fromiter(labels, dtype=np.int32))
        if self.trie.kept is not None:
            numbers = np.intersect1d(numbers, self.trie.kept)
        nodes = np.array([leaf.node for leaf in self.leaves])
        first, end = (np.searchsorted(numbers, ends[nodes]) for ends in (self.trie.first_labels, self.trie.label_ends))
        probabilities = np.exp([-leaf.cost for leaf in self.leaves]) * (first < end)
        is_whole = np.array([leaf.is_whole for leaf in self.leaves])
        return Mass(float(probabilities[is_whole].sum()), min(1.0, float(probabilities.sum())))


def rank(
    reading: Reader,
    tries: Sequence[Trie | None],
    *,
    top_k: int = 1,
    beam: int | None = None,
    max_expansions: int = MAX_EXPANSIONS,
    max_prefixes_per_pass: int = MAX_PREFIXES_PER_PASS,
) -> list[Ranking | None]:
    """For each row the `top_k` most probable labels of its trie, by the model's own probabilities; None without a trie.

    Only the `beam` best prefixes stay open, if it is given: with 1, search is greedy. After `max_expansions` no more
    stay open than labels are still wanted.
    """
    assert top_k > 0
    searches = {
        row: _Search(trie, top_k=top_k, beam=beam, max_expansions=max_expansions)
        for row, trie in enumerate(tries)
        if trie is not None
    }
    for row, search in searches.items():
        search.begin(reading, row)
    rows = list(range(len(reading)))
    is_fork = False
    while active := [row for row in rows if row in searches and not searches[row].is_done]:
        if not is_fork or 2 * len(active) <= len(rows):
            reading, is_fork = reading.fork([rows.index(row) for row in active]), True
            rows = active
        asked = [searches[row].ask(rows.index(row), at_most=max_prefixes_per_pass) for row in active]
        tried = iter(reading.attempt([each for of_row in asked for each in of_row]))
        for row, of_row in zip(active, asked, strict=True):
            searches[row].learn([next(tried) for _ in of_row])
    return [searches[row].ranking() if row in searches else None for row in range(len(tries))]


class _Search:
    """The search of one row: the prefixes it came to, most probable first."""

    def __init__(self, trie: Trie, *, top_k: int, beam: int | None, max_expansions: int) -> None:
        self._trie = trie
        self._top_k = top_k
        self._beam = beam
        self._max_expansions = max_expansions
        self._queue: list[Prefix] = []
        self._found: list[Prefix] = []
        self._left_out: list[Prefix] = []
        self._asked: list[_Asked] = []
        self._num_expansions = 0

    def begin(self, reading: Reader, row: int) -> None:
        """Open what the labels begin with, as the row expects it."""
        children = self._trie.children(ROOT)
        expected = reading.expect(row, self._trie.first_tokens(children).tolist())
        self._open(children, costs=-expected, after=None)
        self._settle()

    @property
    def is_done(self) -> bool:
        return not self._queue or len(self._found) == self._top_k

    def ask(self, row: int, *, at_most: int) -> list[Continuation]:
        """The best open prefixes, as continuations of a row of the batch."""
        at_most = max(1, min(at_most, self._max_expansions - self._num_expansions))
        self._asked = []
        passed_over: list[Prefix] = []
        # Nothing that comes after as many whole labels as are wanted needs to be asked for.
        while self._queue and len(self._asked) < at_most and len(passed_over) < self._top_k - len(self._found):
            if self._asked and self._queue[0].cost > self._asked[0].prefix.cost - math.log(MIN_SHARE_OF_BEST):
                break
            prefix = heapq.heappop(self._queue)
            if prefix.is_whole:
                passed_over.append(prefix)
            else:
                tokens, end = self._trie.descend(prefix.node)
                self._asked.append(_Asked(prefix, tokens, end=end, children=self._trie.children(end)))
        for prefix in passed_over:
            heapq.heappush(self._queue, prefix)
        self._num_expansions += len(self._asked)
        return [each.continuation(row, trie=self._trie) for each in self._asked]

    def learn(self, tried: Sequence[Tried]) -> None:
        """Replace the prefixes that were asked for by what follows them."""
        for asked, of_asked in zip(self._asked, tried, strict=True):
            costs = asked.prefix.cost - of_asked.log_probability - of_asked.next_log_probabilities
            if len(asked.children):
                self._open(asked.children, costs=costs, after=of_asked)
            else:
                heapq.heappush(self._queue, Prefix(float(costs[0]), asked.end, True, None))
        self._settle()

    def ranking(self) -> Ranking:
        return Ranking(
            found=tuple(
                Found(self._trie.labels[number], self._trie.tokens(number), math.exp(-prefix.cost))
                for prefix in self._found
                for number in self._trie.labels_below(prefix.node)
            ),
            is_exact=all(
                len(self._found) == self._top_k and self._found[-1].cost <= each.cost for each in self._left_out
            ),
            num_expansions=self._num_expansions,
            trie=self._trie,
            leaves=(*self._found, *self._queue, *self._left_out),
        )

    def _open(self, nodes: Numbers, *, costs: NDArray[np.float64], after: Tried | None) -> None:
        are_whole = self._trie.are_whole(nodes)
        for cost, node, is_whole in zip(costs.tolist(), nodes.tolist(), are_whole.tolist(), strict=True):
            heapq.heappush(self._queue, Prefix(cost, node, is_whole, None if is_whole else after))

    def _settle(self) -> None:
        """Take the labels that nothing open can beat, and keep no more open than is allowed."""
        while not self.is_done and self._queue[0].is_whole:
            self._found.append(heapq.heappop(self._queue))
        num_wanted = self._top_k - len(self._found)
        may_stay = len(self._queue) if self._beam is None else max(self._beam, num_wanted)
        if self._num_expansions >= self._max_expansions:
            may_stay = num_wanted
        if len(self._queue) > may_stay:
            self._queue.sort()
            self._left_out += self._queue[may_stay:]
            del self._queue[may_stay:]


@dataclass(frozen=True, slots=True)
class _Asked:
    """A prefix whose tokens the model is given, and the node where the next choice is."""

    prefix: Prefix
    tokens: Sequence[int]
    end: int
    children: Numbers

    def continuation(self, row: int, *, trie: Trie) -> Continuation:
        """The last token of a label need not be read to know how probable it is."""
        if len(self.children):
            next_tokens = trie.first_tokens(self.children).tolist()
            return Continuation(row, self.tokens, next_tokens, after=self.prefix.after)
        return Continuation(row, self.tokens[:-1], self.tokens[-1:], after=self.prefix.after)
