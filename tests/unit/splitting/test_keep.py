"""Listings that have a side in an earlier split keep it, unless a new duplicate links them to another side."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from facetry.config import SplitParams, SplitRatios
from facetry.errors import CatalogueError
from facetry.listing import Split
from tests.unit.splitting.shops import Outcome, brands, listing, split_shop, write


def brand_on(side: str, *, of: Outcome) -> int:
    """The first of the 40 brands that stands on this side."""
    return next(number for number in range(40) if of.sides[str(number)] == side)


def changed(before: Outcome, after: Outcome) -> Mapping[str, Split | None]:
    return {number: after.sides[number] for number, side in before.sides.items() if after.sides[number] is not side}


@pytest.mark.parametrize(
    "params",
    [
        SplitParams(),
        SplitParams(seed=99),
        SplitParams(group_by="listing"),
        SplitParams(ratios=SplitRatios(train=0.2, validation=0.4, test=0.4)),
        SplitParams(ratios=SplitRatios(train=1, validation=0, test=0)),
    ],
)
def test_every_listing_keeps_its_side(tmp_path: Path, params: SplitParams) -> None:
    before = split_shop(tmp_path / "before", brands(40))
    added = [listing(10_000 + number, brand=f"brand {number % 70}", category="Wok") for number in range(300)]
    keeping = params.model_copy(update={"keep": str(before.folder)})
    after = split_shop(tmp_path / "after", [*added, *brands(40)], params=keeping)
    assert changed(before, after) == {}
    assert (after.summary.num_kept, after.summary.num_moved) == (400, 0)
    assert "400 listings kept their side, 0 had to change it" in after.summary.one_line()


def test_new_listings_of_a_kept_brand_take_its_side(tmp_path: Path) -> None:
    before = split_shop(tmp_path / "before", brands(40))
    added = [listing(1000 + number, brand=f"Brand  {number}") for number in range(40)]
    after = split_shop(tmp_path / "after", [*brands(40), *added], params=SplitParams(keep=str(before.folder)))
    assert all(after.sides[str(1000 + number)] is after.sides[str(number)] for number in range(40))


def test_new_brands_bring_the_sides_towards_the_wish(tmp_path: Path) -> None:
    lopsided = SplitParams(ratios=SplitRatios(train=0.9, validation=0.05, test=0.05))
    before = split_shop(tmp_path / "before", brands(40), params=lopsided)
    added = [listing(1000 + number, brand=f"new {number % 40}") for number in range(400)]
    after = split_shop(tmp_path / "after", [*brands(40), *added], params=SplitParams(keep=str(before.folder)))
    for side, ratio in (("train", 0.7), ("validation", 0.1), ("test", 0.2)):
        assert after.summary.share(Split(side)) == pytest.approx(ratio, abs=2 / 80)


def test_a_new_duplicate_moves_the_fewer_listings_and_names_them(tmp_path: Path) -> None:
    before = split_shop(tmp_path / "before", brands(40))
    more, fewer = brand_on("test", of=before), brand_on("train", of=before)
    remaining = [each for each in brands(40) if int(each.id) % 40 != fewer or int(each.id) < 200]
    copies = [listing(1000, brand=f"brand {more}", clusters=["new"]), listing(1001, brand=f"brand {fewer}")]
    copies.append(listing(1002, brand=f"brand {fewer}", clusters=["new"]))
    after = split_shop(tmp_path / "after", [*remaining, *copies], params=SplitParams(keep=str(before.folder)))
    moved = [str(number) for number in range(fewer, 200, 40)]
    for each in remaining:
        assert after.sides[each.id] == ("test" if each.id in moved else before.sides[each.id])
    written = json.loads((after.folder / "split.json").read_text())
    assert written["num_moved"] == after.summary.num_moved == 5
    assert written["moves"] == [{"id": number, "earlier": "train", "now": "test"} for number in moved]


def test_a_split_by_listing_keeps_what_whole_brands_allow(tmp_path: Path) -> None:
    before = split_shop(tmp_path / "before", brands(40), params=SplitParams(group_by="listing"))
    after = split_shop(tmp_path / "after", brands(40), params=SplitParams(keep=str(before.folder)))
    for brand in range(40):
        earlier = Counter(before.sides[str(number)] for number in range(brand, 400, 40))
        (now,) = {after.sides[str(number)] for number in range(brand, 400, 40)}
        assert earlier[now] == max(earlier.values())
    assert after.summary.num_moved == len(changed(before, after)) > 0


def test_a_listing_that_lost_its_label_leaves_every_side(tmp_path: Path) -> None:
    before = split_shop(tmp_path / "before", brands(40))
    unlabelled = [listing(0, brand="brand 0", category=None), *brands(40)[1:]]
    after = split_shop(tmp_path / "after", unlabelled, params=SplitParams(keep=str(before.folder)))
    assert changed(before, after) == {"0": None}
    assert (after.summary.num_kept, after.summary.num_moved) == (399, 0)


def test_what_cannot_be_kept_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"split\.keep: .*nowhere is not a catalogue"):
        split_shop(tmp_path / "one", brands(5), params=SplitParams(keep=str(tmp_path / "nowhere")))
    write(tmp_path / "clean", brands(5))
    with pytest.raises(CatalogueError, match=r"split\.keep: no listing of .*clean has a side"):
        split_shop(tmp_path / "two", brands(5), params=SplitParams(keep=str(tmp_path / "clean")))
