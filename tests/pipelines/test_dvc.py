"""`dvc repro` runs the stages, and later only those that something has changed for."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from facetry.config import load_params
from pipelines.finetune import STAGES

ROOT = Path(__file__).parents[2]
CODE = ("facetry", "serving/model_repository")
SETTINGS = ("dvc.yaml", ".dvcignore", ".dvc/config", ".dvc/.gitignore", ".gitignore")


@pytest.fixture
def checkout(tiny_params: Path, tmp_path: Path) -> Path:
    """A git checkout of its own, with the parameters of a very small run."""
    folder = tmp_path / "checkout"
    for name in CODE:
        without_compiled = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=without_compiled)
    (folder / ".dvc").mkdir()
    for name in SETTINGS:
        shutil.copyfile(ROOT / name, folder / name)
    write_params(folder, tiny_params)
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    return folder


def test_only_what_has_changed_is_run_again(checkout: Path) -> None:
    assert repro(checkout) == ["draw", *(stage for stage in STAGES if stage != "version")]
    assert (checkout / "data" / "release" / "manifest.json").is_file()

    assert repro(checkout) == []

    write_params(checkout, checkout / "params.yaml", "release.version=0.2.0", "serve.http_port=9000")
    assert repro(checkout) == ["release"]


def test_nothing_is_reported_to_anyone_and_no_remote_is_set() -> None:
    settings = subprocess.run(
        [sys.executable, "-m", "dvc", "config", "--list", "--project"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert settings == ["core.analytics=false", "core.check_update=false"]


def write_params(checkout: Path, source: Path, *settings: str) -> None:
    params = load_params(source, settings).model_dump(mode="json")
    (checkout / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


def repro(checkout: Path) -> list[str]:
    """The stages that `dvc repro` ran, in order."""
    tools = Path(sys.executable).parent
    finished = subprocess.run(
        [sys.executable, "-m", "dvc", "repro"],
        cwd=checkout,
        env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr + finished.stdout
    return re.findall(r"Running stage '([\w-]+)'", finished.stdout)
