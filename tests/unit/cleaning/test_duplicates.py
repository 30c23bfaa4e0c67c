import numpy as np
import pytest

from facetry.cleaning import duplicates


@pytest.mark.parametrize("radius", [0, 2, 5])
@pytest.mark.parametrize("pairs_per_block", [1, 64, 2**22])
def test_no_pair_is_missed_whatever_the_block_size(
    monkeypatch: pytest.MonkeyPatch, radius: int, pairs_per_block: int
) -> None:
    monkeypatch.setattr(duplicates, "PAIRS_PER_BLOCK", pairs_per_block)
    rng = np.random.default_rng(3)
    seeds = rng.integers(0, 2**63, 20, dtype=np.uint64)
    flips = np.uint64(1) << rng.integers(0, 64, (300, 6), dtype=np.uint64)
    hashes = rng.choice(seeds, 300)
    for column, how_many in zip(flips.T, rng.integers(0, 2, (6, 300)), strict=True):
        hashes = hashes ^ (column * how_many.astype(np.uint64))

    found = duplicates.nearest_survivors(hashes, radius=radius)

    distance = np.bitwise_count(hashes[:, None] ^ hashes[None, :])
    survivors: list[int] = []
    for index in range(len(hashes)):
        near = [survivor for survivor in survivors if distance[index, survivor] <= radius]
        expected = min(near, key=lambda survivor: (distance[index, survivor], survivor)) if near else index
        assert found[index] == expected
        if not near:
            survivors.append(index)


def test_a_chain_of_likenesses_does_not_swallow_what_is_unlike_its_survivor() -> None:
    chain = np.array([0b0, 0b11, 0b1111], dtype=np.uint64)
    assert duplicates.nearest_survivors(chain, radius=2).tolist() == [0, 0, 2]


def test_no_fingerprints_have_no_duplicates() -> None:
    assert duplicates.nearest_survivors(np.array([], dtype=np.uint64), radius=2).tolist() == []
