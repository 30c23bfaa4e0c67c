from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from facetry.cleaning import near_duplicates
from facetry.cleaning.near_duplicates import NearPairs, near_pairs
from facetry.errors import CatalogueError

Fingerprints = NDArray[np.uint64]


def flipped(fingerprints: Fingerprints, *, num_bits: int, rng: np.random.Generator) -> Fingerprints:
    """The fingerprints, each with so many different bits turned."""
    bits = rng.permuted(np.tile(np.arange(64, dtype=np.uint64), (len(fingerprints), 1)), axis=1)[:, :num_bits]
    turned: Fingerprints = np.bitwise_or.reduce(np.uint64(1) << bits, axis=1, initial=np.uint64(0))
    return fingerprints ^ turned


def spread(num: int, *, rng: np.random.Generator) -> Fingerprints:
    return rng.integers(0, 2**64, num, dtype=np.uint64)


def planted(num: int, *, rng: np.random.Generator) -> Fingerprints:
    """Fingerprints of which every third is another with 0 to 13 bits turned, some of these again and again."""
    fingerprints = spread(num, rng=rng)
    for place in range(0, num, 3):
        source = fingerprints[rng.integers(0, max(1, place), 1)]
        fingerprints[place] = flipped(source, num_bits=int(rng.integers(0, 14)), rng=rng)[0]
    return fingerprints


def kinds(num: int, *, rng: np.random.Generator) -> Iterator[Fingerprints]:
    yield planted(num, rng=rng)
    yield np.sort(planted(num, rng=rng))
    yield np.zeros(num, dtype=np.uint64)
    yield np.where(rng.random(num) < 0.3, np.uint64(0), planted(num, rng=rng))
    yield rng.integers(0, 2**12, num, dtype=np.uint64) << np.uint64(26)  # most bits always the same
    yield flipped(np.zeros(num, dtype=np.uint64), num_bits=6, rng=rng)  # pale images: few bits set


def distances(fingerprints: Fingerprints) -> NDArray[np.uint8]:
    apart: NDArray[np.uint8] = np.bitwise_count(fingerprints[:, None] ^ fingerprints[None, :])
    return apart


def expected_pairs(fingerprints: Fingerprints, *, radius: int) -> list[tuple[int, int, int]]:
    """By comparing every pair: the earlier, the later and their distance, the first of equal ones standing for all."""
    apart = distances(fingerprints)
    is_first = [not (apart[index, :index] == 0).any() for index in range(len(fingerprints))]
    earlier, later = np.nonzero(np.triu((apart <= radius) & (apart > 0)))
    return [
        (int(one), int(other), int(apart[one, other]))
        for one, other in zip(earlier, later, strict=True)
        if is_first[one] and is_first[other]
    ]


def told_pairs(pairs: NearPairs) -> list[tuple[int, int, int]]:
    return sorted(zip(pairs.earlier.tolist(), pairs.later.tolist(), pairs.num_bits.tolist(), strict=True))


def expected_survivors(fingerprints: Fingerprints, *, radius: int) -> list[int]:
    """By walking from the best on; an equal one before it has already found what an index is to find."""
    survivor_of: dict[int, int] = {}
    survivors: dict[int, int] = {}
    for index, value in enumerate(fingerprints.tolist()):
        if value not in survivor_of:
            near = [((value ^ other).bit_count(), place) for place, other in survivors.items()]
            distance, nearest = min(near, default=(65, index))
            survivor_of[value] = nearest if distance <= radius else index
            if survivor_of[value] == index:
                survivors[index] = value
    return [survivor_of[value] for value in fingerprints.tolist()]


def expected_clusters(fingerprints: Fingerprints, *, radius: int) -> list[int]:
    """By spreading the smallest index to whatever is near until nothing changes."""
    near = distances(fingerprints) <= radius
    smallest = np.arange(len(fingerprints))
    while True:
        spread_further = np.where(near, smallest[None, :], len(smallest)).min(axis=1)
        if (spread_further == smallest).all():
            return [int(index) for index in smallest]
        smallest = spread_further


@pytest.mark.parametrize("radius", range(13))
def test_every_pair_within_the_radius_is_told_once_and_no_other(radius: int) -> None:
    rng = np.random.default_rng(radius)
    for num in (2, 3, 70, 400):
        for fingerprints in kinds(num, rng=rng):
            pairs = near_pairs(fingerprints, radius=radius)
            assert told_pairs(pairs) == expected_pairs(fingerprints, radius=radius)


