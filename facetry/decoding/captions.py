"""What is said of a picture: a caption for every value of what it is to tell. Training and answering both use these."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from facetry.config import ContrastiveParams
from facetry.errors import ConfigError
from facetry.listing import Label
from facetry.taxonomy import Category, Taxonomy

CATEGORY = "category"


@dataclass(frozen=True, slots=True)
class Facet:
    """Something that a picture tells: `category` or an attribute, its values, and a caption for each of them."""

    name: str
    values: tuple[str, ...]
    captions: tuple[str, ...]

    def value_of(self, label: Label) -> str | None:
        """What `label` says of it, None when it says nothing."""
        return label.category if self.name == CATEGORY else label.attributes.get(self.name)


def category_facet(taxonomy: Taxonomy, *, params: ContrastiveParams) -> Facet:
    """A category is called by the last name of its path, or by all of it where two paths end alike."""
    counts = Counter(leaf.name for leaf in taxonomy.leaves)
    called = [leaf.name if counts[leaf.name] == 1 else leaf.path for leaf in taxonomy.leaves]
    values = tuple(leaf.path for leaf in taxonomy.leaves)
    return Facet(CATEGORY, values, tuple(_caption(CATEGORY, name, params=params) for name in called))


def learnt_facets(taxonomy: Taxonomy, *, params: ContrastiveParams) -> tuple[Facet, ...]:
    """What `params.learn` names, in its order; an attribute has every value that some category allows."""
    return tuple(
        category_facet(taxonomy, params=params)
        if name == CATEGORY
        else _attribute_facet(name, taxonomy=taxonomy, params=params)
        for name in dict.fromkeys(params.learn)
    )


def values_in(category: Category, name: str) -> tuple[str, ...]:
    """The values that the attribute `name` may have in a category; none when the category lacks it."""
    return next((attribute.values for attribute in category.choices if attribute.name == name), ())


def _attribute_facet(name: str, *, taxonomy: Taxonomy, params: ContrastiveParams) -> Facet:
    values = tuple(dict.fromkeys(value for leaf in taxonomy.leaves for value in values_in(leaf, name)))
    if not values:
        known = sorted({attribute.name for leaf in taxonomy.leaves for attribute in leaf.choices})
        raise ConfigError(f"train.contrastive.learn: no attribute is called '{name}'{_nearest(name, known)}")
    return Facet(name, values, tuple(_caption(name, value, params=params) for value in values))


def _caption(name: str, value: str, *, params: ContrastiveParams) -> str:
    if params.captions == "bare":
        return value
    return params.sentence.replace("{name}", name).replace("{value}", value)


def _nearest(name: str, known: Sequence[str]) -> str:
    nearest = get_close_matches(name, [*known, CATEGORY], n=1)
    return f", did you mean '{nearest[0]}'?" if nearest else f": use {', '.join([CATEGORY, *known])}"
