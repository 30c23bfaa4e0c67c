"""Categories by path, in the order they were written."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property

from facetry.errors import TaxonomyError

SEPARATOR = " > "


@dataclass(frozen=True, slots=True)
class Attribute:
    """A question that a category asks of a product, and the answers it allows."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Category:
    """A node of the tree; its attributes include those of the categories above it."""

    path: str
    attributes: tuple[Attribute, ...] = ()

    @property
    def name(self) -> str:
        return self.path.rsplit(SEPARATOR, maxsplit=1)[-1]

    @property
    def parent_path(self) -> str | None:
        return self.path.rsplit(SEPARATOR, maxsplit=1)[0] if SEPARATOR in self.path else None


@dataclass(frozen=True)
class Taxonomy:
    """An ordered tree. Every category's parent is in it, and no path stands twice."""

    categories: tuple[Category, ...]

    def __post_init__(self) -> None:
        if not self.categories:
            raise TaxonomyError("the taxonomy has no categories: write at least one")
        seen: set[str] = set()
        for category in self.categories:
            if category.path in seen:
                raise TaxonomyError(f"category '{category.path}' stands twice in the taxonomy: keep one")
            if category.parent_path is not None and category.parent_path not in seen:
                raise TaxonomyError(f"category '{category.path}' has no parent: add '{category.parent_path}' before it")
            seen.add(category.path)

    @cached_property
    def by_path(self) -> dict[str, Category]:
        return {category.path: category for category in self.categories}

    @cached_property
    def leaves(self) -> tuple[Category, ...]:
        """The categories that a product can be: those with nothing below them."""
        parents = {category.parent_path for category in self.categories}
        return tuple(category for category in self.categories if category.path not in parents)

    def category(self, path: str) -> Category:
        """The category at `path`; a `TaxonomyError` with the nearest name when there is none."""
        found = self.by_path.get(path)
        if found is None:
            raise TaxonomyError(f"category '{path}' is not in the taxonomy{_did_you_mean(path, self.by_path)}")
        return found


def _did_you_mean(path: str, known: Iterable[str]) -> str:
    nearest = get_close_matches(path, list(known), n=1)
    return f": did you mean '{nearest[0]}'?" if nearest else f": it has {len(list(known))} categories"