@pytest.mark.parametrize("radius", [1, 3])
@pytest.mark.parametrize("num_agreeing", [4, 5, 7])
def test_buckets_within_buckets_lose_no_pair(monkeypatch: pytest.MonkeyPatch, radius: int, num_agreeing: int) -> None:
    monkeypatch.setattr(near_duplicates, "_cost", lambda num, **_: abs(num - num_agreeing))
    rng = np.random.default_rng(radius)
    # few bits vary, so that buckets are too full to be compared until many blocks are chosen
    fingerprints = spread(1000, rng=rng) & np.uint64(0x0701070107070707)

    pairs = near_pairs(fingerprints, radius=radius)

    assert told_pairs(pairs) == expected_pairs(fingerprints, radius=radius)


@pytest.mark.parametrize("radius", [0, 1, 4, 10])
def test_survivors_are_the_leaders_that_a_walk_from_the_best_on_finds(radius: int) -> None:
    rng = np.random.default_rng(radius)
    for num in (3, 300):
        for fingerprints in kinds(num, rng=rng):
            found = near_pairs(fingerprints, radius=radius).nearest_survivors()
            assert found.tolist() == expected_survivors(fingerprints, radius=radius)


@pytest.mark.parametrize("radius", [0, 1, 4, 10])
def test_clusters_are_what_chains_of_near_duplicates_link(radius: int) -> None:
    rng = np.random.default_rng(radius)
    for num in (3, 300):
        for fingerprints in kinds(num, rng=rng):
            found = near_pairs(fingerprints, radius=radius).clusters()
            assert found.tolist() == expected_clusters(fingerprints, radius=radius)


def test_a_chain_is_one_cluster_but_does_not_swallow_what_is_unlike_its_survivor() -> None:
    chain = np.array([0b0, 0b11, 0b1111], dtype=np.uint64)
    assert near_pairs(chain, radius=2).nearest_survivors().tolist() == [0, 0, 2]
    assert near_pairs(chain, radius=2).clusters().tolist() == [0, 0, 0]


def test_of_survivors_equally_near_the_earlier_is_named() -> None:
    fingerprints = np.array([0b1111, 0b0, 0b11], dtype=np.uint64)
    assert near_pairs(fingerprints, radius=2).nearest_survivors().tolist() == [0, 1, 0]


@pytest.mark.parametrize("fingerprints", [[], [2**64 - 1]])
def test_none_or_one_has_no_pair(fingerprints: list[int]) -> None:
    few = np.array(fingerprints, dtype=np.uint64)
    assert told_pairs(near_pairs(few, radius=4)) == []
    assert near_pairs(few, radius=4).nearest_survivors().tolist() == list(range(len(few)))
    assert near_pairs(few, radius=4).clusters().tolist() == list(range(len(few)))


def test_equal_fingerprints_are_grouped_without_being_paired() -> None:
    fingerprints = spread(200_000, rng=np.random.default_rng(0))
    fingerprints[50_000::2] = fingerprints[7]

    pairs = near_pairs(fingerprints, radius=4)

    assert len(pairs.earlier) < 100
    assert (pairs.first[50_000::2] == 7).all()
    assert (near_pairs(fingerprints, radius=4).nearest_survivors()[50_000::2] == 7).all()


def test_planted_pairs_among_very_many_are_found() -> None:
    rng = np.random.default_rng(0)
    originals = spread(300_000, rng=rng)
    copies = np.concatenate([flipped(originals[:1000], num_bits=num_bits, rng=rng) for num_bits in (1, 2, 3, 4, 5)])

    pairs = near_pairs(np.concatenate([originals, copies]), radius=4)

    found = set(zip(pairs.earlier.tolist(), pairs.later.tolist(), strict=True))
    assert {(index % 1000, 300_000 + index) for index in range(4000)} <= found
    assert not {(index, 304_000 + index) for index in range(1000)} & found


def test_what_is_searched_is_left_as_it_was_and_may_be_read_only() -> None:
    fingerprints = planted(300, rng=np.random.default_rng(0))
    before = fingerprints.copy()
    fingerprints.flags.writeable = False

    near_pairs(fingerprints, radius=4)

    assert (fingerprints == before).all()


def test_too_many_pairs_are_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    every_pair_is_near = np.arange(2**10, dtype=np.uint64)
    num_pairs = 2**10 * (2**10 - 1) // 2
    monkeypatch.setattr(near_duplicates, "MOST_PAIRS", num_pairs)
    assert len(near_pairs(every_pair_is_near, radius=12).earlier) == num_pairs
    monkeypatch.setattr(near_duplicates, "MOST_PAIRS", num_pairs - 1)
    with pytest.raises(CatalogueError) as error:
        near_pairs(every_pair_is_near, radius=12)
    assert str(error.value) == (
        "over 523,775 pairs of 1,024 different fingerprints are within 12 bits: lower clean.duplicate_radius"
    )
