"""The pipeline runs on one machine: every stage once, nothing twice, and failures in the stage's own words."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from facetry.catalogue import Catalogue
from pipelines.finetune import STAGES

TASKS = ("plan", "ingest", "examine", "merge", "clean", "split", "version", "train", "evaluate", "release")
ROOT = Path(__file__).parents[2]
SMALL_FILE_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """Runs `python -m pipelines.local` in a workspace."""

    workspace: Path
    source: Path
    base_model: Path
    params: Path

    def __call__(
        self, *settings: str, num_parts: int = 1, max_file_bytes: int | None = None
    ) -> subprocess.CompletedProcess[str]:
        """With `max_file_bytes` no file that it writes may grow further, as when a disk is full."""
        limit = ["prlimit", f"--fsize={max_file_bytes}"] if max_file_bytes else []
        command = [*limit, sys.executable, "-m", "pipelines.local", "--workspace", str(self.workspace)]
        command += ["--source", str(self.source), "--source-version", "1", "--base-model", str(self.base_model)]
        command += ["--num-parts", str(num_parts)]
        kept = [f"version.{name}={self.workspace / name}" for name in ("repository", "remote")]
        settings = (*kept, *settings)
        command += ["--params", str(self.params), *(part for setting in settings for part in ("--set", setting))]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    def facts(self) -> dict[str, dict[str, object]]:
        facts: dict[str, dict[str, object]] = json.loads((self.workspace / "run.json").read_bytes())
        return facts


@pytest.fixture
def pipeline(shop: Path, tiny_params: Path, tmp_path: Path) -> Runner:
    return Runner(workspace=tmp_path / "work", source=shop, base_model=shop / "base-model", params=tiny_params)


def test_every_stage_runs_once_and_none_runs_again_while_nothing_has_changed(pipeline: Runner) -> None:
    first = pipeline()
    assert first.returncode == 0, first.stderr
    made = pipeline.facts()
    assert list(made) == list(STAGES)
    for number, task in enumerate(TASKS, start=1):
        assert f"[{number}/{len(TASKS)}] {task}\n      " in first.stdout
    for stage in STAGES:
        assert str(made[stage]["summary"]) in first.stdout
        assert Path(str(made[stage]["path"])).is_dir()
        assert not made[stage]["cached"]
    assert "KFP Executor" not in first.stdout

    again = pipeline()
    assert again.returncode == 0, again.stderr
    assert again.stdout.splitlines() == [
        f"[{number}/{len(TASKS)}] {task}: nothing has changed, its earlier output is used"
        for number, task in enumerate(TASKS, start=1)
    ]
    assert pipeline.facts() == {stage: {**facts, "cached": True} for stage, facts in made.items()}


def test_a_source_read_in_parts_gives_the_catalogues_of_one_read_whole(
    shop: Path, tiny_params: Path, tmp_path: Path
) -> None:
    digests = set()
    for num_parts in (1, 3):
        workspace = tmp_path / str(num_parts)
        run = Runner(workspace=workspace, source=shop, base_model=tmp_path / "no-model", params=tiny_params)
        finished = run(num_parts=num_parts)
        assert finished.stderr.startswith("train: train.base_model: no model folder"), finished.stderr
        tasks = ("merge", "clean", "split", "version")
        paths = [next(workspace.glob(f"kubeflow/*/{task}/catalogue")) for task in tasks]
        digests.add(tuple(Catalogue.open(path).digest for path in paths))
    assert len(digests) == 1


def test_what_the_user_can_mend_ends_the_run_in_one_line(shop: Path, tiny_params: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    finished = Runner(workspace=tmp_path / "work", source=empty, base_model=shop / "base-model", params=tiny_params)()
    assert finished.returncode == 2
    (line,) = finished.stderr.splitlines()
    assert line.startswith("ingest: ")
    assert str(empty) in line
    assert "Traceback" not in finished.stdout


def test_bad_parameters_are_all_named_before_anything_runs(pipeline: Runner) -> None:
    finished = pipeline("clean.min_side_pixels=0", "train.epoch=2")
    assert finished.returncode == 2
    assert "clean.min_side_pixels: 0, must be at least 1" in finished.stderr
    assert "train.epoch: unknown key, did you mean epochs?" in finished.stderr
    assert finished.stdout == ""


def test_a_stage_that_breaks_fails_the_run_and_shows_what_it_said_last(pipeline: Runner) -> None:
    finished = pipeline(max_file_bytes=SMALL_FILE_BYTES)
    assert finished.returncode == 1
    assert finished.stderr.startswith("ingest failed; it said last:\n")
    assert "File too large" in finished.stderr.splitlines()[-1]
    assert "[3/10]" not in finished.stdout
