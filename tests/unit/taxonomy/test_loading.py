"""Google's and Shopify's taxonomies as they publish them: told apart by content, read in any order, refused by line."""

import gzip
import json
import time
from pathlib import Path

import pytest

from facetry.errors import TaxonomyError
from facetry.taxonomy import TaxonomyKind, as_yaml, kind_of, load_taxonomy, read_taxonomy

GOOGLE = """\
# Google_Product_Taxonomy_Version: 2026-01-01
1 - Animals & Pet Supplies
3 - Animals & Pet Supplies > Pet Supplies > Bird Supplies

2 - Animals & Pet Supplies > Pet Supplies
412 - Food, Beverages & Tobacco
"""
SHOPIFY = """\
# Shopify Product Taxonomy - Categories: 2026-08
# Format: {GID} : {Ancestor name} > ... > {Category name}

gid://shopify/TaxonomyCategory/ap      : Animals & Pet Supplies
gid://shopify/TaxonomyCategory/ap-2    : Animals & Pet Supplies > Pet Supplies
gid://shopify/TaxonomyCategory/ap-2-1  : Animals & Pet Supplies > Pet Supplies > Bird Supplies
"""
BIRDS = "Animals & Pet Supplies > Pet Supplies > Bird Supplies"
GOOGLE_FILE = Path(__file__).parents[2] / "data" / "google-product-taxonomy.en-US.txt.gz"


def faults(text: str, *, attributes: str | None = None) -> str:
    with pytest.raises(TaxonomyError) as failure:
        load_taxonomy(text, origin="tree", attributes_text=attributes)
    return str(failure.value)


def shopify_category(short_id: str, name: str, parent: str | None, *uses: tuple[str, str, str]) -> dict[str, object]:
    gid = "gid://shopify/TaxonomyCategory/"
    return {
        "id": f"{gid}{short_id}",
        "level": 0 if parent is None else 1,
        "name": name,
        "full_name": name,
        "parent_id": None if parent is None else f"{gid}{parent}",
        "attributes": [
            {"id": f"gid://shopify/TaxonomyAttribute/{number}", "name": name, "handle": handle, "extended": False}
            for number, name, handle in uses
        ],
        "children": [],
        "ancestors": [],
    }


def shopify_json(*categories: dict[str, object]) -> str:
    verticals = [{"name": "Animals", "prefix": "ap", "categories": list(categories)}]
    return json.dumps({"version": "2026-08", "verticals": verticals}, indent=2)


COLOUR, TANK = ("1", "Color", "color"), ("77", "Tank material", "tank-material")
PETS = (
    shopify_category("ap", "Animals", None, COLOUR),
    shopify_category("ap-2", "Fish", "ap", TANK, COLOUR),
)
ATTRIBUTES = json.dumps(
    {
        "version": "2026-08",
        "attributes": [
            {
                "id": "gid://shopify/TaxonomyAttribute/1",
                "name": "Color",
                "handle": "color",
                "description": "",
                "extended_attributes": [],
                "values": [{"id": "v1", "name": "Red", "handle": "red"}, {"id": "v2", "name": "Blue", "handle": "b"}],
            },
            {
                "id": "gid://shopify/TaxonomyAttribute/2",
                "name": "Accessory material",
                "handle": "accessory-material",
                "description": "",
                "extended_attributes": [{"name": "Tank material", "handle": "tank-material"}],
                "values": [{"id": "v3", "name": "Glass", "handle": "glass"}],
            },
        ],
    }
)


def test_each_format_is_known_by_what_is_in_it() -> None:
    without_ids = "Animals\nAnimals > Birds\n"
    kinds = [kind_of(text) for text in (GOOGLE, without_ids, SHOPIFY, shopify_json(*PETS), "Pan:\n", "{Pan: }")]
    assert kinds == [
        TaxonomyKind.GOOGLE,
        TaxonomyKind.GOOGLE,
        TaxonomyKind.SHOPIFY_TEXT,
        TaxonomyKind.SHOPIFY_JSON,
        TaxonomyKind.YAML,
        TaxonomyKind.YAML,
    ]


