"""A repository that somebody else has written to, and the settings of whoever runs facetry, do no harm."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from facetry.config import VersionParams
from facetry.errors import VersionError
from facetry.versioning import pull, push, versions
from tests.unit.versioning.shop import listing, write

GIT = ["git", "-c", "user.name=somebody", "-c", "user.email=somebody@localhost"]
LISTINGS = [listing(number) for number in range(60)]


def _tamper(params: VersionParams, *, clone: Path, change: Callable[[Path], None]) -> None:
    """Let the tag of v1 name files that somebody has changed by hand."""
    subprocess.run([*GIT, "clone", "--quiet", "-b", "listings/v1", params.repository, clone], check=True)
    note = subprocess.check_output([*GIT, "for-each-ref", "--format=%(contents)", "refs/tags/listings/v1"], cwd=clone)
    change(clone)
    subprocess.run([*GIT, "commit", "--quiet", "--all", "-m", "changed"], cwd=clone, check=True)
    retag = [*GIT, "tag", "--force", "--annotate", "listings/v1", "--file", "-"]
    subprocess.run(retag, cwd=clone, input=note, check=True, capture_output=True)
    subprocess.run([*GIT, "push", "--quiet", "--force", "origin", "listings/v1"], cwd=clone, check=True)


def _edit_dvc_file(clone: Path, *, edit: Callable[[list[dict[str, object]]], None]) -> None:
    tree = yaml.safe_load((clone / "listings.dvc").read_text())
    edit(tree["outs"])
    (clone / "listings.dvc").write_text(yaml.safe_dump(tree))


@pytest.mark.parametrize("name", ["{outside}", "../outside", "a/../../outside", ".dvc/config.local"])
def test_a_shard_is_never_written_outside_the_folder_that_is_pulled(
    name: str, params: VersionParams, tmp_path: Path
) -> None:
    push(write(tmp_path / "given", LISTINGS), params=params)
    name = name.format(outside=tmp_path / "outside")

    def change(clone: Path) -> None:
        manifest = json.loads((clone / "listings/catalogue.json").read_text())
        old, manifest["shards"][0]["name"] = manifest["shards"][0]["name"], name
        (clone / "listings/catalogue.json").write_text(json.dumps(manifest))
        text = (clone / "listings.dvc").read_text()
        (clone / "listings.dvc").write_text(text.replace(f"listings/{old}", f"listings/{name}"))

    _tamper(params, clone=tmp_path / "clone", change=change)
    with pytest.raises(VersionError) as caught:
        pull("v1", params=params, out=tmp_path / "deep/pulled")
    assert f"version v1 of catalogue 'listings' in {params.repository} is malformed" in str(caught.value)
    assert not (tmp_path / "outside").exists()
    assert not (tmp_path / "deep/outside").exists()


@pytest.mark.parametrize(
    "change", [{"path": "/outside"}, {"path": "../outside"}, {"md5": "0" * 32 + ".dir"}, {"hash": "etag"}]
)
def test_a_file_that_is_listed_elsewhere_or_as_a_folder_is_refused(
    change: dict[str, object], params: VersionParams, tmp_path: Path
) -> None:
    push(write(tmp_path / "given", LISTINGS), params=params)
    _tamper(
        params,
        clone=tmp_path / "clone",
        change=lambda clone: _edit_dvc_file(clone, edit=lambda outs: outs.append({**outs[0], **change})),
    )
    with pytest.raises(VersionError, match=r"version v1 of catalogue 'listings' in .*repository is malformed"):
        pull("v1", params=params, out=tmp_path / "pulled")


def test_a_shard_that_is_not_the_one_of_the_manifest_is_refused(params: VersionParams, tmp_path: Path) -> None:
    push(write(tmp_path / "given", LISTINGS), params=params)

    def swap(outs: list[dict[str, object]]) -> None:
        one, other = [out for out in outs if str(out["path"]).startswith("listings/")][:2]
        one["path"], other["path"] = other["path"], one["path"]

    _tamper(params, clone=tmp_path / "clone", change=lambda clone: _edit_dvc_file(clone, edit=swap))
    with pytest.raises(
        VersionError, match=r"version v1 of catalogue 'listings' in .*repository does not hold together"
    ):
        pull("v1", params=params, out=tmp_path / "pulled")
    assert not (tmp_path / "pulled").exists()


@pytest.mark.parametrize("repository", ["--upload-pack=cd;touch pwned;:", "ext::sh -c cd&&touch% pwned"])
def test_no_address_of_a_repository_runs_a_command(
    repository: str, params: VersionParams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".gitconfig").write_text("[protocol]\n    allow = always\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(VersionError, match="git ls-remote fails"):
        versions(params=params.model_copy(update={"repository": repository}))
    assert not (tmp_path / "pwned").exists()


def test_the_settings_of_whoever_pushes_stay_out(
    params: VersionParams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text(f"[cache]\n    dir = {tmp_path / 'shared-cache'}\n")
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(tmp_path))
    (tmp_path / "hooks").mkdir()
    (tmp_path / "hooks/pre-commit").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "hooks/pre-commit").chmod(0o755)
    settings = f"[core]\n hooksPath = {tmp_path / 'hooks'}\n[commit]\n gpgSign = true\n[tag]\n gpgSign = true\n"
    (tmp_path / "gitconfig").write_text(f"{settings}[gpg]\n program = false\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    assert push(write(tmp_path / "given", LISTINGS), params=params).version.name == "v1"
    pull("v1", params=params, out=tmp_path / "pulled")
    assert not (tmp_path / "shared-cache").exists()


@pytest.mark.parametrize(
    "remote",
    ["gs://b/x", "S3://b/x", "s3://", "s3:///x", "ssh://host/x", "file:///x", "host:x", "~/x", "-x"]
    + [f"a{unfit}b" for unfit in "#,%{\"'[\n"]
    + [" a", "a ", "s3://b/x#y"],
)
def test_a_remote_is_a_folder_or_in_s3_and_written_plainly(remote: str) -> None:
    with pytest.raises(ValidationError, match=r"give a folder|leave out"):
        VersionParams(remote=remote)


def test_a_remote_whose_folder_lies_where_dvc_cannot_be_told_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "c#").mkdir()
    monkeypatch.chdir(tmp_path / "c#")
    with pytest.raises(VersionError, match="has '#' in it"):
        push(write(tmp_path / "given", LISTINGS[:1]), params=VersionParams(repository="r", remote="remote"))


@pytest.mark.parametrize("repository", ["--upload-pack=id;:", "~/x", "a\nb"])
def test_a_repository_is_no_option_and_no_shorthand(repository: str) -> None:
    with pytest.raises(ValidationError, match="with neither - nor ~ in front"):
        VersionParams(repository=repository)


@pytest.mark.parametrize("repository", ["https://host/shop.git", "git@host:shop.git"])
def test_a_shared_repository_needs_a_remote_that_others_reach(repository: str) -> None:
    with pytest.raises(ValidationError, match="the shards would stay on this machine"):
        VersionParams(repository=repository, remote="data/remote")
    VersionParams(repository=repository, remote="s3://bucket/shop")
    VersionParams(repository=repository, remote="/mnt/shared")
