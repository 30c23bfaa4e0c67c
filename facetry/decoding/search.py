"""The most probable label of each listing, found without scoring the others.

Best-first search over the trie is exact: a prefix is never less probable than what continues it, so the first whole
label to reach the front of the queue is the best one.
"""

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from facetry.decoding.reading import Reading
from facetry.decoding.trie import Prefix, Trie

MAX_EXPANSIONS = 256


@dataclass(frozen=True, slots=True)
class Found:
    """A label, its tokens and its probability."""

    label: str
    tokens: Prefix
    probability: float


@dataclass(slots=True)
class _Queue:
    """The open prefixes of one row, most probable first."""

    trie: Trie
    open: list[tuple[float, Prefix]] = field(default_factory=lambda: [(0.0, ())])
    expansions: int = 0

    def best(self) -> Prefix:
        return self.open[0][1]

    def found(self) -> Found | None:
        cost, prefix = self.open[0]
        label = self.trie.label(prefix)
        return Found(label, prefix, math.exp(-cost)) if label is not None else None

    def expand(self, log_probabilities: Sequence[float]) -> None:
        """Replace the best prefix by its children. Past the bound only they stay, and the search is greedy."""
        cost, prefix = heapq.heappop(self.open)
        self.expansions += 1
        if self.expansions > MAX_EXPANSIONS:
            self.open.clear()
        for token, log_probability in zip(self.trie.children(prefix), log_probabilities, strict=True):
            heapq.heappush(self.open, (cost - log_probability, (*prefix, token)))


def most_probable(reading: Reading, tries: Sequence[Trie | None]) -> list[Found | None]:
    """For each row the most probable label of its trie; None where it has no trie."""
    queues = [_Queue(trie) if trie is not None else None for trie in tries]
    found: list[Found | None] = [None] * len(queues)
    while True:
        unfinished = [row for row, queue in enumerate(queues) if queue is not None and found[row] is None]
        continuations: list[Prefix] = [()] * len(queues)
        for row in unfinished:
            queue = queues[row]
            assert queue is not None
            found[row] = queue.found()
            continuations[row] = () if found[row] else queue.best()
        unfinished = [row for row in unfinished if found[row] is None]
        if not unfinished:
            return found
        log_probabilities = reading.peek(continuations)
        for row in unfinished:
            queue = queues[row]
            assert queue is not None
            children = list(queue.trie.children(queue.best()))
            queue.expand(log_probabilities[row, children].tolist())
