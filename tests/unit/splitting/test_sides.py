"""Whole groups stand on one side, in shares close to the ratios for the shop and for each category."""

import json
import random
from collections import Counter
from pathlib import Path

import pytest

from facetry.catalogue import Catalogue, CatalogueWriter
from facetry.config import IngestParams, SplitParams, SplitRatios
from facetry.errors import CatalogueError
from facetry.listing import Listing, Split
from facetry.splitting import split
from tests.unit.splitting.shops import brands, listing, split_shop


def test_variants_of_one_brand_stay_together(tmp_path: Path) -> None:
    spellings = ["Acme", " acme", "ACME ", "acme"]
    listings = [*brands(20), *(listing(1000 + number, brand=name) for number, name in enumerate(spellings))]
    sides = split_shop(tmp_path / "shop", listings).sides
    assert len({sides[str(1000 + number)] for number in range(len(spellings))}) == 1
    for brand in range(20):
        assert len({sides[str(number)] for number in range(200) if number % 20 == brand}) == 1


def test_shares_come_close_to_the_ratios(tmp_path: Path) -> None:
    shop = split_shop(tmp_path / "shop", brands(48, size=5))
    assert shop.summary.listings == Counter(shop.sides.values())
    for side, ratio in (("train", 0.7), ("validation", 0.1), ("test", 0.2)):
        assert shop.summary.share(Split(side)) == pytest.approx(ratio, abs=1 / 48)
    assert json.loads((shop.folder / "split.json").read_text())["listings"] == shop.summary.listings


def test_each_category_comes_close_to_the_ratios(tmp_path: Path) -> None:
    draw = random.Random(3)
    listings = [
        listing(number, brand=f"brand {draw.randrange(80)}", category=draw.choice(["Pan", "Pot", "Wok"]))
        for number in range(900)
    ]
    for seed in range(5):
        summary = split_shop(tmp_path / str(seed), listings, params=SplitParams(seed=seed)).summary
        for stratum in summary.strata:
            for side in Split:
                share = stratum.listings[side] / sum(stratum.listings.values())
                assert share == pytest.approx(getattr(SplitRatios(), side), abs=0.05)


