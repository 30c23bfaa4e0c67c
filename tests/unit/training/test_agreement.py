"""Ranks that do not mean the same run say so at once, all of them, and what the first finds out all know."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    """For each of three ranks, how it came out that they differ, that they share, and that the first one refuses."""
    out = tmp_path_factory.mktemp("ranks") / "rank"
    arguments = ["--standalone", "--nproc-per-node=3", "-m", "tests.unit.training.agree_shortly", str(out)]
    subprocess.run([sys.executable, "-m", "facetry.training.elastic", *arguments], cwd=ROOT, check=True)
    return [json.loads(Path(f"{out}-{rank}.json").read_text(encoding="utf-8")) for rank in range(3)]


def test_ranks_with_other_parameters_are_told_which_and_where(told: list[list[str]]) -> None:
    refusals = {each[0] for each in told}
    assert refusals == {
        "the ranks do not mean the same run, catalogue: abc on rank 0, None on ranks 1, 2; "
        "train.learning_rate: 0.001 on rank 0, 0.0005 on rank 1, 0.0003333333333333333 on rank 2: "
        "start all of them with the same parameters and catalogue"
    }


def test_what_the_first_rank_finds_out_all_know(told: list[list[str]]) -> None:
    assert {each[1] for each in told} == {"{'from': 0}"}


def test_an_error_of_the_first_rank_is_every_ranks(told: list[list[str]]) -> None:
    assert {each[2] for each in told} == {"no plan, says rank 0"}
