"""What became of each category from one taxonomy to the next, for people and for programs."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from facetry.taxonomy.matching import match_categories
from facetry.taxonomy.path import name_of, parent_of
from facetry.taxonomy.tree import Category, Taxonomy

NUM_SUGGESTED = 3
KIND_WIDTH = 22


@dataclass(frozen=True, slots=True)
class Change:
    """A category that has another path now."""

    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Removal:
    """A category that is gone, or cannot be told from new ones, and which these might be."""

    path: str
    suggestions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TaxonomyDifference:
    """Every old category is kept, removed, or changed; one that is renamed and re-parented is in both.

    `moved` have a new path only because something above them was renamed or re-parented.
    """

    num_kept: int
    added: tuple[str, ...]
    removed: tuple[Removal, ...]
    renamed: tuple[Change, ...]
    reparented: tuple[Change, ...]
    moved: tuple[Change, ...]

    @property
    def changes(self) -> tuple[Change, ...]:
        """Every change of a path, once."""
        return tuple(dict.fromkeys((*self.renamed, *self.reparented, *self.moved)))

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changes)

    def one_line(self) -> str:
        return (
            f"{len(self.added)} added, {len(self.removed)} removed, {len(self.renamed)} renamed, "
            f"{len(self.reparented)} re-parented, {len(self.moved)} moved along with these, {self.num_kept} kept"
        )

    def as_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False, indent=2)

    def as_lines(self) -> Iterator[str]:
        """What happened, and to which path; what it became, or may be, stands below. Those that moved are left out."""
        both = set(self.renamed) & set(self.reparented)
        for change in self.renamed:
            yield from _two_lines("renamed, re-parented" if change in both else "renamed", change)
        for change in self.reparented:
            if change not in both:
                yield from _two_lines("re-parented", change)
        for removal in self.removed:
            yield f"{'removed':<{KIND_WIDTH}}{removal.path}"
            yield from (f"{'':<{KIND_WIDTH}}? {path}" for path in removal.suggestions)
        yield from (f"{'added':<{KIND_WIDTH}}{path}" for path in self.added)


def _two_lines(kind: str, change: Change) -> Iterator[str]:
    yield f"{kind:<{KIND_WIDTH}}{change.old}"
    yield f"{'':<{KIND_WIDTH}}→ {change.new}"


def compare_taxonomies(old: Taxonomy, new: Taxonomy) -> TaxonomyDifference:
    """What changed from `old` to `new`; see `match_categories` for what counts as the same category."""
    found = match_categories(old, new)
    arrived = set(new.by_path).difference(found.values())
    changes = [Change(path, target) for path, target in found.items() if target != path]
    renamed = tuple(each for each in changes if name_of(each.old) != name_of(each.new))
    reparented = tuple(each for each in changes if _parent_target(each.old, found) != parent_of(each.new))
    moved = set(changes).difference(renamed, reparented)
    return TaxonomyDifference(
        num_kept=len(found) - len(changes),
        added=tuple(category.path for category in new.categories if category.path in arrived),
        removed=tuple(_removals([each for each in old.categories if each.path not in found], new=new)),
        renamed=renamed,
        reparented=reparented,
        moved=tuple(each for each in changes if each in moved),
    )


def _parent_target(path: str, found: dict[str, str]) -> str | None:
    parent = parent_of(path)
    return None if parent is None else found.get(parent, "")


def _removals(categories: Sequence[Category], *, new: Taxonomy) -> Iterator[Removal]:
    for category in categories:
        yield Removal(category.path, tuple(new.names.nearest(category.path, count=NUM_SUGGESTED)))
