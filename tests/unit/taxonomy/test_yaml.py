"""Taxonomies in YAML: order, inheritance, kinds of attributes, and what is refused, with its line."""

import pytest

from facetry.errors import TaxonomyError
from facetry.taxonomy import Attribute, AttributeKind, Category, Taxonomy, as_yaml, load_yaml

TREE = """
Home:
  attributes: {colour: [red, blue]}
  categories:
    Kitchen:
      attributes: {lid: [with, without]}
      categories:
        Pan:
        Pot: {attributes: {colour: [steel]}}
    Bath: {without: [colour], id: b-1}
"""
KINDS = """
Pan:
  attributes:
    lid: ['yes', 'no']
    features: {values: [non-stick, oven safe], many: true}
    material: {kind: text}
    motto: {kind: text, max_characters: 30, many: true}
    width: {kind: number, unit: cm}
    is vintage: {kind: boolean}
"""


def attributes(category: Category) -> dict[str, tuple[str, ...]]:
    return {attribute.name: attribute.values for attribute in category.attributes}


def faults(text: str) -> str:
    with pytest.raises(TaxonomyError) as failure:
        load_yaml(text, origin="shop.yaml")
    return str(failure.value)


def test_categories_keep_their_order_and_inherit_attributes() -> None:
    taxonomy = load_yaml(TREE, origin="t")
    assert [leaf.path for leaf in taxonomy.leaves] == ["Home > Kitchen > Pan", "Home > Kitchen > Pot", "Home > Bath"]
    pan, pot = taxonomy.category("Home > Kitchen > Pan"), taxonomy.category("Home > Kitchen > Pot")
    assert attributes(pan) == {"colour": ("red", "blue"), "lid": ("with", "without")}
    assert attributes(pot) == {"lid": ("with", "without"), "colour": ("steel",)}
    assert (pan.name, pan.parent_path, pan.level, pan.id) == ("Pan", "Home > Kitchen", 3, None)


def test_a_category_can_lack_what_is_asked_of_those_above_it_and_have_an_id() -> None:
    bath = load_yaml(TREE, origin="t").category("Home > Bath")
    assert (bath.attributes, bath.id) == ((), "b-1")
    assert faults(TREE.replace("[colour]", "[color]")) == (
        "taxonomy shop.yaml, line 10: category 'Bath' is without 'color', which no category above it has: "
        "did you mean 'colour'?"
    )


def test_an_attribute_is_a_choice_a_list_of_choices_a_text_a_number_or_a_boolean() -> None:
    (pan,) = load_yaml(KINDS, origin="t").categories
    assert pan.attributes == (
        Attribute("lid", ("yes", "no")),
        Attribute("features", ("non-stick", "oven safe"), many=True),
        Attribute("material", kind=AttributeKind.TEXT, max_characters=100),
        Attribute("motto", kind=AttributeKind.TEXT, max_characters=30, many=True),
        Attribute("width", kind=AttributeKind.NUMBER, unit="cm"),
        Attribute("is vintage", kind=AttributeKind.BOOLEAN),
    )
    assert [attribute.name for attribute in pan.choices] == ["lid"]


@pytest.mark.parametrize("text", [TREE, KINDS])
def test_what_is_written_as_yaml_is_read_as_the_same(text: str) -> None:
    taxonomy = load_yaml(text, origin="t")
    assert load_yaml(as_yaml(taxonomy), origin="written") == taxonomy


def test_words_that_yaml_takes_for_something_else_stay_words() -> None:
    names = (
        "no",
        "1",
        "A: b",
        "# c",
        "Ünder",
        "'q'",
        '"',
        "[x]",
        "*y",
        "on",
        "A & B",
        "-",
        "~",
        "?",
        "\ufffe",
        "\ufeffx",
    )
    values = ("yes", "1.50", "a, b", "]", "C#")
    taxonomy = Taxonomy(tuple(Category(name, (Attribute("null", values),), id="007") for name in names[:1]))
    many = Taxonomy(tuple(Category(name) for name in names))
    for each in (taxonomy, many):
        assert load_yaml(as_yaml(each), origin="written") == each


def test_an_attribute_that_many_categories_ask_is_written_once() -> None:
    colour = Attribute("colour", ("red", "blue"))
    taxonomy = Taxonomy((Category("Pan", (colour,)), Category("Pot", (colour,))))
    text = as_yaml(taxonomy)
    assert text.count("blue") == 1
    assert load_yaml(text, origin="written") == taxonomy


