"""Which category of an old tree is which of a new one: by id where both have ids, else by what leaves little doubt.

Without ids, a category is found again under the same name and parent, under a name that either tree has once, or
under a name that is written a little differently where nothing else could be meant.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher

from facetry.taxonomy.attribute import folded
from facetry.taxonomy.path import name_of, parent_of
from facetry.taxonomy.tree import Category, Taxonomy

MIN_WORD_LIKENESS = 0.85
MIN_CHILDREN_SHARED = 0.7
IDLE_WORDS = frozenset({"and", "the", "of", "for"})
_WORDS = re.compile(r"\w+(?:['’]\w+)?")


def match_categories(old: Taxonomy, new: Taxonomy) -> dict[str, str]:
    """From the paths of `old` to those of `new`; a path is missing where nothing tells what became of it."""
    new_by_id = _by_id(new)
    if _by_id(old).keys() & new_by_id.keys() and _all_have_ids(old) and _all_have_ids(new):
        return {each.path: new_by_id[key].path for key, each in _by_id(old).items() if key in new_by_id}
    return _Matching(old, new).matched()


def are_alike(one: str, other: str) -> bool:
    """Whether two names have the same words, in any order, each spelt a little differently at most."""
    first, second = _words(one), _words(other)
    return len(first) == len(second) > 0 and all(map(_is_like, first, second))


class _Siblings:
    """The categories of a tree by their parent and something else about them, to be found without a search."""

    def __init__(self, tree: Taxonomy) -> None:
        self.num_named = Counter(folded(category.name) for category in tree.categories)
        self.by_name: dict[tuple[str | None, str], list[str]] = {}
        self.with_children: dict[str | None, list[str]] = {}
        self.by_initials: dict[tuple[str | None, str], list[str]] = {}
        names_below: dict[str | None, set[str]] = {}
        for category in tree.categories:
            names_below.setdefault(category.parent_path, set()).add(folded(category.name))
        self.children = {path: frozenset(names) for path, names in names_below.items()}
        for category in tree.categories:
            path, parent = category.path, category.parent_path
            self.by_name.setdefault((parent, folded(category.name)), []).append(path)
            self.by_initials.setdefault((parent, _initials(category.name)), []).append(path)
            if path in self.children:
                self.with_children.setdefault(parent, []).append(path)


class _Matching:
    """Goes down the old tree level by level, so that the parent of a category is matched before it, if at all."""

    def __init__(self, old: Taxonomy, new: Taxonomy) -> None:
        self._old, self._new = old, new
        self._old_siblings, self._new_siblings = _Siblings(old), _Siblings(new)
        self._new_by_name = {folded(category.name): category.path for category in new.categories}
        self._found: dict[str, str] = {}
        self._taken: set[str] = set()

    def matched(self) -> dict[str, str]:
        for path in (category.path for category in self._old.categories if category.path in self._new.by_path):
            self._match(path, path)
        levels: dict[int, list[str]] = {}
        for category in self._old.categories:
            levels.setdefault(category.level, []).append(category.path)
        for level in sorted(levels):
            for find in (self._under_same_parent, self._under_unique_name, self._with_same_children, self._respelt):
                for path in levels[level]:
                    target = find(path) if path not in self._found else None
                    if target is not None:
                        self._match(path, target)
        return self._found

    def _match(self, old: str, new: str) -> None:
        self._found[old] = new
        self._taken.add(new)

    def _under_same_parent(self, path: str) -> str | None:
        """The category of the same name below what the parent became."""
        free = self._free(self._new_siblings.by_name.get((self._parent_now(path), folded(name_of(path)))))
        return free[0] if len(free) == 1 else None

    def _under_unique_name(self, path: str) -> str | None:
        """The category of the same name elsewhere, when no other has that name in either tree."""
        name = folded(name_of(path))
        if self._old_siblings.num_named[name] != 1 or self._new_siblings.num_named[name] != 1:
            return None
        target = self._new_by_name[name]
        return target if target not in self._taken else None

    def _with_same_children(self, path: str) -> str | None:
        """The new sibling that has most of the same names below it, when no other lost or new sibling has them."""
        old, new = self._old_siblings, self._new_siblings
        if path not in old.children:
            return None
        names = old.children[path]
        free = self._free(new.with_children.get(self._parent_now(path)))
        likely = [each for each in free if _overlap(names, new.children[each]) >= MIN_CHILDREN_SHARED]
        if len(likely) != 1:
            return None
        lost = self._lost(old.with_children[parent_of(path)])
        shared = new.children[likely[0]]
        rivals = [each for each in lost if _overlap(old.children[each], shared) >= MIN_CHILDREN_SHARED]
        return likely[0] if len(rivals) == 1 else None

    def _respelt(self, path: str) -> str | None:
        """The new sibling whose name is alike, when no other lost or new sibling has a name like it."""
        name = name_of(path)
        place = (self._parent_now(path), _initials(name))
        alike = [
            each for each in self._free(self._new_siblings.by_initials.get(place)) if are_alike(name, name_of(each))
        ]
        if len(alike) != 1:
            return None
        lost = self._lost(self._old_siblings.by_initials[parent_of(path), _initials(name)])
        rivals = [each for each in lost if are_alike(name_of(each), name_of(alike[0]))]
        return alike[0] if len(rivals) == 1 else None

    def _parent_now(self, path: str) -> str | None:
        parent = parent_of(path)
        return None if parent is None else self._found.get(parent, _UNKNOWN)

    def _free(self, paths: Sequence[str] | None) -> list[str]:
        return [path for path in paths or () if path not in self._taken]

    def _lost(self, paths: Sequence[str]) -> list[str]:
        return [path for path in paths if path not in self._found]


_UNKNOWN = "\0"
"""Stands for the parent of a category whose old parent was not found again; no path is like it."""


def _by_id(tree: Taxonomy) -> Mapping[str, Category]:
    return {category.id: category for category in tree.categories if category.id is not None}


def _all_have_ids(tree: Taxonomy) -> bool:
    return all(category.id is not None for category in tree.categories)


def _initials(name: str) -> str:
    """The same for names that are alike."""
    return "".join(word[0] for word in _words(name))


def _overlap(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other)


def _words(name: str) -> Sequence[str]:
    return sorted(word for word in _WORDS.findall(name.casefold()) if word not in IDLE_WORDS)


def _is_like(one: str, other: str) -> bool:
    return one[0] == other[0] and SequenceMatcher(None, one, other).ratio() >= MIN_WORD_LIKENESS
