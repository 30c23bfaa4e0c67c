"""Categories by path, in the order they were written."""

from dataclasses import dataclass
from functools import cached_property

from facetry.errors import TaxonomyError
from facetry.taxonomy.attribute import Attribute
from facetry.taxonomy.nearest import NearestNames
from facetry.taxonomy.path import SEPARATOR, name_of, parent_of


@dataclass(frozen=True, slots=True)
class Category:
    """A node of the tree; its attributes include those of the categories above it."""

    path: str
    attributes: tuple[Attribute, ...] = ()
    id: str | None = None

    @property
    def name(self) -> str:
        return name_of(self.path)

    @property
    def parent_path(self) -> str | None:
        return parent_of(self.path)

    @property
    def level(self) -> int:
        """How many names its path has."""
        return self.path.count(SEPARATOR) + 1

    @property
    def choices(self) -> tuple[Attribute, ...]:
        """The attributes whose answer is exactly one of their values: those that models learn and answer."""
        return tuple(attribute for attribute in self.attributes if attribute.is_choice)


@dataclass(frozen=True)
class Taxonomy:
    """An ordered tree. Every category's parent stands before it, and no path stands twice."""

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

    @cached_property
    def leaf_paths(self) -> frozenset[str]:
        return frozenset(leaf.path for leaf in self.leaves)

    @cached_property
    def depth(self) -> int:
        """The number of levels."""
        return max(category.level for category in self.categories)

    def one_line(self) -> str:
        """How much it holds."""
        names = {attribute.name for category in self.categories for attribute in category.attributes}
        sizes = f"{len(self.categories):,} categories, {len(self.leaves):,} of them leaves, {self.depth} levels"
        return f"{sizes}, {len(names):,} attributes"

    def category(self, path: str) -> Category:
        """The category at `path`; a `TaxonomyError` with the nearest name when there is none."""
        found = self.by_path.get(path)
        if found is None:
            raise TaxonomyError(self.why_no_category(path))
        return found

    def why_no_category(self, path: str) -> str | None:
        """Why `path` is none of its categories, with the nearest name; None when it is one."""
        if path in self.by_path:
            return None
        nearest = self.names.nearest(path)
        hint = f"did you mean '{nearest[0]}'?" if nearest else f"it has {len(self.categories)} categories"
        return f"category '{path}' is not in the taxonomy: {hint}"

    def why_no_leaf(self, path: str) -> str | None:
        """Why no product can be at `path`; None when it can."""
        if path in self.leaf_paths:
            return None
        return self.why_no_category(path) or f"category '{path}' has categories below it: name one of those"

    @cached_property
    def names(self) -> NearestNames:
        """Its paths, to be asked for the nearest."""
        return NearestNames(self.by_path)
