"""Labels as a tree of tokens, so that one search covers them all."""

from collections.abc import Mapping, Sequence

from facetry.errors import TaxonomyError

Prefix = tuple[int, ...]


class Trie:
    """Which tokens may follow a prefix, and which label a whole sequence is. Every label has its own sequence."""

    def __init__(self, sequences: Mapping[str, Sequence[int]]) -> None:
        self._children: dict[Prefix, tuple[int, ...]] = {}
        self._labels: dict[Prefix, str] = {}
        for label, tokens in sequences.items():
            whole = tuple(tokens)
            if whole in self._labels:
                raise TaxonomyError(f"'{label}' and '{self._labels[whole]}' have the same tokens: rename one of them")
            self._labels[whole] = label
            self._add(whole)
        for label, tokens in sequences.items():
            if tuple(tokens) in self._children:
                raise TaxonomyError(f"the tokens of '{label}' begin another label: end every label alike")

    def _add(self, whole: Prefix) -> None:
        for end, token in enumerate(whole):
            known = self._children.get(whole[:end], ())
            if token not in known:
                self._children[whole[:end]] = (*known, token)

    def children(self, prefix: Prefix) -> tuple[int, ...]:
        return self._children.get(prefix, ())

    def label(self, prefix: Prefix) -> str | None:
        return self._labels.get(prefix)
