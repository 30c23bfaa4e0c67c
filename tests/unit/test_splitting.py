"""Whole groups stand on one side, in shares close to the ratios, and stay there."""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from facetry.catalogue import Catalogue, CatalogueWriter
from facetry.config import IngestParams, SplitParams, SplitRatios
from facetry.errors import CatalogueError
from facetry.listing import Label, Listing, Split
from facetry.splitting import SplitSummary, refuse_groups_on_two_sides, split

TAXONOMY = "Pan:\nPot:\nWok:\n"


def listing(number: int, *, brand: str | None, category: str | None = "Pan", title: str | None = "x") -> Listing:
    return Listing(id=str(number), title=title, brand=brand, label=Label(category) if category else None)


def brands(num_brands: int, *, size: int = 10) -> list[Listing]:
    return [listing(number, brand=f"brand {number % num_brands}") for number in range(num_brands * size)]


def sides_of(
    folder: Path, listings: Iterable[Listing], *, params: SplitParams | None = None
) -> tuple[dict[str, Split | None], SplitSummary]:
    (folder / "in").mkdir(parents=True)
    with CatalogueWriter(
        folder / "in", stage="clean", params=IngestParams(), taxonomy_yaml=TAXONOMY, parent=None
    ) as writer:
        for each in listings:
            writer.add(each)
    summary = split(Catalogue.open(folder / "in"), params=params or SplitParams(), out=folder / "out")
    return {each.id: each.split for each in Catalogue.open(folder / "out").listings()}, summary


def test_variants_of_one_brand_stay_together(tmp_path: Path) -> None:
    spellings = ["Acme", " acme", "ACME ", "acme"]
    listings = [*brands(20), *(listing(1000 + number, brand=name) for number, name in enumerate(spellings))]
    sides, _ = sides_of(tmp_path / "shop", listings)
    assert len({sides[str(1000 + number)] for number in range(len(spellings))}) == 1
    for brand in range(20):
        assert len({sides[str(number)] for number in range(200) if number % 20 == brand}) == 1


def test_shares_come_close_to_the_ratios(tmp_path: Path) -> None:
    sides, summary = sides_of(tmp_path / "shop", brands(48, size=5))
    assert summary.listings == Counter(sides.values())
    for side, ratio in (("train", 0.7), ("validation", 0.1), ("test", 0.2)):
        assert summary.share(Split(side)) == pytest.approx(ratio, abs=1 / 48)
    assert json.loads((tmp_path / "shop/out/split.json").read_text())["listings"] == summary.listings


def test_the_same_seed_gives_the_same_sides_in_any_order_of_listings(tmp_path: Path) -> None:
    listings = brands(30)
    sides, _ = sides_of(tmp_path / "one", listings)
    assert sides_of(tmp_path / "two", reversed(listings))[0] == sides
    assert sides_of(tmp_path / "three", listings, params=SplitParams(seed=8))[0] != sides


def test_listings_that_are_added_move_few_of_those_that_were_there(tmp_path: Path) -> None:
    before, _ = sides_of(tmp_path / "before", brands(40))
    added = [listing(10_000 + number, brand=f"brand {number % 44}") for number in range(60)]
    after, _ = sides_of(tmp_path / "after", [*brands(40), *added])
    moved = {int(number) % 40 for number, side in before.items() if after[number] is not side}
    assert len(moved) <= 4


def test_every_category_is_shown_in_training_when_it_can_be(tmp_path: Path) -> None:
    for seed in range(8):
        rare = [listing(9000 + number, brand=f"rare {number}", category="Wok") for number in range(2)]
        _, summary = sides_of(tmp_path / str(seed), [*brands(10), *rare], params=SplitParams(seed=seed))
        assert summary.missing_from_train == ()
        assert min(summary.groups.values()) > 0


def test_a_category_that_training_lacks_is_named(tmp_path: Path) -> None:
    listings = [
        listing(number, brand=category, category=category) for number, category in enumerate(("Pan", "Pot", "Wok"))
    ]
    sides, summary = sides_of(tmp_path / "shop", listings)
    assert sorted(filter(None, sides.values())) == ["test", "train", "validation"]
    assert len(summary.missing_from_train) == 2
    assert f"not in train: {', '.join(summary.missing_from_train)}" in summary.one_line()


def test_listings_without_label_or_content_stand_on_no_side_and_are_counted(tmp_path: Path) -> None:
    odd = [listing(900, brand="brand 1", category=None), listing(901, brand="brand 1", title=None)]
    nothing = Listing(id="902", label=Label("Pan"))
    sides, summary = sides_of(tmp_path / "shop", [*brands(10), *odd, nothing])
    assert (sides["900"], sides["902"]) == (None, None)
    assert sides["901"] is sides["1"], "a brand is content"
    assert "2 without label or content left out of every side" in summary.one_line()


def test_listings_without_a_brand_are_groups_of_their_own(tmp_path: Path) -> None:
    sides, summary = sides_of(tmp_path / "shop", [listing(number, brand=None) for number in range(40)])
    assert set(sides.values()) == set(Split)
    assert sum(summary.groups.values()) == 40


def test_too_few_brands_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"need 3 groups and there are 1: .*split\.group_by=listing"):
        sides_of(tmp_path / "shop", brands(1))
    sides, _ = sides_of(tmp_path / "alone", brands(1), params=SplitParams(group_by="listing"))
    assert set(sides.values()) == set(Split)


def test_no_side_is_empty_when_one_brand_is_most_of_the_shop(tmp_path: Path) -> None:
    giant = [listing(number, brand="giant") for number in range(100)]
    _, summary = sides_of(tmp_path / "shop", [*giant, listing(200, brand="a"), listing(201, brand="b")])
    assert sorted(summary.groups.values()) == [1, 1, 1]


def test_a_side_with_no_ratio_stays_empty(tmp_path: Path) -> None:
    ratios = SplitRatios(train=0, validation=0, test=1)
    sides, _ = sides_of(tmp_path / "shop", brands(5), params=SplitParams(ratios=ratios))
    assert set(sides.values()) == {Split.TEST}


def test_a_catalogue_without_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"no listing of .* has a label"):
        sides_of(tmp_path / "shop", [listing(1, brand="a", category=None)])


def test_a_group_on_two_sides_is_named() -> None:
    placed = [("brand a", Split.TRAIN), ("brand b", Split.TEST), ("brand a", Split.TEST)]
    refuse_groups_on_two_sides(placed[:2])
    with pytest.raises(CatalogueError, match="brand a is in both train and test"):
        refuse_groups_on_two_sides(placed)
