"""The stage `split`: whole groups of listings learn, or are asked, and never both.

Groups stand in the order of a hash of the seed and their name. The sides cut that order by the number of listings
before each group, so the shares come as close to the ratios as whole groups allow, and listings that are added move
only the groups near the two cuts. Then a side that was left empty is given a group, and so is the training side
for each category that it lacks.
"""

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from facetry import storage
from facetry.catalogue import MANIFEST_NAME, Catalogue, CatalogueWriter
from facetry.config import SplitParams, SplitRatios
from facetry.errors import CatalogueError
from facetry.listing import Listing, Split

SUMMARY_NAME = "split.json"


@dataclass(frozen=True, slots=True)
class SplitSummary:
    """Listings and groups on each side, what stays out of all of them, and what the training side never shows."""

    listings: Mapping[Split, int]
    groups: Mapping[Split, int]
    num_left_out: int
    missing_from_train: tuple[str, ...]

    def share(self, side: Split) -> float:
        return self.listings[side] / sum(self.listings.values())

    def one_line(self) -> str:
        sides = ", ".join(
            f"{side} {self.listings[side]} ({self.share(side):.1%}, {self.groups[side]} groups)" for side in Split
        )
        left_out = f"; {self.num_left_out} without label or content left out of every side" if self.num_left_out else ""
        missing = f"; not in train: {', '.join(self.missing_from_train)}" if self.missing_from_train else ""
        return f"{sides}{left_out}{missing}"


def split(catalogue: Catalogue, *, params: SplitParams, out: str | Path) -> SplitSummary:
    """Write the catalogue again with a side for each listing that has a label and content.

    A `CatalogueError` when there are fewer groups than sides, or when a group stands on two of them.
    """
    groups, num_left_out = _collect_groups(catalogue, group_by=params.group_by)
    if not groups:
        raise CatalogueError(
            f"no listing of {catalogue.location} has a label and content: nothing can be learnt from it"
        )
    sides = assign_sides(list(groups.values()), ratios=params.ratios, seed=params.seed)
    with (
        storage.new_folder(out, commit=MANIFEST_NAME) as folder,
        CatalogueWriter(
            folder, stage="split", params=params, taxonomy_yaml=catalogue.taxonomy_yaml, parent=catalogue
        ) as writer,
    ):
        written: list[tuple[str, Split]] = []
        for listing in catalogue.listings():
            name = group_name(listing, group_by=params.group_by)
            side = sides[name] if _can_be_asked(listing) else None
            writer.add(dataclasses.replace(listing, split=side))
            if side is not None:
                written.append((name, side))
        refuse_groups_on_two_sides(written)
        summary = _summarise(groups, sides=sides, num_left_out=num_left_out)
        storage.write_atomically(folder / SUMMARY_NAME, _as_json(summary))
    return summary


@dataclass(slots=True)
class Group:
    """Listings that must stay together, counted by category."""

    name: str
    categories: Counter[str] = field(default_factory=Counter)

    @property
    def num_listings(self) -> int:
        return self.categories.total()


def group_name(listing: Listing, *, group_by: Literal["brand", "listing"]) -> str:
    """The brand, however it is cased and spaced, or the listing itself when it has none."""
    brand = " ".join((listing.brand or "").split()).casefold()
    return f"brand {brand}" if brand and group_by == "brand" else f"listing {listing.id}"


def assign_sides(groups: Sequence[Group], *, ratios: SplitRatios, seed: int) -> dict[str, Split]:
    """A side for each group, by name; the same groups, ratios and seed give the same sides."""
    wanted = [side for side in Split if getattr(ratios, side) > 0]
    if len(groups) < len(wanted):
        raise CatalogueError(
            f"{', '.join(wanted)} need {len(wanted)} groups and there are {len(groups)}: "
            "bring labelled listings of more brands, set split.group_by=listing, or set a ratio of split.ratios to 0"
        )
    order = sorted(groups, key=lambda group: hashlib.sha256(f"{seed} {group.name}".encode()).digest())
    sides = _cut(order, ratios=ratios)
    _fill_empty_sides(order, sides=sides, wanted=wanted)
    if ratios.train > 0:
        _bring_categories_to_train(order, sides=sides)
    return sides


