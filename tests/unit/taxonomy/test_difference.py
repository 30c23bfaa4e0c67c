"""What became of each category: by id where both trees have ids, else by what leaves little doubt."""

import gzip
import json
import random
import time
from pathlib import Path

import pytest

from facetry.errors import TaxonomyError
from facetry.taxonomy import Category, Taxonomy, load_taxonomy
from facetry.taxonomy.difference import Change, compare_taxonomies
from facetry.taxonomy.mapping import read_mapping, write_mapping
from facetry.taxonomy.matching import are_alike

GOOGLE_FILE = Path(__file__).parents[2] / "data" / "google-product-taxonomy.en-US.txt.gz"


def tree(*paths: str) -> Taxonomy:
    """A tree of these paths; an id may stand before each, as in `1 - A > B`."""
    return load_taxonomy("\n".join(["# Google_Product_Taxonomy_Version: test", *paths]), origin="test")


def changes(found: tuple[Change, ...]) -> dict[str, str]:
    return {change.old: change.new for change in found}


def test_with_ids_a_category_is_found_whatever_it_is_called_and_wherever_it_is() -> None:
    old = tree(
        "1 - Home", "2 - Home > Sofas", "3 - Home > Beds", "4 - Garden", "5 - Home > Lamps", "6 - Home > Sofas > Corner"
    )
    new = tree(
        "1 - Home",
        "2 - Home > Couches",
        "4 - Garden",
        "3 - Garden > Beds",
        "7 - Home > Lights",
        "6 - Home > Couches > Corner",
    )
    difference = compare_taxonomies(old, new)
    assert changes(difference.renamed) == {"Home > Sofas": "Home > Couches"}
    assert changes(difference.reparented) == {"Home > Beds": "Garden > Beds"}
    assert changes(difference.moved) == {"Home > Sofas > Corner": "Home > Couches > Corner"}
    assert [removal.path for removal in difference.removed] == ["Home > Lamps"]
    assert (difference.added, difference.num_kept) == (("Home > Lights",), 2)


def test_two_categories_that_change_places_are_told_by_their_ids() -> None:
    difference = compare_taxonomies(tree("1 - A", "2 - B"), tree("1 - B", "2 - A"))
    assert changes(difference.renamed) == {"A": "B", "B": "A"}


def test_without_ids_a_name_that_is_there_once_is_found_elsewhere() -> None:
    old = tree("Home", "Home > Wok", "Garden", "Home > Accessories", "Garden > Accessories")
    new = tree("Home", "Garden", "Garden > Wok", "Garden > Accessories", "Toys", "Toys > Accessories")
    difference = compare_taxonomies(old, new)
    assert changes(difference.reparented) == {"Home > Wok": "Garden > Wok"}
    assert [removal.path for removal in difference.removed] == ["Home > Accessories"], (
        "a name that is there often is no proof"
    )
    assert difference.added == ("Toys", "Toys > Accessories")


def test_without_ids_the_same_children_or_a_respelt_name_tell_what_was_renamed() -> None:
    old = tree("Home", "Home > Sofas", "Home > Sofas > Corner", "Home > Sofas > Bed", "Home > Pan", "Colour")
    new = tree("Home", "Home > Couches", "Home > Couches > Bed", "Home > Couches > Corner", "Home > Pans", "Color")
    difference = compare_taxonomies(old, new)
    assert changes(difference.renamed) == {
        "Home > Sofas": "Home > Couches",
        "Home > Pan": "Home > Pans",
        "Colour": "Color",
    }
    assert len(difference.moved) == 2
    assert not difference.removed
    assert not difference.added


def test_a_renamed_category_may_gain_or_lose_one_of_many_children() -> None:
    below = ("Beds", "Toys", "Food", "Litter", "Collars")
    old = tree("Cats", *(f"Cats > {name}" for name in (*below, "Treats")))
    new = tree("Felines", *(f"Felines > {name}" for name in below))
    assert changes(compare_taxonomies(old, new).renamed) == {"Cats": "Felines"}