def test_googles_text_is_read_with_ids_and_parents_first() -> None:
    taxonomy = load_taxonomy(GOOGLE, origin="tree")
    assert [(category.id, category.path) for category in taxonomy.categories] == [
        ("1", "Animals & Pet Supplies"),
        ("2", "Animals & Pet Supplies > Pet Supplies"),
        ("3", BIRDS),
        ("412", "Food, Beverages & Tobacco"),
    ]


def test_googles_text_without_ids_is_the_same_tree() -> None:
    text = "\n".join(line.partition(" - ")[2] or line for line in GOOGLE.splitlines())
    taxonomy = load_taxonomy(text, origin="tree")
    assert [category.path for category in taxonomy.leaves] == [BIRDS, "Food, Beverages & Tobacco"]
    assert {category.id for category in taxonomy.categories} == {None}


def test_shopifys_text_is_read_with_its_short_ids() -> None:
    taxonomy = load_taxonomy(SHOPIFY.replace("\n", "\r\n"), origin="tree")
    assert [(category.id, category.level) for category in taxonomy.categories] == [
        ("ap", 1),
        ("ap-2", 2),
        ("ap-2-1", 3),
    ]
    assert taxonomy.categories[2].path == BIRDS


def test_shopifys_json_has_the_attributes_of_each_category_and_their_values() -> None:
    taxonomy = load_taxonomy(shopify_json(*reversed(PETS)), origin="tree", attributes_text=ATTRIBUTES)
    assert [(category.id, category.path) for category in taxonomy.categories] == [
        ("ap", "Animals"),
        ("ap-2", "Animals > Fish"),
    ]
    told = {each.path: [(a.name, a.values) for a in each.attributes] for each in taxonomy.categories}
    assert told["Animals"] == [("Color", ("Red", "Blue"))]
    assert told["Animals > Fish"] == [("Tank material", ("Glass",)), ("Color", ("Red", "Blue"))]
    assert load_taxonomy(as_yaml(taxonomy), origin="written") == taxonomy


def test_without_their_values_attributes_are_left_out() -> None:
    assert load_taxonomy(shopify_json(*PETS), origin="tree").categories[0].attributes == ()


def test_attributes_alone_go_with_no_other_format() -> None:
    assert faults(SHOPIFY, attributes=ATTRIBUTES) == (
        "taxonomy tree is Shopify's text, which does not tell the attributes of a category: "
        "give Shopify's categories.json together with attributes.json"
    )


def test_a_cycle_of_parents_is_named() -> None:
    text = shopify_json(
        shopify_category("a", "A", "c"), shopify_category("b", "B", "a"), shopify_category("c", "C", "b")
    )
    told = faults(text)
    assert "categories are above each other in a cycle (a below c below b below a): give one another parent" in told
    assert told.count("cycle") == 1


