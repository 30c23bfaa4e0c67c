"""What holds for every tree, however its categories are called and whatever they ask."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from facetry.errors import TaxonomyError
from facetry.taxonomy import Attribute, AttributeKind, Category, Taxonomy, as_yaml, load_taxonomy, load_yaml
from facetry.taxonomy.difference import compare_taxonomies

LETTERS = st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp", "Zs"], exclude_characters=">")
NAMES = st.text(LETTERS, min_size=1, max_size=6)
CHOICES = st.lists(NAMES, min_size=1, max_size=3, unique_by=str.casefold).map(tuple)
ATTRIBUTES = st.one_of(
    st.builds(Attribute, NAMES, CHOICES, many=st.booleans()),
    st.builds(Attribute, NAMES, kind=st.just(AttributeKind.NUMBER), unit=st.none() | NAMES),
    st.builds(Attribute, NAMES, kind=st.just(AttributeKind.TEXT), max_characters=st.integers(1, 1000)),
)
ASKED = st.lists(ATTRIBUTES, max_size=3, unique_by=lambda attribute: attribute.name).map(tuple)


@st.composite
def trees(draw: st.DrawFn) -> Taxonomy:
    """Up to eight categories, each below one drawn before it or at the top."""
    names = draw(st.lists(NAMES, min_size=1, max_size=8, unique_by=str.casefold))
    paths: list[str] = []
    for name in names:
        above = draw(st.none() | st.sampled_from(paths)) if paths else None
        paths.append(name if above is None else f"{above} > {name}")
    below = {path: [each for each in paths if each == path or each.startswith(f"{path} > ")] for path in paths}
    ordered = dict.fromkeys(each for path in paths for each in below[path])
    return Taxonomy(tuple(Category(path, draw(ASKED)) for path in sorted(ordered, key=lambda path: path.split(" > "))))


@settings(max_examples=60, deadline=None)
@given(trees())
def test_yaml_keeps_it_all(tree: Taxonomy) -> None:
    assert load_yaml(as_yaml(tree), origin="written") == tree


@settings(max_examples=60, deadline=None)
@given(trees(), st.randoms(use_true_random=False))
def test_the_order_of_the_lines_does_not_matter(tree: Taxonomy, random: Random) -> None:
    lines = [f"{number} - {category.path}" for number, category in enumerate(tree.categories)]
    random.shuffle(lines)
    read = load_taxonomy("\n".join(lines), origin="shuffled")
    assert set(read.by_path) == set(tree.by_path)


@settings(max_examples=60, deadline=None)
@given(trees(), trees())
def test_every_category_is_kept_changed_removed_or_added(old: Taxonomy, new: Taxonomy) -> None:
    found = compare_taxonomies(old, new)
    assert found.num_kept + len(found.changes) + len(found.removed) == len(old.categories)
    assert found.num_kept + len(found.changes) + len(found.added) == len(new.categories)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_a_taxonomy_or_is_refused_by_name(text: str) -> None:
    try:
        load_taxonomy(text, origin="any")
    except TaxonomyError as error:
        assert str(error).startswith("taxonomy any")  # noqa: PT017 - either end is right