def test_where_several_could_be_meant_nothing_is_guessed() -> None:
    old = tree("Home", "Home > Pan")
    new = tree("Home", "Home > Pans", "Home > Pann")
    (removal,) = compare_taxonomies(old, new).removed
    assert removal.path == "Home > Pan"
    assert set(removal.suggestions) >= {"Home > Pans", "Home > Pann"}


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("Toner", "Toners", True),
        ("Cups & Mugs", "Mugs and Cups", True),
        ("Colour Swatches", "Color swatches", True),
        ("Men's Shoes", "Women's Shoes", False),
        ("Dog Beds", "Dog Bowls", False),
        ("Non-prescription Cat Food", "Prescription Cat Food", False),
        ("2-person tents", "3-person tents", False),
        ("&", "&", False),
    ],
)
def test_names_are_alike_when_each_word_is(one: str, other: str, alike: bool) -> None:
    assert are_alike(one, other) is alike


def test_a_tree_compared_with_itself_is_kept_whole() -> None:
    taxonomy = tree("Home", "Home > Pan")
    difference = compare_taxonomies(taxonomy, taxonomy)
    assert not difference
    assert difference.one_line() == "0 added, 0 removed, 0 renamed, 0 re-parented, 0 moved along with these, 2 kept"


@pytest.mark.parametrize("with_ids", [True, False])
def test_every_category_of_a_real_tree_is_counted_once(with_ids: bool) -> None:
    old = load_taxonomy(gzip.decompress(GOOGLE_FILE.read_bytes()).decode(), origin="google")
    chosen = random.Random(4)
    kept = [each for each in old.categories if chosen.random() < 0.97 or each.path not in old.leaf_paths]
    renamed = [Category(each.path.replace("Supplies", "Goods"), (), each.id if with_ids else None) for each in kept]
    started = time.process_time()
    difference = compare_taxonomies(old, Taxonomy(tuple(renamed)))
    assert time.process_time() - started < 20
    assert difference.num_kept + len(difference.removed) + len(difference.changes) == len(old.categories)
    assert difference.num_kept + len(difference.added) + len(difference.changes) == len(renamed)
    assert len(difference.removed) == len(old.categories) - len(kept) + len(difference.added)
    if with_ids:
        assert not difference.added


def test_a_mapping_that_was_written_is_read_again_and_leaves_the_undecided_to_a_person(tmp_path: Path) -> None:
    old = tree("Home", "Home > Pan", "Home > Wok, deep", "Home > Sofas", "Home > Yes")
    new = tree("Home", "Home > Pans", "Garden", "Garden > Wok, deep", "Home > Sofa beds", "Yes")
    write_mapping(tmp_path / "map.yaml", compare_taxonomies(old, new), old="old.txt", new="new.txt")
    text = (tmp_path / "map.yaml").read_text()
    assert read_mapping(tmp_path / "map.yaml", new=new) == {
        "Home > Pan": "Home > Pans",
        "Home > Wok, deep": "Garden > Wok, deep",
        "Home > Yes": "Yes",
    }
    assert '# "Home > Sofas": "Home > Sofa beds"' in text
    (tmp_path / "map.yaml").write_text(text.replace('# "Home > Sofas"', '"Home > Sofas"'))
    assert read_mapping(tmp_path / "map.yaml", new=new)["Home > Sofas"] == "Home > Sofa beds"


def test_a_mapping_to_nowhere_is_refused_with_its_lines(tmp_path: Path) -> None:
    (tmp_path / "map.yaml").write_text("Pan: Pots\nWok:\nPan: Pot\nLid: [Pot]\nPot: Pot\n")
    with pytest.raises(TaxonomyError) as failure:
        read_mapping(tmp_path / "map.yaml", new=tree("Pot"))
    assert str(failure.value).split("\n") == [
        f"mapping {tmp_path / 'map.yaml'} has 3 faults",
        "  line 1: category 'Pots' is not in the taxonomy: did you mean 'Pot'?",
        "  line 2: 'Wok' must map to one path: write it, or remove the line",
        "  line 4: 'Lid' must map to one path: write it, or remove the line",
    ]


def test_a_difference_is_json_for_programs() -> None:
    told = json.loads(compare_taxonomies(tree("Pan", "Wok"), tree("Pans")).as_json())
    assert told["renamed"] == [{"old": "Pan", "new": "Pans"}]
    assert [removal["path"] for removal in told["removed"]] == ["Wok"]
