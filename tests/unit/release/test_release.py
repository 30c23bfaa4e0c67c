"""A release proves what it serves: each kind of drift is found and named."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from facetry.errors import ReleaseError
from facetry.release import load_engine, open_release, release
from facetry.release.manifest import MANIFEST_NAME, hash_files
from tests.conftest import TinyRun


@pytest.fixture
def copied(tiny_release: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_release, tmp_path / "release")


def _sign_again(release: Path) -> None:
    """Make the manifest agree with the files, as a careless or hostile hand would."""
    manifest = json.loads((release / MANIFEST_NAME).read_bytes())
    (release / MANIFEST_NAME).write_text(json.dumps({**manifest, "files": hash_files(release)}), encoding="utf-8")


def test_a_release_says_where_it_comes_from_and_answers_as_it_did(tiny_run: TinyRun) -> None:
    manifest = open_release(tiny_run.release).manifest
    assert (manifest.name, manifest.version) == ("tiny-shop", "0.1.0")
    assert manifest.data_revision == json.loads((tiny_run.checkpoint / "facetry.json").read_bytes())["data_revision"]
    assert "accuracy" in manifest.metrics
    load_engine(tiny_run.release)


def test_a_release_leaves_out_what_is_not_served(tiny_run: TinyRun) -> None:
    for name in ("golden", "curves"):
        assert (tiny_run.checkpoint / name).is_dir()
        assert not (tiny_run.release / "checkpoint" / name).exists()


def test_a_release_names_the_version_of_the_data(tiny_run: TinyRun, tmp_path: Path) -> None:
    checkpoint = shutil.copytree(tiny_run.checkpoint, tmp_path / "checkpoint")
    card = json.loads((checkpoint / "facetry.json").read_bytes())
    (checkpoint / "facetry.json").write_text(json.dumps({**card, "data_version": "listings/v2"}), encoding="utf-8")
    params = tiny_run.params
    release(checkpoint, report=tiny_run.report, params=params.release, serve=params.serve, out=tmp_path / "release")
    assert open_release(tmp_path / "release").manifest.data_version == "listings/v2"
    assert open_release(tiny_run.release).manifest.data_version is None


def test_a_changed_a_missing_and_a_foreign_file_are_each_named(copied: Path) -> None:
    foreign = copied / "model_repository" / "more.py"
    foreign.write_text("")
    with pytest.raises(ReleaseError, match=r"release 'tiny-shop' 0\.1\.0: model_repository/more\.py was added"):
        open_release(copied)
    foreign.unlink()
    weights = copied / "checkpoint" / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ReleaseError, match=r"checkpoint/model\.safetensors was changed"):
        open_release(copied)
    weights.unlink()
    with pytest.raises(ReleaseError, match=r"checkpoint/model\.safetensors is missing"):
        open_release(copied)


def _other_pixels(checkpoint: Path) -> None:
    path = checkpoint / "preprocessor_config.json"
    path.write_text(path.read_text().replace('"do_normalize": true', '"do_normalize": false'))


def _other_question(checkpoint: Path) -> None:
    path = checkpoint / "facetry.json"
    path.write_text(path.read_text().replace("Category?", "What is this?"))


def _other_weights(checkpoint: Path) -> None:
    path = checkpoint / "model.safetensors"
    torch.manual_seed(0)
    drifted = {name: weight + 0.3 * torch.randn_like(weight) for name, weight in load_file(path).items()}
    save_file(drifted, path, {"format": "pt"})


@pytest.mark.parametrize(
    ("drift", "named"),
    [(_other_pixels, "pixels differ"), (_other_question, "tokens differ"), (_other_weights, "answers differ")],
)
def test_a_release_that_was_signed_again_is_still_refused(
    copied: Path, drift: Callable[[Path], None], named: str
) -> None:
    drift(copied / "checkpoint")
    _sign_again(copied)
    with pytest.raises(ReleaseError, match=rf"does not reproduce its parity contract: {named} on \d of \d golden"):
        load_engine(copied)


def test_a_malformed_contract_is_refused(copied: Path) -> None:
    (copied / "parity" / "contract.json").write_text('{"golden": 1}')
    _sign_again(copied)
    with pytest.raises(ReleaseError, match="its parity contract is malformed"):
        load_engine(copied)


def test_a_folder_that_is_no_release_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="is not a release"):
        open_release(tmp_path)
