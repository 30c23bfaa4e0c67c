"""A remote that has lost files, and a repository that has lost a tag, are made whole by the next push."""

import subprocess
from pathlib import Path

import pytest

from facetry.catalogue import Catalogue
from facetry.config import VersionParams
from facetry.errors import VersionError
from facetry.versioning import diff, pull, push, take_down, versions
from tests.unit.versioning.shop import listing, write

FIRST = [listing(number) for number in range(60)]
SECOND = [*FIRST, listing(60)]


def _objects(params: VersionParams) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in Path(params.remote).rglob("*") if path.is_file()}


def _lose_the_index(params: VersionParams) -> None:
    """An index holds no picture, and is the smallest object by far."""
    min(_objects(params), key=lambda path: path.stat().st_size).unlink()


def test_the_same_catalogue_pushed_again_brings_back_all_that_the_remote_has_lost(
    params: VersionParams, tmp_path: Path
) -> None:
    given = write(tmp_path / "given", FIRST)
    push(given, params=params)
    objects = _objects(params)
    for path in objects:
        path.unlink()
    with pytest.raises(VersionError, match="files of this version are not there"):
        pull("v1", params=params, out=tmp_path / "pulled")
    assert push(given, params=params).difference is None
    assert _objects(params) == objects
    pull("v1", params=params, out=tmp_path / "pulled")
    assert list(Catalogue.open(tmp_path / "pulled").listings()) == FIRST


def test_a_single_shard_that_is_lost_is_brought_back(params: VersionParams, tmp_path: Path) -> None:
    given = write(tmp_path / "given", FIRST)
    push(given, params=params)
    objects = _objects(params)
    max(objects, key=lambda path: path.stat().st_size).unlink()
    push(given, params=params)
    assert _objects(params) == objects


def test_an_index_that_is_lost_is_made_anew_from_the_shards(params: VersionParams, tmp_path: Path) -> None:
    push(write(tmp_path / "first", FIRST), params=params)
    _lose_the_index(params)
    assert push(write(tmp_path / "second", SECOND), params=params).version.name == "v2"
    assert diff("v1", "v2", params=params).added == ("shop-60",)


def test_listings_are_compared_and_taken_down_without_an_index(params: VersionParams, tmp_path: Path) -> None:
    push(write(tmp_path / "first", FIRST), params=params)
    push(write(tmp_path / "second", SECOND), params=params)
    _lose_the_index(params)
    assert diff("v1", "v2", params=params).added == ("shop-60",)
    assert take_down(["shop-60"], params=params).still_in == {"shop-60": ("v2",)}
    pull(None, params=params, out=tmp_path / "pulled")
    assert list(Catalogue.open(tmp_path / "pulled").listings()) == FIRST


def test_the_line_goes_on_when_its_newest_tag_was_deleted(params: VersionParams, tmp_path: Path) -> None:
    for number in (1, 2):
        push(write(tmp_path / f"{number}", FIRST[:number]), params=params)
    subprocess.run(["git", "tag", "-d", "listings/v2"], cwd=params.repository, check=True, capture_output=True)
    summary = push(write(tmp_path / "3", FIRST[:3]), params=params)
    assert summary.difference is not None
    assert summary.difference.added == ("shop-1", "shop-2")
    assert [version.num_listings for version in versions(params=params)] == [1, 3]
    for tag in versions(params=params):
        subprocess.run(["git", "tag", "-d", f"listings/{tag.name}"], cwd=params.repository, check=True)
    assert push(write(tmp_path / "4", FIRST[:4]), params=params).version.name == "v1"