def test_faults_of_json_are_told_with_their_lines() -> None:
    text = shopify_json(*PETS, shopify_category("ap-3", "Fish", "ap"), shopify_category("ap-4", "Cats", "gone"))
    line = next(number for number, each in enumerate(text.splitlines(), start=1) if "ap-4" in each) - 1
    told = faults(text)
    assert f"line {line}: 'Cats' has the parent 'gone', which is not in the file: add it" in told
    assert "category 'Animals > Fish' stands twice, also on line" in told
    undefined = faults(shopify_json(*PETS), attributes='{"attributes": [{"id": "x", "values": [{"name": "y"}]}]}')
    assert (
        "'Animals' has the attribute 'Color' (1), which is not defined: take both files from one release" in undefined
    )
    assert "verticals.0.categories.0.name: Field required" in faults(shopify_json({"id": "x", "parent_id": None}))
    assert "not JSON" in faults('{"verticals": [')


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("1 - A\n2 - A > B > C\n", "line 2: 'A > B > C' has no parent 'A > B': add a line for it"),
        ("1 - Pots\n2 - Pats > B\n", "line 2: 'Pats > B' has no parent 'Pats': add a line for it"),
        ("1 - Kitchen\n2 - Kitchens > B\n", "add it, or did you mean 'Kitchen'?"),
        ("1 - A\n2 - A\n", "line 2: category 'A' stands twice, also on line 1: keep one"),
        (
            "1 - A\n2 - A > Pan\n3 - A > PAN\n",
            "line 3: 'A > PAN' and 'Pan' (line 2) differ in case or white space only",
        ),
        ("1 - A\n1 - B\n", "line 2: 'B' has the id 1 of 'A' (line 1): change one"),
        ("1 - A\nB\n", "line 2: 'B' has no id: write it as '123 - A > B'"),
        ("1 - A\n2 - A > \n", "line 2: a category in 'A > ' has no name"),
        ("1 - A\n2 - A >B\n", "line 2: category 'A >B' holds '>', which stands between names"),
        ("# Google_Product_Taxonomy_Version: x\n", "it has no categories"),
        ("1 - " + " > ".join("A" * 40), "has more than 30 levels"),
        (f"{SHOPIFY}nonsense : A\n", "line 7: 'nonsense : A' has no id"),
        (f"{SHOPIFY}gid://shopify/TaxonomyCategory/x :\n", "has no name"),
    ],
)
def test_what_is_wrong_with_a_line_is_told_with_its_number(text: str, fault: str) -> None:
    assert fault in faults(text)


def test_a_file_that_is_absent_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(TaxonomyError, match=r"cannot read the taxonomy .*none\.yaml"):
        read_taxonomy(tmp_path / "none.yaml")
    with pytest.raises(TaxonomyError, match="cannot read the taxonomy"):
        read_taxonomy(tmp_path)
    latin = tmp_path / "latin.txt"
    latin.write_bytes("1 - A\n2 - Crème\n".encode("latin-1"))
    with pytest.raises(TaxonomyError, match=r"latin\.txt, line 2: this is not UTF-8: save it as UTF-8"):
        read_taxonomy(latin)


def test_a_mark_of_the_byte_order_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    (tmp_path / "bom.txt").write_bytes("1 - A\n".encode("utf-8-sig"))
    assert read_taxonomy(tmp_path / "bom.txt").categories[0].path == "A"


def test_a_file_too_large_to_be_a_taxonomy_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "huge.txt").open("wb") as file:
        file.truncate(300 * 2**20)
    with pytest.raises(TaxonomyError, match="has 300 MB, more than 256"):
        read_taxonomy(tmp_path / "huge.txt")


def test_googles_whole_taxonomy_is_read_and_written_without_loss() -> None:
    taxonomy = load_taxonomy(gzip.decompress(GOOGLE_FILE.read_bytes()).decode(), origin="google")
    assert taxonomy.one_line() == "5,582 categories, 4,709 of them leaves, 7 levels, 0 attributes"
    assert load_taxonomy(as_yaml(taxonomy), origin="written") == taxonomy
    near = taxonomy.names.nearest("Animals & Pet Supplies > Pet Supply > Bird Suplies > Birds Food")
    assert near == ["Animals & Pet Supplies > Pet Supplies > Bird Supplies > Bird Food"]


def test_ten_thousand_categories_take_well_under_a_second() -> None:
    lines = [f"{100 * top + 1} - Top {top}" for top in range(100)]
    lines += [f"{100 * top + low + 2} - Top {top} > Low {low}" for top in range(100) for low in range(99)]
    text = "\n".join(lines)
    started = time.process_time()
    assert len(load_taxonomy(text, origin="tree").categories) == 10_000
    assert time.process_time() - started < 1
