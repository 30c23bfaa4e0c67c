"""What a person sees: one line and exit status 2 for whatever they can mend, and never a traceback."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from facetry.catalogue import Catalogue
from facetry.cli.app import app
from facetry.listing import DUPLICATE_OF
from tests.conftest import TinyRun


def _commands(group: TyperGroup, *before: str) -> Iterator[tuple[str, ...]]:
    """The words that call each command of a group, and of the groups in it."""
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from _commands(command, *before, name)
        else:
            yield (*before, name)


def _group(*names: str) -> TyperGroup:
    """The program itself, or the group of commands of that name."""
    group = typer.main.get_command(app)
    for name in names:
        assert isinstance(group, TyperGroup)
        group = group.commands[name]
    assert isinstance(group, TyperGroup)
    return group


def _facetry(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "facetry", *map(str, arguments)]
    wide = {**os.environ, "COLUMNS": "300"}
    return subprocess.run(command, cwd=cwd, env=wide, capture_output=True, text=True, check=False)


def _said(*arguments: str | Path, cwd: Path) -> str:
    finished = _facetry(*arguments, cwd=cwd)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.strip()


def _refusal(*arguments: str | Path, cwd: Path) -> str:
    finished = _facetry(*arguments, cwd=cwd)
    assert finished.returncode == 2, finished.stderr
    assert "Traceback" not in finished.stderr
    return finished.stderr.strip()


@pytest.mark.parametrize("command", list(_commands(_group())), ids=" ".join)
def test_every_command_explains_itself_and_what_it_takes(command: tuple[str, ...], tmp_path: Path) -> None:
    helped = _said(*command, "--help", cwd=tmp_path)
    *groups, name = command
    described = _group(*groups).commands[name]
    assert " ".join(str(described.help).split()) in helped
    for parameter in described.params:
        explanation = getattr(parameter, "help", None)
        assert explanation, f"{parameter.name} is not explained"
        assert explanation in helped


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
        "push": _refusal("data", "push", tiny_run.split, "--out", tiny_run.split, cwd=tmp_path),
        "server": _refusal("predict", "127.0.0.1:1", "--title", "x", cwd=tmp_path),
        "nothing": _refusal("predict", "127.0.0.1:1", cwd=tmp_path),
        "image": _refusal("predict", "127.0.0.1:1", "--image", "few.csv", cwd=tmp_path),
    }
    assert all(line.startswith("facetry: ") and "\n" not in line for line in refusals.values()), refusals
    assert "unknown split 'tset': use train, validation, test" in refusals["split"]
    assert "holds something else" in refusals["foreign"]
    assert "overlap: choose another --out" in refusals["overlap"]
    assert "overlap: choose another --out" in refusals["push"]
    assert Catalogue.open(tiny_run.split).version is None
    assert (tmp_path / "full" / "precious.txt").read_text() == "keep me"


def test_a_shop_that_is_read_in_parts_becomes_versions(tmp_path: Path, tiny_run: TinyRun) -> None:
    findings: list[str] = []
    for part in ("1", "2"):
        _said("ingest", tiny_run.drawn, "--part", f"{part}/2", "--out", f"part-{part}", cwd=tmp_path)
        _said("examine", f"part-{part}", "--out", f"findings-{part}", cwd=tmp_path)
        findings += ["--findings", f"findings-{part}"]
    _said("merge", "part-2", "part-1", "--out", "merged", cwd=tmp_path)
    _said("clean", "merged", *findings, "--out", "clean", cwd=tmp_path)
    ratios = json.dumps(dict(tiny_run.params.split.ratios))
    _said("split", "clean", "--out", "split", "--set", f"split.ratios={ratios}", cwd=tmp_path)
    whole = Catalogue.open(tiny_run.split)
    assert list(Catalogue.open(tmp_path / "split").listings()) == list(whole.listings())

    pushed = _said("data", "push", "split", "--out", "kept", cwd=tmp_path)
    assert pushed.startswith("version v1 of listings: 120 listings (120 added, 0 removed, 0 relabelled), ")
    taken_down = _said("data", "take-down", _survivor(whole), cwd=tmp_path)
    assert taken_down.startswith("version v2 of listings: 119 listings, 1 taken down, ")
    assert "; still in v1; clean again, images of " in taken_down
    assert [line.split()[0] for line in _said("data", "list", cwd=tmp_path).splitlines()] == ["v1", "v2"]
    assert _said("data", "diff", "v1", "v2", "--out", "d.jsonl", cwd=tmp_path) == "0 added, 1 removed, 0 relabelled"
    assert json.loads((tmp_path / "d.jsonl").read_bytes()) == {"listing": _survivor(whole), "change": "removed"}
    assert Catalogue.open(tmp_path / "kept").version == "listings/v1"


def _survivor(catalogue: Catalogue) -> str:
    """A listing that an image of another one is a duplicate of."""
    rejections = (image.rejection or "" for listing in catalogue.listings() for image in listing.images)
    return next(text.removeprefix(DUPLICATE_OF) for text in rejections if text.startswith(DUPLICATE_OF))


def test_a_damaged_shard_is_named(tmp_path: Path, tiny_run: TinyRun) -> None:
    damaged = shutil.copytree(tiny_run.split, tmp_path / "catalogue")
    shard = next(damaged.glob("*.parquet"))
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 255
    shard.write_bytes(content)
    line = _refusal("clean", damaged, "--out", tmp_path / "out", cwd=tmp_path)
    assert line.startswith(f"facetry: shard {shard.name} of catalogue {damaged} is damaged")
