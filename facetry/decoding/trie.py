"""Labels as a tree of tokens, so that one search covers them all."""

import io
import zipfile
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import pairwise
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from facetry.errors import StorageError, TaxonomyError
from facetry.storage import write_atomically

Numbers = NDArray[np.int32]
"""Token ids, or numbers of nodes or of labels."""

ROOT = 0
FORMAT = 1
MAX_FILE_BYTES = 2**30
ARRAYS = ("edge_tokens", "edge_ends", "child_ends", "first_labels", "label_ends")


@dataclass(frozen=True, eq=False)
class Trie:
    """Which tokens may follow a prefix, and which label a whole sequence is. Every label has its own sequence.

    Labels are numbered in the order of their tokens, nodes in breadth first: the children of a node are a range, and
    so are the labels below it. A node is where tokens differ, or a label ends; an edge is the run of tokens that leads
    to it. A trie `among` some labels shares the arrays of the whole one, and leaves out what leads to no label of it.
    """

    labels: tuple[str, ...]
    numbers: Mapping[str, int]
    edge_tokens: Numbers
    edge_ends: Numbers
    child_ends: Numbers
    first_labels: Numbers
    label_ends: Numbers
    kept: Numbers | None = None
    """The numbers of the labels that may be answered; None when all may."""

    @classmethod
    def compile(cls, sequences: Mapping[str, Sequence[int]]) -> "Trie":
        """The trie of labels, each with its tokens; refuses labels that its tokens do not tell from all others."""
        ordered = sorted((tuple(tokens), label) for label, tokens in sequences.items())
        _refuse_confusable(ordered)
        labels = tuple(label for _, label in ordered)
        return cls(labels, numbers=_numbers(labels), **_grow([tokens for tokens, _ in ordered]))

    @classmethod
    def load(cls, path: Path) -> "Trie":
        """The trie that was saved at `path`."""
        try:
            with path.open("rb") as file:
                trie = _read(file)
        except (OSError, ValueError, KeyError, EOFError, MemoryError, zipfile.BadZipFile) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is damaged, or no trie"
            raise StorageError(f"cannot read the labels' trie {path} ({reason}): compile it again") from error
        return trie

    def save(self, path: Path) -> None:
        """Put the trie at `path`, whole or not at all."""
        assert self.kept is None, "a shortlist is of one request"
        texts = [label.encode() for label in self.labels]
        data = io.BytesIO()
        np.savez(
            data,
            format=np.array(FORMAT),
            label_bytes=np.frombuffer(b"".join(texts), dtype=np.uint8),
            label_byte_ends=np.cumsum([len(text) for text in texts]),
            **{name: getattr(self, name) for name in ARRAYS},
        )
        write_atomically(path, data.getvalue())

    @property
    def nbytes(self) -> int:
        """The memory of the tree itself, without the labels' texts."""
        return sum(getattr(self, name).nbytes for name in ARRAYS)

    def __len__(self) -> int:
        """How many labels may be answered."""
        return len(self.labels) if self.kept is None else len(self.kept)

    def among(self, labels: Iterable[str]) -> "Trie":
        """The trie of some of the labels; a `TaxonomyError` with the nearest name when one is unknown."""
        kept = np.unique(np.array([self.number(label) for label in labels], dtype=np.int32))
        if not len(kept):
            raise TaxonomyError("the shortlist is empty: give at least one label")
        return replace(self, kept=kept)

    def number(self, label: str) -> int:
        """The number of a label; a `TaxonomyError` with the nearest name when it may not be answered."""
        number = self.numbers.get(label)
        if number is None or (self.kept is not None and number not in self.kept):
            known = self.labels if self.kept is None else [self.labels[kept] for kept in self.kept]
            nearest = get_close_matches(label, known, n=1)
            hint = f"did you mean '{nearest[0]}'?" if nearest else f"choose from its {len(known)} labels"
            raise TaxonomyError(f"'{label}' is not in the taxonomy: {hint}")
        return number

    def labels_below(self, node: int) -> range:
        """The numbers of the labels below a node, or at it."""
        return range(int(self.first_labels[node]), int(self.label_ends[node]))

    def children(self, node: int) -> Numbers:
        """The nodes that may follow a node; none when it is a whole label."""
        first = int(self.child_ends[node - 1]) if node else ROOT + 1
        end = int(self.child_ends[node])
        if self.kept is None:
            return np.arange(first, end, dtype=np.int32)
        num_before = np.searchsorted(self.kept, self.first_labels[first:end])
        num_until = np.searchsorted(self.kept, self.label_ends[first:end])
        return first + np.flatnonzero(num_before < num_until).astype(np.int32)

    def first_tokens(self, children: Numbers) -> Numbers:
        """The token that leads into each of the children of a node."""
        return self.edge_tokens[self.edge_ends[children - 1]]

    def are_whole(self, children: Numbers) -> NDArray[np.bool_]:
        """Whether the first token into each of the children of a node is also the last of a label."""
        is_leaf = self.child_ends[children] == self.child_ends[children - 1]
        are_whole: NDArray[np.bool_] = is_leaf & (self.edge_ends[children] - self.edge_ends[children - 1] == 1)
        return are_whole

    def descend(self, child: int) -> tuple[list[int], int]:
        """The tokens that lead into a child and on to where the next choice is, and the node there."""
        tokens = self._edge(child)
        below = self.children(child)
        while len(below) == 1:
            child = int(below[0])
            tokens += self._edge(child)
            below = self.children(child)
        return tokens, child

    def tokens(self, number: int) -> tuple[int, ...]:
        """All tokens of a label."""
        node, tokens = ROOT, list[int]()
        while True:
            first, end = int(self.child_ends[node - 1]) if node else ROOT + 1, int(self.child_ends[node])
            if first == end:
                return tuple(tokens)
            node = first + int(np.searchsorted(self.first_labels[first:end], number, side="right")) - 1
            tokens += self._edge(node)

    def _edge(self, node: int) -> list[int]:
        tokens: list[int] = self.edge_tokens[self.edge_ends[node - 1] : self.edge_ends[node]].tolist()
        return tokens


