"""The path that a misspelt one was meant to be, found fast among many."""

from collections import Counter
from collections.abc import Iterable
from difflib import SequenceMatcher

from facetry.taxonomy.path import name_of, parent_of

NUM_COMPARED = 20
MIN_LIKENESS = 0.6


class NearestNames:
    """Knows paths by the pairs of letters in their last names, so that only those that share some are compared."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = list(paths)
        self._by_pair: dict[str, list[int]] = {}
        for number, path in enumerate(self._paths):
            for pair in _pairs(name_of(path)):
                self._by_pair.setdefault(pair, []).append(number)

    def nearest(self, path: str, *, count: int = 1, at_least: float = MIN_LIKENESS) -> list[str]:
        """Up to `count` paths like `path`, the likeliest first; none when nothing is like it."""
        shared: Counter[int] = Counter()
        for pair in _pairs(name_of(path)):
            shared.update(self._by_pair.get(pair, ()))
        compared = [self._paths[number] for number, _ in shared.most_common(NUM_COMPARED)]
        likeness = {each: _likeness(path, each) for each in compared}
        likely = [each for each in compared if likeness[each] >= at_least]
        return sorted(likely, key=lambda each: -likeness[each])[:count]


def _likeness(one: str, other: str) -> float:
    """From 0 to 1: the last name counts twice as much as all above it."""
    names = SequenceMatcher(None, name_of(one).casefold(), name_of(other).casefold()).ratio()
    first, second = _pairs(parent_of(one) or ""), _pairs(parent_of(other) or "")
    return (2 * names + 2 * len(first & second) / (len(first) + len(second))) / 3


def _pairs(text: str) -> set[str]:
    padded = f" {text.casefold()} "
    return {padded[start : start + 2] for start in range(len(padded) - 1)}
