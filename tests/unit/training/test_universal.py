"""A run goes on with another number of processes, or another ZeRO stage, as if nothing had happened."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from facetry.errors import CheckpointError
from facetry.training.universal import SavedBy, make_universal, needs_universal, saved_by

ROOT = Path(__file__).parents[3]
GOING_ON = {1: ("1-1", "2-2", "1-3", "3-1", "3-3"), 3: ("1-2", "3-3")}
"""By the number of ranks, from which ZeRO stage to which; two ranks saved."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    _run(folder, num_ranks=2)
    for num_ranks, stages in GOING_ON.items():
        _run(folder, *stages, num_ranks=num_ranks)
    return folder


def _run(folder: Path, *stages: str, num_ranks: int) -> None:
    launcher = [sys.executable, "-m", "facetry.training.elastic", "--standalone", f"--nproc-per-node={num_ranks}"]
    subprocess.run(
        [*launcher, "-m", "tests.unit.training.continue_shortly", str(folder), *stages],
        env={**os.environ, "DS_ACCELERATOR": "cpu", "OMP_NUM_THREADS": "1"},
        cwd=ROOT,
        check=True,
    )


@pytest.mark.parametrize(
    ("num_ranks", "stages"), [(num_ranks, each) for num_ranks, stages in GOING_ON.items() for each in stages]
)
def test_other_ranks_and_stages_come_to_the_same_weights(runs: Path, num_ranks: int, stages: str) -> None:
    saved, _, loaded = stages.partition("-")
    undisturbed = torch.load(runs / f"undisturbed-{saved}.pt")
    gone_on = torch.load(runs / f"{saved}-to-{loaded}-on-{num_ranks}.pt")
    torch.testing.assert_close(gone_on, undisturbed, rtol=0, atol=1e-6)


def test_a_checkpoint_tells_who_wrote_it_and_who_can_take_it_up(runs: Path) -> None:
    assert saved_by(runs / "zero-2") == SavedBy(num_processes=2, zero_stage=1)
    assert saved_by(runs / "zero-3") == SavedBy(num_processes=2, zero_stage=3)
    assert not needs_universal(runs / "zero-1", num_processes=2, zero_stage=2)
    assert needs_universal(runs / "zero-1", num_processes=1, zero_stage=1)
    assert needs_universal(runs / "zero-1", num_processes=2, zero_stage=3)


def test_what_was_not_written_with_zero_cannot_be_continued_with_it(runs: Path) -> None:
    with pytest.raises(
        CheckpointError, match=r"written with ZeRO 1, which ZeRO 0 cannot continue: set train\.zero_sta"
    ):
        needs_universal(runs / "zero-1", num_processes=2, zero_stage=0)


def test_weights_too_few_to_be_shared_are_told_before_deepspeed_stumbles(runs: Path) -> None:
    with pytest.raises(CheckpointError, match="fewer weights of a kind than 16 processes can share with ZeRO 2: set"):
        needs_universal(runs / "zero-1", num_processes=16, zero_stage=2)
    assert needs_universal(runs / "zero-1", num_processes=16, zero_stage=3)


def test_a_conversion_that_was_cut_off_is_done_again(runs: Path, tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint"
    shutil.copytree(runs / "zero-1", checkpoint)
    (checkpoint / "latest_universal").unlink()
    shutil.rmtree(checkpoint / "universal" / "zero")
    (checkpoint / ".universal").mkdir()
    make_universal(checkpoint)
    assert _files(checkpoint) == _files(runs / "zero-1")
    marker = checkpoint / "universal" / "zero" / "marker"
    marker.touch()
    make_universal(checkpoint)
    assert marker.exists()


def _files(folder: Path) -> set[Path]:
    return {file.relative_to(folder) for file in folder.rglob("*")}


def test_a_checkpoint_without_its_state_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="holds no DeepSpeed state"):
        make_universal(tmp_path)