def _grow(paths: Sequence[tuple[int, ...]]) -> dict[str, Numbers]:
    """The arrays of the tree over sorted token sequences."""
    labels_below, depths = [(0, len(paths))], [0]
    edge_tokens, edge_ends, child_ends = list[int](), [0], list[int]()
    node = ROOT
    while node < len(depths):
        (first, end), depth = labels_below[node], depths[node]
        while first < end and depth < len(paths[first]):
            token = paths[first][depth]
            stop = bisect_right(paths, token, lo=first, hi=end, key=itemgetter(depth))
            depths.append(_shared_length(paths[first], paths[stop - 1]))
            labels_below.append((first, stop))
            edge_tokens += paths[first][depth : depths[-1]]
            edge_ends.append(len(edge_tokens))
            first = stop
        child_ends.append(len(depths))
        node += 1
    first_labels, label_ends = zip(*labels_below, strict=True)
    arrays = (edge_tokens, edge_ends, child_ends, first_labels, label_ends)
    return {name: np.array(array, dtype=np.int32) for name, array in zip(ARRAYS, arrays, strict=True)}


def _shared_length(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two sequences begin with alike."""
    return next(
        (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


def _refuse_confusable(ordered: Sequence[tuple[tuple[int, ...], str]]) -> None:
    if not ordered or not ordered[0][0]:
        raise TaxonomyError(f"'{ordered[0][1]}' has no tokens: name it" if ordered else "there are no labels: give one")
    for (tokens, label), (next_tokens, next_label) in pairwise(ordered):
        if tokens == next_tokens:
            raise TaxonomyError(f"'{label}' and '{next_label}' have the same tokens: rename one of them")
        if tokens == next_tokens[: len(tokens)]:
            raise TaxonomyError(f"the tokens of '{label}' begin another label, '{next_label}': end every label alike")


def _numbers(labels: Sequence[str]) -> dict[str, int]:
    return {label: number for number, label in enumerate(labels)}


def _read(file: BinaryIO) -> Trie:
    """The trie in an open file; a `ValueError`, among others, when what it holds is none."""
    with zipfile.ZipFile(file) as members:
        if sum(member.file_size for member in members.infolist()) > MAX_FILE_BYTES:
            raise ValueError("too large")
    file.seek(0)
    with np.load(file, allow_pickle=False) as saved:
        if saved["format"] != FORMAT:
            raise ValueError("another format")
        text = saved["label_bytes"].tobytes()
        ends = [0, *saved["label_byte_ends"].tolist()]
        arrays = {name: saved[name] for name in ARRAYS}
    labels = tuple(text[start:end].decode() for start, end in pairwise(ends))
    _check(arrays, num_labels=len(labels))
    return Trie(labels, numbers=_numbers(labels), **arrays)


def _check(arrays: Mapping[str, Numbers], *, num_labels: int) -> None:
    """Raise a `ValueError` unless the arrays are those of a tree over so many labels."""
    tokens, edge_ends, child_ends, first_labels, label_ends = (arrays[name] for name in ARRAYS)
    num_nodes = len(child_ends)
    is_tree = (
        all(array.dtype == np.int32 and array.ndim == 1 for array in arrays.values())
        and {len(edge_ends), len(first_labels), len(label_ends)} == {num_nodes}
        and edge_ends[0] == 0
        and edge_ends[-1] == len(tokens)
        and child_ends[-1] == num_nodes
        and bool((edge_ends[1:] > edge_ends[:-1]).all())
        and bool((child_ends[1:] >= child_ends[:-1]).all())
        and bool((child_ends > np.arange(num_nodes)).all())
        and (first_labels[0], label_ends[0]) == (0, num_labels)
        and bool(((first_labels >= 0) & (first_labels < label_ends) & (label_ends <= num_labels)).all())
    )
    if not is_tree:
        raise ValueError("not a tree")
