from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from facetry.errors import TrainingError
from facetry.training.checkpoints import Mark, last_whole, mark_whole, remove_others
from facetry.training.watch import NUM_STEPS_TO_SETTLE, LossWatch


@dataclass
class _Learnt:
    losses: torch.Tensor

    @property
    def loss_sum(self) -> torch.Tensor:
        return self.losses.sum()

    def loss_by_listing(self, num_listings: int) -> torch.Tensor:
        return self.losses[:num_listings]


def _check(watch: LossWatch, losses: list[float], *, state: Path, step: int = 1) -> None:
    ids = [f"listing-{place}" for place in range(len(losses))]
    watch.check(_Learnt(torch.tensor(losses)), batch={"listing_ids": ids}, step=step, state=state)


def test_a_loss_that_is_no_number_names_the_step_its_listing_and_the_last_good_checkpoint(tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint-40"
    checkpoint.mkdir()
    mark_whole(checkpoint, Mark(step=40, num_ranks=1, zero_stage=1))
    with pytest.raises(TrainingError, match=r"no number at step 41, listings listing-1.*checkpoint-40"):
        _check(LossWatch(20), [1.0, float("nan"), 1.0], state=tmp_path, step=41)


def test_a_loss_that_explodes_is_found_once_the_usual_one_is_known(tmp_path: Path) -> None:
    watch = LossWatch(20)
    _check(watch, [900.0], state=tmp_path)
    for _ in range(NUM_STEPS_TO_SETTLE * 10):
        _check(watch, [1.0, 2.0], state=tmp_path)
    _check(watch, [10.0, 2.0], state=tmp_path)
    with pytest.raises(TrainingError, match=r"is 5e\+03, usually .* no good checkpoint yet"):
        _check(watch, [1.0, 10000.0], state=tmp_path)


def test_only_a_checkpoint_written_to_its_end_counts_and_others_go(tmp_path: Path) -> None:
    for step in (20, 40, 60):
        (tmp_path / f"checkpoint-{step}").mkdir()
    for step in (20, 40):
        mark_whole(tmp_path / f"checkpoint-{step}", Mark(step=step, num_ranks=2, zero_stage=3))
    found = last_whole(tmp_path)
    assert found == (tmp_path / "checkpoint-40", Mark(step=40, num_ranks=2, zero_stage=3))
    remove_others(tmp_path, keep={tmp_path / "checkpoint-40"})
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-40"]
