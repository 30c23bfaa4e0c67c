"""The order in which listings are learnt from, and how ranks share it."""

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from facetry.config import TrainParams
from facetry.errors import TrainingError
from facetry.listing import Split
from facetry.training.feed import Feed, write_feed
from facetry.training.sampling import (
    NO_GROUP,
    Draw,
    MicroBatches,
    balanced_order,
    balancing_groups,
    deal,
    evaluation_batches,
)
from tests.unit.training.shops import catalogue, listing

LENGTHS = np.random.default_rng(0).integers(20, 600, 103).astype(np.int32)


def micro_batches(
    *,
    rank: int = 0,
    num_ranks: int = 1,
    accumulation_steps: int = 1,
    epoch: int = 0,
    seed: int = 7,
    groups: NDArray[np.int64] | None = None,
    longest_first: bool = False,
) -> MicroBatches:
    order = MicroBatches(
        LENGTHS,
        batch_size=16,
        num_ranks=num_ranks,
        rank=rank,
        accumulation_steps=accumulation_steps,
        seed=seed,
        groups=groups,
        longest_first=longest_first,
    )
    order.set_epoch(epoch)
    return order


def steps(
    *,
    num_ranks: int = 1,
    accumulation_steps: int = 1,
    epoch: int = 0,
    seed: int = 7,
    groups: NDArray[np.int64] | None = None,
    longest_first: bool = False,
) -> Iterator[list[list[Draw]]]:
    """For each step the micro-batches of all ranks."""
    ranks = [
        list(
            micro_batches(
                rank=rank,
                num_ranks=num_ranks,
                accumulation_steps=accumulation_steps,
                epoch=epoch,
                seed=seed,
                groups=groups,
                longest_first=longest_first,
            )
        )
        for rank in range(num_ranks)
    ]
    for first in range(0, len(ranks[0]), accumulation_steps):
        yield [batch for of_rank in ranks for batch in of_rank[first : first + accumulation_steps]]


def indices(step: list[list[Draw]]) -> set[int]:
    return {draw.index for batch in step for draw in batch}


def tokens(batch: list[Draw]) -> int:
    return int(sum(LENGTHS[draw.index] for draw in batch))


def test_an_epoch_has_every_listing_once_and_another_epoch_another_order() -> None:
    epochs = [[draw for batch in micro_batches(epoch=epoch) for draw in batch] for epoch in (0, 1)]
    for number, draws in enumerate(epochs):
        assert sorted(draw.index for draw in draws) == list(range(len(LENGTHS)))
        assert {draw.epoch for draw in draws} == {number}
    assert [draw.index for draw in epochs[0]] != [draw.index for draw in epochs[1]]


@pytest.mark.parametrize("longest_first", [False, True])
def test_a_step_has_the_same_listings_on_any_number_of_ranks(longest_first: bool) -> None:
    alone = [indices(step) for step in steps(longest_first=longest_first)]
    for num_ranks, accumulation_steps in ((2, 1), (4, 1), (1, 4), (3, 2)):
        shared = steps(num_ranks=num_ranks, accumulation_steps=accumulation_steps, longest_first=longest_first)
        assert [indices(step) for step in shared] == alone


def test_the_order_follows_from_the_seed_and_nothing_else() -> None:
    random.seed(1)
    np.random.seed(1)
    first = list(micro_batches())
    np.random.seed(2)
    assert list(micro_batches()) == first
    assert list(micro_batches(seed=8)) != first
    assert list(micro_batches(seed=-8))


def test_ranks_have_as_many_micro_batches_and_none_has_many_more_tokens() -> None:
    for step in steps(num_ranks=4):
        assert len(step) == 4
        totals = [tokens(batch) for batch in step]
        if sum(len(batch) for batch in step) == 16:
            assert max(totals) < 1.15 * np.mean(totals)
    assert len({len(micro_batches(rank=rank, num_ranks=4, accumulation_steps=2)) for rank in range(4)}) == 1


def test_the_number_of_micro_batches_is_known_beforehand() -> None:
    order = micro_batches(num_ranks=2, accumulation_steps=3)
    assert len(order) == len(list(order)) == 7 * 3


def test_a_listing_that_is_longer_than_all_others_is_dealt_a_part_of_its_own() -> None:
    parts = deal(np.arange(5), lengths=np.array([10, 10, 40, 10, 10]), num_parts=2)
    assert [sorted(part) for part in parts] == [[2], [0, 1, 3, 4]]


def test_the_parts_of_a_step_with_few_listings_may_be_empty() -> None:
    last = list(steps(num_ranks=4, accumulation_steps=4))[-1]
    assert len(LENGTHS) % 16 == 7
    assert sorted(map(len, last)) == [0] * 9 + [1] * 7