def test_an_unknown_category_is_answered_with_the_nearest() -> None:
    with pytest.raises(TaxonomyError, match="did you mean 'Home > Kitchen > Pan'"):
        load_yaml(TREE, origin="t").category("Home > Kitchen > Pam")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "line 1: it must map category names"),
        ("- Pan", "line 1: it must map category names"),
        ("Pan:\nPot: [", "this is not YAML"),
        ("Pan: \x00", "this is not YAML"),
        ("Pan: *pot", "line 1: no anchor &pot stands before"),
        ("Pan:\n---\nPot:", "a second document begins"),
        ("[" * 100_000, "line 1: nested more than 128 deep"),
        ("{}", "has no categories"),
        ("Pan: {colour: red}", "line 1: category 'Pan' may hold 'id', 'attributes', 'without' and 'categories' only"),
        ("Pan: red", "line 1: category 'Pan' must be a mapping"),
        ("[Pan]: {}", "a name must be a text"),
        ("Pan:\n  attributes: {colour: red}", "line 2: the values of attribute 'colour' must be a list of texts"),
        ("Pan:\n  attributes: {colour: []}", "line 2: attribute 'colour' has no values"),
        ("Pan:\n  attributes: {colour: }", "line 2: attribute 'colour' has no values"),
        ("Pan:\n  attributes: [colour]", "line 2: the attributes of category 'Pan' must map names"),
        ("Pan: {attributes: {colour: [red, Red]}}", "attribute 'colour' has the equal values 'red' and 'Red'"),
        ("Pan: {attributes: {colour: [red, red]}}", "attribute 'colour' has the value 'red' twice"),
        ("Pan: {attributes: {colour: ['']}}", "attribute 'colour': '' is empty"),
        ("Pan:\n  attributes:\n    lid: [a]\n    lid: [b]", "line 4: category 'Pan' has the attribute 'lid' twice"),
        ("Pan: {attributes: {w: {kind: numbr}}}", "the kind of attribute 'w' is 'numbr': did you mean number?"),
        ("Pan: {attributes: {w: {kind: number, values: [a]}}}", "is a number and has values"),
        ("Pan: {attributes: {w: {values: [a], unit: cm}}}", "is closed and has a unit"),
        ("Pan: {attributes: {w: {kind: boolean, many: true}}}", "is a boolean with many answers"),
        ("Pan: {attributes: {w: {kind: text, max_characters: 0}}}", "has max_characters 0: use 1 to 1000"),
        ("Pan: {attributes: {w: {kind: text, max_characters: -1}}}", "is '-1': write a whole number"),
        ("Pan: {attributes: {w: {kind: text, length: 3}}}", "attribute 'w' may hold 'kind',"),
        ("Pan: {attributes: {w: {values: [a], many: perhaps}}}", "'many' of attribute 'w' is 'perhaps'"),
        ("Pan: {categories: [Pot]}", "must be a mapping"),
        ("Pan:\n  id: 1\n  id: 2", "line 3: category 'Pan' has 'id' twice, also on line 2"),
        ("Pan:\nPot:\nPan:", "line 3: category 'Pan' stands twice, also on line 1: keep one"),
        ("Pan:\nPot:\n' pan':", "begins or ends with white space"),
        ("Fry Pan:\n'fry  pan':", "line 2: 'fry  pan' and 'Fry Pan' (line 1) differ in case or white space only"),
        ("A > B:", "line 1: category 'A > B' holds '>'"),
        ('"A\\nB":', "holds a control character"),
        ("'':", "has no name"),
        (f"{'x' * 400}:", "has 400 characters, more than 300"),
        ("Pan: {id: 1}\nPot: {id: 1}", "line 2: 'Pot' has the id 1 of 'Pan' (line 1): change one"),
    ],
)
def test_a_malformed_taxonomy_is_refused_with_its_name_and_line(text: str, fault: str) -> None:
    told = faults(text)
    assert told.startswith("taxonomy shop.yaml")
    assert fault in told
    assert "\n" not in told or " faults\n" in told


def test_all_faults_are_told_at_once_in_the_order_of_their_lines() -> None:
    assert faults("Pan: red\nA > B:\nPot: {lids: 2}\n").split("\n") == [
        "taxonomy shop.yaml has 3 faults",
        "  line 1: category 'Pan' must be a mapping of id, attributes, without, categories, or nothing",
        "  line 2: category 'A > B' holds '>', which stands between names: write something else",
        "  line 3: category 'Pot' may hold 'id', 'attributes', 'without' and 'categories' only, not 'lids'",
    ]


def test_of_many_faults_the_first_ten_are_told_and_the_others_counted() -> None:
    told = faults("".join(f"Pan {number}: red\n" for number in range(13))).split("\n")
    assert (told[0], told[10][:9], told[11:]) == ("taxonomy shop.yaml has 13 faults", "  line 10", ["  and 3 more"])


def test_a_category_that_stands_inside_itself_is_found() -> None:
    told = faults("Home: &home\n  categories:\n    Kitchen: *home\n")
    assert "line 3: category 'Kitchen' stands inside itself" in told


def test_aliases_that_multiply_end_at_the_number_of_categories_allowed() -> None:
    levels = ["L0: &l0 {categories: {A: , B: }}"]
    levels += [f"L{n}: &l{n} {{categories: {{A: *l{n - 1}, B: *l{n - 1}, C: *l{n - 1}}}}}" for n in range(1, 25)]
    assert "more than 100,000 categories" in faults("\n".join(levels))


def test_a_tree_has_each_path_once_and_under_its_parent() -> None:
    with pytest.raises(TaxonomyError, match="stands twice"):
        Taxonomy((Category("Pan"), Category("Pan")))
    with pytest.raises(TaxonomyError, match="has no parent: add 'Home'"):
        Taxonomy((Category("Home > Pan"),))
