"""Near-duplicates: fingerprints of 64 bits that differ in a few of them, found without comparing every pair.

The bits are cut into `radius` blocks and a few more. Two fingerprints within the radius agree in at least these few
blocks, so only fingerprints that agree in some choice of so many blocks are compared: for each choice they are put
into buckets, block after block. A pair is told in the first choice in which it agrees, and so only once.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facetry.cleaning.compiling import compiled
from facetry.errors import CatalogueError

MOST_PAIRS = 200_000_000
NUM_BITS = 64
FEWEST_BLOCKS = 5  # wider blocks would have more buckets than a processor's cache has room for
FEW = 64  # so many fingerprints are sooner compared than put into buckets


@dataclass(frozen=True, slots=True, eq=False)
class NearPairs:
    """Which fingerprints are equal, and which differ in at most some bits, by index.

    `first` holds for each fingerprint the first one that equals it. Only those first ones are paired, for a million
    white images would make half a trillion pairs: `earlier[i]` and `later[i]` differ in `num_bits[i]` bits.
    """

    first: NDArray[np.int64]
    earlier: NDArray[np.int64]
    later: NDArray[np.int64]
    num_bits: NDArray[np.uint8]

    def nearest_survivors(self) -> NDArray[np.int64]:
        """For each fingerprint, best first, the nearest survivor, of equally near ones the first.

        A fingerprint that is near no earlier survivor survives, and names itself; equal ones share their survivor.
        """
        nearest_first = np.lexsort((self.earlier, self.num_bits, self.later))
        return _survivors(self.earlier[nearest_first], self.later[nearest_first], len(self.first))[self.first]

    def clusters(self) -> NDArray[np.int64]:
        """For each fingerprint the first one that a chain of pairs leads to."""
        return _components(self.earlier, self.later, len(self.first))[self.first]


def near_pairs(fingerprints: NDArray[np.uint64], *, radius: int) -> NearPairs:
    """Every pair of different fingerprints that differ in at most `radius` bits, and which fingerprints are equal.

    A `CatalogueError` when there are more than `MOST_PAIRS`, each of which takes some 60 bytes of memory.
    """
    order = np.argsort(fingerprints)
    ascending = fingerprints[order]
    is_new = np.ones(len(order), dtype=np.bool_)
    np.not_equal(ascending[1:], ascending[:-1], out=is_new[1:])
    different = ascending[is_new]
    del ascending  # at 100 million every array is 0.8 GB
    pairs = _search_pairs(different, radius=radius)
    del different
    first = _first_of_equals(order, is_new)
    ends = first[order[np.searchsorted(fingerprints, pairs, sorter=order)]]
    return NearPairs(
        first=first,
        earlier=ends.min(axis=1),
        later=ends.max(axis=1),
        num_bits=np.bitwise_count(pairs[:, 0] ^ pairs[:, 1]),
    )


class _Cut(NamedTuple):
    """The blocks of bits by shift and mask, and in how many of them a pair within the radius must agree."""

    radius: int
    num_agreeing: int
    shifts: NDArray[np.uint64]
    masks: NDArray[np.uint64]


class _Space(NamedTuple):
    """What a search works in: values to reorder, as much scratch, the ends of each depth's buckets, pairs found."""

    values: NDArray[np.uint64]
    scratch: NDArray[np.uint64]
    ends: NDArray[np.int64]
    pairs: NDArray[np.uint64]
    most_pairs: int


def _search_pairs(different: NDArray[np.uint64], *, radius: int) -> NDArray[np.uint64]:
    """A row of two values for each pair within the radius; reorders `different`."""
    if radius == 0 or len(different) < 2:
        return np.empty((0, 2), dtype=np.uint64)
    cut = _cut(len(different), radius=radius)
    scratch = np.empty_like(different)
    ends = np.empty((cut.num_agreeing, int(cut.masks.max()) + 1), dtype=np.int64)
    num_pairs = min(len(different), MOST_PAIRS)  # a guess: most have no pair at all
    while True:
        pairs = np.empty((num_pairs, 2), dtype=np.uint64)
        num_pairs = _search(_Space(different, scratch, ends, pairs, MOST_PAIRS), cut, 0, len(different), 0, 0, 0)
        if num_pairs > MOST_PAIRS:
            raise CatalogueError(
                f"over {MOST_PAIRS:,} pairs of {len(different):,} different fingerprints are within {radius} bits: "
                "lower clean.duplicate_radius"
            )
        if num_pairs <= len(pairs):
            return pairs[:num_pairs]


def _cut(num_values: int, *, radius: int) -> _Cut:
    """The cut with which the search takes least on evenly spread values."""
    fewest = max(1, FEWEST_BLOCKS - radius)
    num_agreeing = min(
        range(fewest, NUM_BITS - radius), key=lambda num: _cost(num, num_values=num_values, radius=radius)
    )
    edges = np.linspace(0, NUM_BITS, radius + num_agreeing + 1).astype(np.int64)
    masks = [2 ** int(width) - 1 for width in np.diff(edges)]
    return _Cut(radius, num_agreeing, edges[:-1].astype(np.uint64), np.array(masks, dtype=np.uint64))