@pytest.mark.parametrize("seed", range(6))
def test_the_steps_that_need_most_memory_come_first_in_the_first_epoch(seed: int) -> None:
    """However many ranks share a step: one with all its tokens, many with little more than its longest listing."""
    found = list(steps(longest_first=True, seed=seed))
    front = found[:2]
    assert max(tokens(step[0]) for step in found) in [tokens(step[0]) for step in front]
    assert int(LENGTHS.argmax()) in set().union(*(indices(step) for step in front))
    assert sorted(index for step in found for index in indices(step)) == list(range(len(LENGTHS)))


def test_later_epochs_do_not_begin_with_the_longest() -> None:
    assert list(steps(longest_first=True, epoch=1)) == list(steps(longest_first=False, epoch=1))


def test_a_data_loader_takes_empty_micro_batches() -> None:
    class Looks(Dataset[int]):
        def __len__(self) -> int:
            return len(LENGTHS)

        def __getitem__(self, draw: Draw) -> int:
            return draw.index

    order = micro_batches(num_ranks=8, accumulation_steps=2)
    loader = DataLoader(Looks(), batch_sampler=order, collate_fn=list)
    assert list(loader) == [[draw.index for draw in batch] for batch in order]


def groups_of(*sizes: int, none: int = 0) -> NDArray[np.int64]:
    return np.repeat(np.array([NO_GROUP, *range(len(sizes))]), [none, *sizes])


def test_every_step_has_as_many_listings_of_each_group() -> None:
    groups = groups_of(90, 9, 1)
    order = balanced_order(groups, random=np.random.default_rng(7))
    assert len(order) == len(groups)
    for start in range(0, 100 - 12, 12):
        counts = Counter(groups[order[start : start + 12]].tolist())
        assert all(3 <= counts[group] <= 5 for group in range(3))


def test_all_listings_of_a_group_come_before_one_comes_again() -> None:
    groups = groups_of(90, 9, 1)
    order = balanced_order(groups, random=np.random.default_rng(7))
    drawn = Counter(order.tolist())
    assert {drawn[index] for index in np.flatnonzero(groups == 0)} == {0, 1}
    assert {drawn[index] for index in np.flatnonzero(groups == 1)} <= {3, 4}


def test_listings_that_do_not_tell_what_is_balanced_come_as_often_as_before() -> None:
    groups = groups_of(30, 10, none=60)
    counts = Counter(groups[balanced_order(groups, random=np.random.default_rng(7))].tolist())
    assert {group: round(counts[group], -1) for group in counts} == {NO_GROUP: 60, 0: 20, 1: 20}


def test_balanced_steps_are_the_same_on_any_number_of_ranks() -> None:
    groups = np.arange(len(LENGTHS)) % 3
    alone = [sorted(draw.index for batch in step for draw in batch) for step in steps(groups=groups)]
    shared = [sorted(draw.index for batch in step for draw in batch) for step in steps(groups=groups, num_ranks=4)]
    assert alone == shared


def feed(folder: Path) -> Feed:
    shop = catalogue(
        folder / "shop", [listing("1"), listing("2", lid="yes"), listing("3", lid="no"), listing("4", category="Pot")]
    )
    path = folder / "train.arrow"
    write_feed(shop, split=Split.TRAIN, params=TrainParams(), path=path)
    return Feed(path)


def test_groups_are_the_values_of_what_is_balanced(tmp_path: Path) -> None:
    opened = feed(tmp_path)
    assert balancing_groups(opened, params=TrainParams()) is None
    by_category = balancing_groups(opened, params=TrainParams(balance="category"))
    assert by_category is not None
    assert by_category.tolist() == [0, 0, 0, 1]
    by_lid = balancing_groups(opened, params=TrainParams(balance="lid"))
    assert by_lid is not None
    assert by_lid.tolist() == [NO_GROUP, 1, 0, NO_GROUP]


def test_balance_by_what_no_listing_tells_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"train\.balance: no listing tells its 'lidd': use one of category, lid"):
        balancing_groups(feed(tmp_path), params=TrainParams(balance="lidd"))


def test_every_listing_is_looked_at_once_over_all_ranks_the_longest_first() -> None:
    ranks = [evaluation_batches(LENGTHS, batch_size=8, num_ranks=4, rank=rank) for rank in range(4)]
    assert len({len(batches) for batches in ranks}) == 1
    looked_at = [draw.index for batches in ranks for batch in batches for draw in batch]
    assert sorted(looked_at) == list(range(len(LENGTHS)))
    for batches in ranks:
        longest = [max(LENGTHS[draw.index] for draw in batch) for batch in batches if batch]
        assert longest == sorted(longest, reverse=True)