def refuse_groups_on_two_sides(placed: Iterable[tuple[str, Split]]) -> None:
    """Raise a `CatalogueError` that names a group which stands on two sides, if there is one."""
    side_of: dict[str, Split] = {}
    for name, side in placed:
        if side_of.setdefault(name, side) is not side:
            raise CatalogueError(f"{name} is in both {side_of[name]} and {side}: split the catalogue again")


def _can_be_asked(listing: Listing) -> bool:
    return listing.label is not None and listing.says_something


def _collect_groups(catalogue: Catalogue, *, group_by: Literal["brand", "listing"]) -> tuple[dict[str, Group], int]:
    groups: dict[str, Group] = {}
    num_left_out = 0
    for listing in catalogue.listings():
        if listing.label is None or not listing.says_something:
            num_left_out += 1
            continue
        name = group_name(listing, group_by=group_by)
        groups.setdefault(name, Group(name)).categories[listing.label.category] += 1
    return groups, num_left_out


def _cut(order: Sequence[Group], *, ratios: SplitRatios) -> dict[str, Split]:
    """Each group goes to the side that the middle of its listings falls into."""
    total = sum(group.num_listings for group in order)
    until = {Split.TRAIN: ratios.train * total, Split.VALIDATION: (ratios.train + ratios.validation) * total}
    last = next(side for side in reversed(Split) if getattr(ratios, side) > 0)
    sides: dict[str, Split] = {}
    num_before = 0
    for group in order:
        middle = num_before + group.num_listings / 2
        sides[group.name] = next((side for side, end in until.items() if middle < end), last)
        num_before += group.num_listings
    return sides


def _fill_empty_sides(order: Sequence[Group], *, sides: dict[str, Split], wanted: Sequence[Split]) -> None:
    for side in wanted:
        if side in sides.values():
            continue
        num_groups = Counter(sides.values())
        spare = [group for group in order if num_groups[sides[group.name]] > 1]
        sides[min(spare, key=lambda group: group.num_listings).name] = side


def _bring_categories_to_train(order: Sequence[Group], *, sides: dict[str, Split]) -> None:
    """Move the smallest group that has a category which train lacks, unless its side would be empty without it."""
    for category in _missing_from_train(order, sides=sides):
        having = [group for group in order if category in group.categories]
        num_groups = Counter(sides.values())
        spare = [group for group in having if num_groups[sides[group.name]] > 1]
        if spare and all(sides[group.name] is not Split.TRAIN for group in having):
            sides[min(spare, key=lambda group: group.num_listings).name] = Split.TRAIN


def _missing_from_train(groups: Iterable[Group], *, sides: Mapping[str, Split]) -> tuple[str, ...]:
    shown: set[str] = set()
    known: set[str] = set()
    for group in groups:
        (shown if sides[group.name] is Split.TRAIN else known).update(group.categories)
    return tuple(sorted(known - shown))


def _summarise(groups: Mapping[str, Group], *, sides: Mapping[str, Split], num_left_out: int) -> SplitSummary:
    listings: Counter[Split] = Counter()
    for name, group in groups.items():
        listings[sides[name]] += group.num_listings
    num_groups = Counter(sides.values())
    return SplitSummary(
        listings={side: listings[side] for side in Split},
        groups={side: num_groups[side] for side in Split},
        num_left_out=num_left_out,
        missing_from_train=_missing_from_train(groups.values(), sides=sides),
    )


def _as_json(summary: SplitSummary) -> bytes:
    return (json.dumps(dataclasses.asdict(summary), indent=2) + "\n").encode()
