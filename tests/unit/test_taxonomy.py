"""Taxonomies in YAML: order, inheritance, and what is refused."""

from pathlib import Path

import pytest

from facetry.errors import TaxonomyError
from facetry.taxonomy import Category, Taxonomy, load_yaml, read_yaml

TREE = """
Home:
  attributes: {colour: [red, blue]}
  categories:
    Kitchen:
      attributes: {lid: [with, without]}
      categories:
        Pan:
        Pot: {attributes: {colour: [steel]}}
    Bath:
"""


def test_categories_keep_their_order_and_inherit_attributes() -> None:
    taxonomy = load_yaml(TREE, origin="t")
    assert [leaf.path for leaf in taxonomy.leaves] == ["Home > Kitchen > Pan", "Home > Kitchen > Pot", "Home > Bath"]
    pan, pot = taxonomy.category("Home > Kitchen > Pan"), taxonomy.category("Home > Kitchen > Pot")
    assert [attribute.name for attribute in pan.attributes] == ["colour", "lid"]
    assert {attribute.name: attribute.values for attribute in pot.attributes} == {
        "lid": ("with", "without"),
        "colour": ("steel",),
    }
    assert (pan.name, pan.parent_path) == ("Pan", "Home > Kitchen")


def test_an_unknown_category_is_answered_with_the_nearest() -> None:
    with pytest.raises(TaxonomyError, match="did you mean 'Home > Kitchen > Pan'"):
        load_yaml(TREE, origin="t").category("Home > Kitchen > Pam")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must map category names"),
        ("- Pan", "must map category names"),
        ("Pan: [", "is not YAML"),
        ("{}", "has no categories"),
        ("Pan: {colour: red}", "'attributes' and 'categories' only"),
        ("Pan: {attributes: {colour: red}}", "must map names to lists"),
        ("Pan: {attributes: {colour: []}}", "must map names to lists"),
        ("Pan: {categories: [Pot]}", "must be a mapping"),
    ],
)
def test_a_malformed_taxonomy_is_refused_with_its_name(text: str, message: str) -> None:
    with pytest.raises(TaxonomyError, match=message) as failure:
        load_yaml(text, origin="shop.yaml")
    assert "\n" not in str(failure.value)


def test_a_tree_has_each_path_once_and_under_its_parent() -> None:
    with pytest.raises(TaxonomyError, match="stands twice"):
        Taxonomy((Category("Pan"), Category("Pan")))
    with pytest.raises(TaxonomyError, match="has no parent: add 'Home'"):
        Taxonomy((Category("Home > Pan"),))


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TaxonomyError, match=r"cannot read the taxonomy .*none\.yaml"):
        read_yaml(tmp_path / "none.yaml")