def _cost(num_agreeing: int, *, num_values: int, radius: int) -> float:
    """About how many nanoseconds a search takes for each value, by what each of its steps was measured to take."""
    num_buckets = 2 ** (NUM_BITS / (radius + num_agreeing))
    cost, num_together, num_choices = 0.0, float(num_values), 1
    for depth in range(1, num_agreeing + 1):
        num_choices = math.comb(radius + depth, depth)
        cost += num_choices * (5 + 8 * num_buckets / num_together)
        num_together /= num_buckets
        if num_together <= FEW:
            break
    return cost + num_choices * (10 + num_together / 2)


@compiled
def _search(space: _Space, cut: _Cut, start: int, end: int, first_block: int, num_chosen: int, num_pairs: int) -> int:
    """The number of pairs after those of values[start:end], which agree in the `num_chosen` blocks chosen so far.

    Pairs for which there is no room are counted only; past `most_pairs` the search ends.
    """
    ends = space.ends[num_chosen]
    for block in range(first_block, cut.radius + num_chosen + 1):
        _partition(space, start, end, cut.shifts[block], cut.masks[block], ends)
        bucket_start = start
        for bucket_end in ends:
            if bucket_end - bucket_start > FEW and num_chosen + 1 < cut.num_agreeing:
                num_pairs = _search(space, cut, bucket_start, bucket_end, block + 1, num_chosen + 1, num_pairs)
            elif bucket_end - bucket_start > 1:
                bucket = space.values[bucket_start:bucket_end]
                num_pairs = _compare(bucket, space, cut, block + 1, num_chosen + 1, num_pairs)
            if num_pairs > space.most_pairs:
                return num_pairs
            bucket_start = bucket_end
    return num_pairs


@compiled
def _partition(space: _Space, start: int, end: int, shift: np.uint64, mask: np.uint64, ends: NDArray[np.int64]) -> None:
    """Order values[start:end] by one block of their bits, and note where the bucket of each block's value ends."""
    values, scratch = space.values, space.scratch
    for bucket in range(len(ends)):
        ends[bucket] = 0
    for index in range(start, end):
        ends[(values[index] >> shift) & mask] += 1
    bucket_start = start
    for bucket in range(len(ends)):
        size = ends[bucket]
        ends[bucket] = bucket_start
        bucket_start += size
    for index in range(start, end):
        bucket = (values[index] >> shift) & mask
        scratch[ends[bucket]] = values[index]
        ends[bucket] += 1
    for index in range(start, end):
        values[index] = scratch[index]


@compiled
def _compare(
    bucket: NDArray[np.uint64], space: _Space, cut: _Cut, num_blocks: int, num_chosen: int, num_pairs: int
) -> int:
    """The number of pairs after those within the bucket whose first agreeing blocks are the chosen ones."""
    radius = np.uint64(cut.radius)
    for index in range(1, len(bucket)):
        value = bucket[index]
        for other in bucket[:index]:
            if _num_bits(value ^ other) > radius or _num_agreeing(value ^ other, cut, num_blocks) != num_chosen:
                continue
            if num_pairs < len(space.pairs):
                space.pairs[num_pairs, 0] = value
                space.pairs[num_pairs, 1] = other
            num_pairs += 1
        if num_pairs > space.most_pairs:
            return num_pairs
    return num_pairs


@compiled
def _num_bits(word: np.uint64) -> np.uint64:
    """How many bits are set; the compiler makes one instruction of it."""
    word -= (word >> np.uint64(1)) & np.uint64(0x5555555555555555)
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (word * np.uint64(0x0101010101010101)) >> np.uint64(56)


@compiled
def _num_agreeing(difference: np.uint64, cut: _Cut, num_blocks: int) -> int:
    """In how many of the first blocks two values with this difference agree."""
    num_agreeing = 0
    for block in range(num_blocks):
        num_agreeing += (difference >> cut.shifts[block]) & cut.masks[block] == 0
    return num_agreeing


@compiled
def _first_of_equals(order: NDArray[np.int64], is_new: NDArray[np.bool_]) -> NDArray[np.int64]:
    """For each index the smallest in its run of equals in `order`; a run starts where `is_new`."""
    first = np.arange(len(order))
    start = 0
    for end in range(1, len(order) + 1):
        if end == len(order) or is_new[end]:
            if end - start > 1:
                first[order[start:end]] = order[start:end].min()
            start = end
    return first


@compiled
def _survivors(earlier: NDArray[np.int64], later: NDArray[np.int64], num_values: int) -> NDArray[np.int64]:
    """The survivor of each index, from pairs by the later one, its nearest first."""
    survivor = np.arange(num_values)
    for index, other in zip(later, earlier):  # noqa: B905 (numba knows no strict)
        if survivor[index] == index and survivor[other] == other:
            survivor[index] = other
    return survivor


@compiled
def _components(earlier: NDArray[np.int64], later: NDArray[np.int64], num_values: int) -> NDArray[np.int64]:
    """The smallest index in each index's connected component."""
    parent = np.arange(num_values)
    for one, other in zip(earlier, later):  # noqa: B905 (numba knows no strict)
        while parent[one] != one:
            parent[one] = parent[parent[one]]
            one = parent[one]
        while parent[other] != other:
            parent[other] = parent[parent[other]]
            other = parent[other]
        parent[max(one, other)] = min(one, other)
    for index in range(num_values):  # a parent comes before its children
        parent[index] = parent[parent[index]]
    return parent
