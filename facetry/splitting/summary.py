"""What `split` did, and how far that is from the wish."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from facetry.config import SplitRatios
from facetry.listing import Split
from facetry.splitting.groups import Group, Grouping

NUM_CATEGORIES_SAID = 5


@dataclass(frozen=True, slots=True)
class Stratum:
    """The listings of one category on each side, beside how many the ratios wish for."""

    category: str
    listings: Mapping[Split, int]
    wished: Mapping[Split, float]

    def deviation(self, side: Split) -> float:
        return abs(self.listings[side] - self.wished[side])


@dataclass(frozen=True, slots=True)
class LargestGroup:
    """The group with the most listings, how many were joined in it, and how many listings its side should hold."""

    name: str
    num_joined: int
    num_listings: int
    side: Split
    num_wished: float

    def complaint(self) -> str | None:
        """What is wrong when it holds more than its side should."""
        if self.num_listings <= self.num_wished:
            return None
        others = f" and {self.num_joined - 1} that share near-duplicates with it" if self.num_joined > 1 else ""
        return f"{self.name}{others}: {self.num_listings} listings, {self.side} should hold {self.num_wished:.0f}"


@dataclass(frozen=True, slots=True)
class Move:
    """A listing that had to leave the side that it had before."""

    id: str
    earlier: Split
    now: Split


@dataclass(frozen=True, slots=True)
class SplitSummary:
    """Listings and groups on each side, what stays out of all of them, and how far each category is from the wish.

    `num_merged_groups` counts groups that were joined because they share near-duplicates; `num_kept` and `moves` tell
    of the listings that had a side before.
    """

    listings: Mapping[Split, int]
    groups: Mapping[Split, int]
    num_left_out: int
    missing_from_train: tuple[str, ...]
    num_merged_groups: int
    largest_group: LargestGroup
    num_kept: int
    moves: tuple[Move, ...]
    strata: tuple[Stratum, ...]

    @property
    def num_moved(self) -> int:
        return len(self.moves)

    @property
    def mean_deviation(self) -> float:
        """In listings, over all categories and sides."""
        return sum(stratum.deviation(side) for stratum in self.strata for side in Split) / len(self.strata) / len(Split)

    @property
    def worst(self) -> tuple[Stratum, Split]:
        """Where the listings are furthest from the wish."""
        places = ((stratum, side) for stratum in self.strata for side in Split)
        return max(places, key=lambda place: place[0].deviation(place[1]))

    @property
    def misplaced_share(self) -> float:
        """The share of listings that would have to change side for every category to be as wished."""
        return self.mean_deviation * len(self.strata) * len(Split) / 2 / sum(self.listings.values())

    def share(self, side: Split) -> float:
        return self.listings[side] / sum(self.listings.values())

    def one_line(self) -> str:
        sides = ", ".join(
            f"{side} {self.listings[side]} ({self.share(side):.1%}, {self.groups[side]} groups)" for side in Split
        )
        return "; ".join([sides, *self._remarks()])

    def _remarks(self) -> Iterable[str]:
        stratum, side = self.worst
        yield (
            f"categories are {self.mean_deviation:.1f} listings off the wish on average, "
            f"{stratum.deviation(side):.1f} at most ({stratum.category} in {side})"
        )
        for empty in (each for each in Split if not self.listings[each] and self.strata[0].wished[each]):
            yield f"no listing is left for {empty}: bring new brands, or split without split.keep"
        if self.num_left_out:
            yield f"{self.num_left_out} without label or content left out of every side"
        if self.num_merged_groups:
            yield f"{self.num_merged_groups} groups joined because they share near-duplicates"
        if self.num_kept or self.num_moved:
            yield f"{self.num_kept} listings kept their side, {self.num_moved} had to change it"
        if complaint := self.largest_group.complaint():
            yield complaint
        if self.missing_from_train:
            more = len(self.missing_from_train) - NUM_CATEGORIES_SAID
            named = ", ".join(self.missing_from_train[:NUM_CATEGORIES_SAID])
            yield f"not in train: {named}{f' and {more} more' if more > 0 else ''}"

    def as_json(self) -> bytes:
        stratum, side = self.worst
        figures = {
            "num_moved": self.num_moved,
            "mean_deviation": self.mean_deviation,
            "worst_deviation": stratum.deviation(side),
            "worst_category": stratum.category,
            "worst_side": side,
            "misplaced_share": self.misplaced_share,
        }
        facts = asdict(self)
        details = {name: facts.pop(name) for name in ("moves", "strata")}
        return (json.dumps(facts | figures | details, indent=2) + "\n").encode()


def summarise(
    grouping: Grouping, *, sides: Mapping[str, Split], ratios: SplitRatios, moves: Sequence[Move]
) -> SplitSummary:
    """The summary of groups on these sides, of which `moves` had to change it."""
    strata = _strata(grouping.groups, sides=sides, ratios=ratios)
    num_listings = sum(group.num_listings for group in grouping.groups)
    num_groups = Counter(sides.values())
    return SplitSummary(
        listings={side: sum(stratum.listings[side] for stratum in strata) for side in Split},
        groups={side: num_groups[side] for side in Split},
        num_left_out=grouping.num_left_out,
        missing_from_train=tuple(
            stratum.category for stratum in strata if ratios.train > 0 and not stratum.listings[Split.TRAIN]
        ),
        num_merged_groups=sum(group.num_joined for group in grouping.groups if group.num_joined > 1),
        largest_group=_largest_group(grouping.groups, sides=sides, ratios=ratios, num_listings=num_listings),
        num_kept=sum(group.earlier_sides.total() for group in grouping.groups) - len(moves),
        moves=tuple(moves),
        strata=strata,
    )


def _largest_group(
    groups: Sequence[Group], *, sides: Mapping[str, Split], ratios: SplitRatios, num_listings: int
) -> LargestGroup:
    largest = max(groups, key=lambda group: (group.num_listings, group.name))
    side = sides[largest.name]
    num_wished = getattr(ratios, side) * num_listings
    return LargestGroup(largest.name, largest.num_joined, largest.num_listings, side=side, num_wished=num_wished)


def _strata(groups: Sequence[Group], *, sides: Mapping[str, Split], ratios: SplitRatios) -> tuple[Stratum, ...]:
    counts: defaultdict[str, Counter[Split]] = defaultdict(Counter)
    for group in groups:
        for category, count in group.categories.items():
            counts[category][sides[group.name]] += count
    return tuple(
        Stratum(
            category,
            listings={side: counts[category][side] for side in Split},
            wished={side: getattr(ratios, side) * counts[category].total() for side in Split},
        )
        for category in sorted(counts)
    )
