"""Groups that share near-duplicate images are one group, and what was written is proven to leak nothing."""

import dataclasses
from pathlib import Path

import pytest

from facetry.config import SplitParams
from facetry.errors import CatalogueError
from facetry.listing import Listing, Split
from facetry.splitting.proof import refuse_leaks
from tests.unit.splitting.shops import brands, listing, split_shop, write


def test_brands_that_share_near_duplicates_stand_on_one_side(tmp_path: Path) -> None:
    shared = [
        listing(900, brand="brand 3", clusters=["a", None]),
        listing(901, brand="brand 7", clusters=[None, "a", "b"]),
        listing(902, brand="brand 11", clusters=["b"], rejection="duplicate of 901"),
        listing(903, brand=None, clusters=["b"]),
    ]
    for seed in range(8):
        shop = split_shop(tmp_path / str(seed), [*brands(20), *shared], params=SplitParams(seed=seed))
        assert len({shop.sides[number] for number in ("3", "7", "11", "900", "901", "902", "903")}) == 1
        assert shop.summary.num_merged_groups == 4
        assert shop.summary.largest_group.num_joined == 4
        assert "4 groups joined because they share near-duplicates" in shop.summary.one_line()


def test_a_listing_stands_with_those_whose_images_resemble_its_own(tmp_path: Path) -> None:
    shared = [
        listing(900, brand="brand 3", clusters=[None, None]),
        listing(901, brand="brand 7", clusters=["900#1"]),
        listing(902, brand="brand 11", clusters=["901#5"]),
    ]
    for seed in range(8):
        shop = split_shop(tmp_path / str(seed), [*brands(20), *shared], params=SplitParams(seed=seed))
        assert shop.sides["900"] is shop.sides["901"]
        assert shop.summary.num_merged_groups == 2


def test_copies_of_one_listing_stand_on_one_side_when_listings_are_the_groups(tmp_path: Path) -> None:
    listings = [listing(number, brand="acme", clusters=[f"pair {number // 2}"]) for number in range(60)]
    sides = split_shop(tmp_path / "shop", listings, params=SplitParams(group_by="listing")).sides
    assert all(sides[str(number)] is sides[str(number + 1)] for number in range(0, 60, 2))
    assert set(sides.values()) == set(Split)


def test_listings_that_stand_on_no_side_link_nothing(tmp_path: Path) -> None:
    bridge = [
        listing(900, brand="brand 3", clusters=["a"]),
        listing(901, brand="brand 7", clusters=["b"]),
        listing(902, brand=None, category=None, clusters=["a", "b"]),
    ]
    summary = split_shop(tmp_path / "shop", [*brands(20), *bridge]).summary
    assert summary.num_merged_groups == 0
    assert sum(summary.groups.values()) == 20


def test_a_group_that_swallows_most_of_the_shop_is_named(tmp_path: Path) -> None:
    copies = [listing(1000 + number, brand=f"brand {number}", clusters=["white"]) for number in range(18)]
    summary = split_shop(tmp_path / "shop", [*brands(20), *copies]).summary
    assert summary.largest_group.num_listings == 18 * 11
    assert "and 17 that share near-duplicates with it: 198 listings, train should hold 153" in summary.one_line()
    assert "should hold" not in split_shop(tmp_path / "even", brands(20)).summary.one_line()


def placed(each: Listing, side: str | None) -> Listing:
    return dataclasses.replace(each, split=Split(side) if side else None)


def test_a_group_on_two_sides_is_named(tmp_path: Path) -> None:
    listings = [
        placed(listing(1, brand="Acme"), "train"),
        placed(listing(2, brand="other"), "test"),
        placed(listing(3, brand="other", category=None), None),
        placed(listing(4, brand=" ACME"), "test"),
    ]
    refuse_leaks(write(tmp_path / "good", listings[:3]), group_by="brand")
    bad = write(tmp_path / "bad", listings)
    with pytest.raises(CatalogueError, match="brand acme is in both train and, with listing 4, test"):
        refuse_leaks(bad, group_by="brand")
    refuse_leaks(bad, group_by="listing")


def test_a_duplicate_cluster_on_two_sides_is_named(tmp_path: Path) -> None:
    listings = [
        placed(listing(1, brand="a", clusters=["7", None]), "train"),
        placed(listing(2, brand="b", clusters=[None], title="x"), "test"),
        placed(listing(3, brand=None, category=None, clusters=["7"]), None),
        placed(listing(4, brand=None, clusters=[None, "7"], rejection="duplicate of 1"), "validation"),
    ]
    refuse_leaks(write(tmp_path / "good", listings[:3]), group_by="brand")
    bad = write(tmp_path / "bad", listings)
    for group_by in ("brand", "listing"):
        with pytest.raises(CatalogueError, match="near-duplicate cluster 7 is in both train and, with listing 4, vali"):
            refuse_leaks(bad, group_by=group_by)


def test_sides_that_leak_are_never_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facetry.splitting.groups._merge", lambda groups, *, linked: dict(groups))
    copies = [listing(900 + number, brand=f"brand {number}", clusters=["white"]) for number in range(20)]
    with pytest.raises(CatalogueError, match="near-duplicate cluster white is in both"):
        split_shop(tmp_path / "shop", [*brands(20), *copies])
    assert not (tmp_path / "shop" / "out").exists()


def test_the_proof_finds_a_copy_on_another_side_than_the_image_that_it_is_named_after(tmp_path: Path) -> None:
    first = dataclasses.replace(listing(1, brand="a", clusters=[None]), split=Split.TRAIN)
    copy = dataclasses.replace(listing(2, brand="b", clusters=["1#0"]), split=Split.TEST)
    with pytest.raises(CatalogueError, match="near-duplicate cluster 1#0 is in both train and, with listing 2, test"):
        refuse_leaks(write(tmp_path / "bad", [first, copy]), group_by="brand")