def test_the_same_seed_gives_the_same_sides_in_any_order_of_listings(tmp_path: Path) -> None:
    listings = [
        listing(number, brand=f"brand {number % 30}", category=("Pan", "Pot")[number % 2], clusters=[str(number // 9)])
        for number in range(200)
    ]
    sides = split_shop(tmp_path / "one", listings, params=SplitParams(group_by="listing")).sides
    again = split_shop(tmp_path / "two", reversed(listings), params=SplitParams(group_by="listing")).sides
    other = split_shop(tmp_path / "three", listings, params=SplitParams(group_by="listing", seed=8)).sides
    assert again == sides
    assert other != sides


def test_listings_that_are_added_move_few_of_those_that_were_there(tmp_path: Path) -> None:
    before = split_shop(tmp_path / "before", brands(40)).sides
    added = [listing(10_000 + number, brand=f"brand {number % 44}") for number in range(60)]
    after = split_shop(tmp_path / "after", [*brands(40), *added]).sides
    moved = {int(number) % 40 for number, side in before.items() if after[number] is not side}
    assert len(moved) <= 4


def test_every_category_is_shown_in_training_when_it_can_be(tmp_path: Path) -> None:
    for seed in range(8):
        rare = [listing(9000 + number, brand=f"rare {number}", category="Wok") for number in range(2)]
        summary = split_shop(tmp_path / str(seed), [*brands(10), *rare], params=SplitParams(seed=seed)).summary
        assert summary.missing_from_train == ()
        assert min(summary.groups.values()) > 0


def test_every_category_of_enough_groups_is_on_every_side(tmp_path: Path) -> None:
    listings = [listing(n, brand=f"brand {n % 60}", category="Wok" if n % 60 < 12 else "Pan") for n in range(240)]
    for seed in range(8):
        strata = split_shop(tmp_path / str(seed), listings, params=SplitParams(seed=seed)).summary.strata
        assert [stratum.category for stratum in strata] == ["Pan", "Wok"]
        assert all(stratum.listings[side] > 0 for stratum in strata for side in Split)


def test_a_category_that_training_lacks_is_named(tmp_path: Path) -> None:
    listings = [
        listing(number, brand=category, category=category) for number, category in enumerate(("Pan", "Pot", "Wok"))
    ]
    shop = split_shop(tmp_path / "shop", listings)
    assert sorted(filter(None, shop.sides.values())) == ["test", "train", "validation"]
    assert len(shop.summary.missing_from_train) == 2
    assert f"not in train: {', '.join(shop.summary.missing_from_train)}" in shop.summary.one_line()


def test_listings_without_label_or_content_stand_on_no_side_and_are_counted(tmp_path: Path) -> None:
    odd = [
        listing(900, brand="brand 1", category=None),
        listing(901, brand="brand 1", title=None),
        Listing(id="902", label=listing(1, brand=None).label),
        listing(903, brand=None, title=None, clusters=["a"], rejection="blurred"),
        listing(904, brand=None, title=None, clusters=["b"]),
    ]
    shop = split_shop(tmp_path / "shop", [*brands(10), *odd])
    assert {number for number, side in shop.sides.items() if side is None} == {"900", "902", "903"}
    assert shop.sides["901"] is shop.sides["1"], "a brand is content"
    assert "3 without label or content left out of every side" in shop.summary.one_line()


def test_listings_without_a_brand_are_groups_of_their_own(tmp_path: Path) -> None:
    shop = split_shop(tmp_path / "shop", [listing(number, brand=None) for number in range(40)])
    assert set(shop.sides.values()) == set(Split)
    assert sum(shop.summary.groups.values()) == 40


def test_too_few_brands_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"need 3 groups and there are 1: .*split\.group_by=listing"):
        split_shop(tmp_path / "shop", brands(1))
    alone = split_shop(tmp_path / "alone", brands(1), params=SplitParams(group_by="listing"))
    assert set(alone.sides.values()) == set(Split)


def test_no_side_is_empty_when_one_brand_is_most_of_the_shop(tmp_path: Path) -> None:
    giant = [listing(number, brand="giant") for number in range(100)]
    for seed in range(8):
        listings = [*giant, listing(200, brand="a"), listing(201, brand="b")]
        summary = split_shop(tmp_path / str(seed), listings, params=SplitParams(seed=seed)).summary
        assert sorted(summary.groups.values()) == [1, 1, 1]


@pytest.mark.parametrize(
    ("ratios", "sides"),
    [
        (SplitRatios(train=0, validation=0, test=1), {Split.TEST}),
        (SplitRatios(train=0.9, validation=0.1, test=0), {Split.TRAIN, Split.VALIDATION}),
        (SplitRatios(train=0, validation=0.5, test=0.5), {Split.VALIDATION, Split.TEST}),
    ],
)
def test_a_side_with_no_ratio_stays_empty(tmp_path: Path, ratios: SplitRatios, sides: set[Split]) -> None:
    assert set(split_shop(tmp_path / "shop", brands(30), params=SplitParams(ratios=ratios)).sides.values()) == sides


def test_a_catalogue_without_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"no listing of .* has a label"):
        split_shop(tmp_path / "shop", [listing(1, brand="a", category=None)])


def test_the_summary_says_how_far_each_category_is_from_the_wish(tmp_path: Path) -> None:
    listings = [listing(n, brand=f"brand {n}", category="Pot" if n < 5 else "Pan") for n in range(105)]
    shop = split_shop(tmp_path / "shop", listings)
    written = json.loads((shop.folder / "split.json").read_text())
    worst = max(
        (abs(stratum["listings"][side] - stratum["wished"][side]), stratum["category"], side)
        for stratum in written["strata"]
        for side in Split
    )
    assert written["worst_deviation"] == pytest.approx(worst[0])
    assert [sum(stratum["listings"].values()) for stratum in written["strata"]] == [100, 5]
    assert written["strata"][0]["wished"] == pytest.approx({"train": 70, "validation": 10, "test": 20})
    assert f"{worst[0]:.1f} at most ({written['worst_category']} in {written['worst_side']})" in shop.summary.one_line()


def test_a_brand_is_one_group_however_its_letters_are_encoded(tmp_path: Path) -> None:
    spellings = ("Café {}", "Cafe\u0301 {}", "CAFÉ  {}", "Ca\u200bfé {}", "Ｃａｆé {}")
    listings = [
        listing(number, brand=spellings[number % len(spellings)].format(number // len(spellings)))
        for number in range(100)
    ]
    sides = split_shop(tmp_path / "shop", listings).sides
    for first in range(0, 100, len(spellings)):
        assert len({sides[str(number)] for number in range(first, first + len(spellings))}) == 1


def test_a_catalogue_that_was_never_cleaned_is_refused(tmp_path: Path) -> None:
    with CatalogueWriter(
        tmp_path, stage="ingest", params=IngestParams(), taxonomy_yaml="Pan:\n", parent=None
    ) as writer:
        writer.add(listing(1, brand="a"))
    with pytest.raises(CatalogueError, match="was never cleaned, so its duplicates are not known: run `facetry clean`"):
        split(Catalogue.open(tmp_path), params=SplitParams(), out=tmp_path / "out")


def test_a_side_that_keep_leaves_empty_is_told_of(tmp_path: Path) -> None:
    everything = SplitParams(ratios=SplitRatios(train=1, validation=0, test=0))
    before = split_shop(tmp_path / "before", brands(10), params=everything)
    after = split_shop(tmp_path / "after", brands(10), params=SplitParams(keep=str(before.folder)))
    assert "no listing is left for test" in after.summary.one_line()
