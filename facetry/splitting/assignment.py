"""A side for each group: by a hash at first, then moved where that brings the sides clearly closer to the wish.

A stratum is a category, or the whole shop, which weighs more the more categories there are. How full a stratum is on
a side is its number of listings there over the number wished for. A group moves when, summed over its listings in
each stratum, the side that it leaves is fuller even after the move than the side that it comes to. As no move
overshoots, few groups move, and listings that are added later change the side of few that were there.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from facetry.config import SplitRatios
from facetry.errors import CatalogueError
from facetry.listing import Split
from facetry.splitting.groups import Group

SIDES = tuple(Split)
GROUPS_AT_ONCE = 256
MAX_SWEEPS = 5
"""Later ones bring the sides hardly closer, and move groups to and fro when listings are added."""
PULL_OF_A_GAP = 5.0
"""How much a side gains by a category that it lacks: as much as by this many listings that leave a full one for it."""


def assign_sides(groups: Sequence[Group], *, ratios: SplitRatios, seed: int) -> dict[str, Split]:
    """A side for each group, by name: its kept one, or one that follows from the groups, the ratios and the seed."""
    points = {group.name: _two_points(group.name, seed=seed) for group in groups}
    in_turn = sorted(groups, key=lambda group: (points[group.name][1], group.name))
    wanted = [side for side in SIDES if getattr(ratios, side) > 0]
    if len(in_turn) < len(wanted):
        raise CatalogueError(
            f"{', '.join(wanted)} need {len(wanted)} groups and there are {len(in_turn)}: "
            "bring labelled listings of more brands, set split.group_by=listing, or set a ratio of split.ratios to 0"
        )
    sides = [group.kept_side or _side_at(points[group.name][0], ratios=ratios, wanted=wanted) for group in in_turn]
    balance = Balance(in_turn, sides=sides, ratios=ratios)
    balance.improve()
    return {group.name: SIDES[side] for group, side in zip(in_turn, balance.sides, strict=True)}


def _two_points(name: str, *, seed: int) -> tuple[float, float]:
    """Two independent numbers in [0, 1): one says where the group stands at first, the other when it may move."""
    digest = hashlib.sha256(f"{seed} {name}".encode()).digest()
    return int.from_bytes(digest[:6]) / 2**48, int.from_bytes(digest[6:12]) / 2**48


def _side_at(point: float, *, ratios: SplitRatios, wanted: Sequence[Split]) -> Split:
    end = 0.0
    for side in wanted[:-1]:
        end += getattr(ratios, side)
        if point < end:
            return side
    return wanted[-1]


class Balance:
    """How many listings of each stratum stand on each side, and the moves of groups that even it out.

    A group has an entry for each of its strata, which tells the stratum's row and the group's listings in it. Entries
    of one group are neighbours.
    """

    def __init__(self, groups: Sequence[Group], *, sides: Sequence[Split], ratios: SplitRatios) -> None:
        self.sides = np.array([SIDES.index(side) for side in sides])
        self._movable = np.array([group.kept_side is None for group in groups])
        self._wanted = np.array([getattr(ratios, side) > 0 for side in SIDES])
        row_of = {name: row for row, name in enumerate(sorted({name for group in groups for name in group.categories}))}
        self._whole_shop = len(row_of)
        entries = [_entries(group, row_of=row_of) for group in groups]
        self._starts = np.cumsum([0, *map(len, entries)])
        self._rows, self._sizes = np.array([entry for group in entries for entry in group], dtype=np.int64).T
        self._counts = np.zeros((len(row_of) + 1, len(SIDES)), dtype=np.int64)
        np.add.at(self._counts, (self._rows, np.repeat(self.sides, np.diff(self._starts))), self._sizes)
        wishes = self._counts.sum(axis=1, keepdims=True) * np.array([getattr(ratios, side) for side in SIDES])
        self._fullness_per_listing = np.divide(1.0, wishes, out=np.zeros_like(wishes), where=self._wanted)
        self._fullness_per_listing[self._whole_shop] *= math.sqrt(len(row_of))
        self._pull_of_gaps = self._pulls(wishes)

    def improve(self) -> None:
        """Move groups, each in its turn, until none moves any more."""
        for _ in range(MAX_SWEEPS):
            num_moved = 0
            for first in range(0, len(self.sides), GROUPS_AT_ONCE):
                gains = self._gains(first, first + GROUPS_AT_ONCE)
                for group in first + np.flatnonzero(gains.max(axis=1) > 0):
                    num_moved += self._move_if_better(int(group))
            if num_moved == 0:
                return

    def _pulls(self, wishes: NDArray[np.float64]) -> NDArray[np.float64]:
        """What a group gains that brings a stratum to a side without it.

        More than all else when train lacks a category, and more than that when a whole side is empty.
        """
        num_groups = np.bincount(self._rows, minlength=len(wishes))
        can_be_everywhere = (num_groups >= self._wanted.sum())[:, None] & (wishes >= 1)
        all_else = (self._counts.sum(axis=1) * self._fullness_per_listing.max(axis=1) * self._sizes.sum()).sum()
        pulls = np.where(can_be_everywhere, PULL_OF_A_GAP, 0.0)
        pulls[:, SIDES.index(Split.TRAIN)] = all_else
        pulls[self._whole_shop] = all_else * len(wishes)
        pulls[:, ~self._wanted] = 0
        return pulls

    def _gains(self, first: int, end: int) -> NDArray[np.float64]:
        """What each of these groups gains on each side: nothing on its own, or where it may not go."""
        sides, movable = self.sides[first:end], self._movable[first:end]
        starts = self._starts[first : first + len(sides) + 1]
        entries = slice(starts[0], starts[-1])
        rows, sizes = self._rows[entries], self._sizes[entries, None]
        counts, per_listing, pulls = self._counts[rows], self._fullness_per_listing[rows], self._pull_of_gaps[rows]
        leaving = sizes * (counts - sizes) * per_listing - pulls * (counts == sizes)
        coming = sizes * (counts + sizes) * per_listing - pulls * (counts == 0)
        own = np.arange(len(sides)), sides
        left_behind = np.add.reduceat(leaving, starts[:-1] - starts[0])[own]
        gains: NDArray[np.float64] = left_behind[:, None] - np.add.reduceat(coming, starts[:-1] - starts[0])
        gains[own] = 0
        gains[~(movable[:, None] & self._wanted)] = 0
        return gains

    def _move_if_better(self, group: int) -> bool:
        """Move the group to the side where it gains most by now, if it still gains anything."""
        (gains,) = self._gains(group, group + 1)
        side = int(gains.argmax())
        if gains[side] <= 0:
            return False
        entries = slice(self._starts[group], self._starts[group + 1])
        self._counts[self._rows[entries], self.sides[group]] -= self._sizes[entries]
        self._counts[self._rows[entries], side] += self._sizes[entries]
        self.sides[group] = side
        return True


def _entries(group: Group, *, row_of: Mapping[str, int]) -> list[tuple[int, int]]:
    """The strata of the group, the whole shop last, and how many listings it has of each."""
    categories = sorted((row_of[name], count) for name, count in group.categories.items())
    return [*categories, (len(row_of), group.num_listings)]
