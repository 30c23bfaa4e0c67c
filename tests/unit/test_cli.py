"""What a person sees: one line and exit status 2 for whatever they can mend, and never a traceback."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import TinyRun


def _facetry(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "facetry", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def _refusal(*arguments: str | Path, cwd: Path) -> str:
    finished = _facetry(*arguments, cwd=cwd)
    assert finished.returncode == 2, finished.stderr
    assert "Traceback" not in finished.stderr
    return finished.stderr.strip()


@pytest.mark.parametrize(
    "command", ["draw", "ingest", "clean", "split", "train", "evaluate", "release", "serve", "demo"]
)
def test_every_command_explains_itself(command: str, tmp_path: Path) -> None:
    helped = _facetry(command, "--help", cwd=tmp_path)
    assert helped.returncode == 0
    assert "--params" in helped.stdout
    assert "--set" in helped.stdout


def test_all_errors_of_the_parameters_come_at_once(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("train: {epochs: 0, learning_rat: 1}\nsplit: {ratios: {train: 0.6}}\n")
    assert _refusal("clean", "x", "--out", "y", cwd=tmp_path).splitlines() == [
        "facetry: params.yaml has 3 errors",
        "  split.ratios: sum to 0.9, must sum to 1",
        "  train.epochs: 0, must be more than 0",
        "  train.learning_rat: unknown key, did you mean learning_rate?",
    ]


def test_bad_inputs_end_in_one_line(tmp_path: Path, tiny_run: TinyRun) -> None:
    (tmp_path / "few.csv").write_text("name,price\nx,1\n")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "precious.txt").write_text("keep me")
    refusals = {
        "missing": _refusal("clean", "nowhere", "--out", "out", cwd=tmp_path),
        "columns": _refusal("ingest", "few.csv", "--out", "out", cwd=tmp_path),
        "split": _refusal(
            "evaluate", tiny_run.checkpoint, tiny_run.split, "--split", "tset", "--out", "o", cwd=tmp_path
        ),
        "checkpoint": _refusal("release", "nowhere", "--report", "x", "--out", "out", cwd=tmp_path),
        "release": _refusal("serve", "nowhere", cwd=tmp_path),
        "override": _refusal("serve", "nowhere", "--set", "serve.http_port", cwd=tmp_path),
        "foreign": _refusal("split", tiny_run.split.parent / "clean", "--out", "full", cwd=tmp_path),
        "overlap": _refusal("clean", tiny_run.split, "--out", tiny_run.split, cwd=tmp_path),
        "server": _refusal("predict", "127.0.0.1:1", "--title", "x", cwd=tmp_path),
        "nothing": _refusal("predict", "127.0.0.1:1", cwd=tmp_path),
        "image": _refusal("predict", "127.0.0.1:1", "--image", "few.csv", cwd=tmp_path),
    }
    assert all(line.startswith("facetry: ") and "\n" not in line for line in refusals.values()), refusals
    assert "unknown split 'tset': use train, validation, test" in refusals["split"]
    assert "holds something else" in refusals["foreign"]
    assert "overlap: choose another --out" in refusals["overlap"]
    assert (tmp_path / "full" / "precious.txt").read_text() == "keep me"


def test_a_damaged_shard_is_named(tmp_path: Path, tiny_run: TinyRun) -> None:
    damaged = shutil.copytree(tiny_run.split, tmp_path / "catalogue")
    shard = next(damaged.glob("*.parquet"))
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 255
    shard.write_bytes(content)
    line = _refusal("clean", damaged, "--out", tmp_path / "out", cwd=tmp_path)
    assert line.startswith(f"facetry: shard {shard.name} of catalogue {damaged} is damaged")
