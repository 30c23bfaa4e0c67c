"""Versions of a catalogue, kept in folders."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from facetry.catalogue import Catalogue
from facetry.config import VersionParams
from facetry.errors import VersionError
from facetry.listing import Label, LabelSource, ListingImage
from facetry.versioning import PushSummary, TakeDownSummary, diff, pull, push, take_down, versions
from tests.unit.versioning.shop import listing, num_bytes_in, write

NUM_LISTINGS = 2000
ADDED = [listing(number) for number in range(10_000, 10_020)]
"""One in a hundred."""
DUPLICATE = dataclasses.replace(
    listing(500), images=(ListingImage(b"a copy", "copy.jpg", rejection="duplicate of shop-501"),)
)
FIRST = [DUPLICATE if number == 500 else listing(number) for number in range(NUM_LISTINGS)]
RELABELLED = dataclasses.replace(FIRST[100], label=Label("Pan", {"lid": "with"}, LabelSource.HUMAN))
RETITLED = dataclasses.replace(FIRST[101], title="Another title")
REMOVED = FIRST[102]
EDITED = [*FIRST[:100], RELABELLED, RETITLED, *FIRST[103:], *ADDED]
PUSH = """
import sys
from facetry.catalogue import Catalogue
from facetry.config import VersionParams
from facetry.versioning import push
print(push(Catalogue.open(sys.argv[1]), params=VersionParams.model_validate_json(sys.argv[2])).one_line())
"""


@dataclass(frozen=True)
class Story:
    """Four versions: the first, one with scattered additions, one with edits, and one with two listings taken down."""

    folder: Path
    params: VersionParams
    first: Catalogue
    pushed: tuple[PushSummary, PushSummary, PushSummary]
    taken_down: TakeDownSummary
    num_bytes: tuple[int, int, int]
    """In the remote, after each push."""


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    folder = tmp_path_factory.mktemp("versions")
    params = VersionParams(repository=str(folder / "repository"), remote=str(folder / "remote"))
    scattered = [
        each
        for number, each in enumerate(FIRST)
        for each in ([each, *ADDED[number // 100 :][:1]][: 1 + (number % 100 == 50)])
    ]
    first = write(folder / "first", FIRST)
    pushed, num_bytes = [], []
    for name, listings in (("first", None), ("scattered", scattered), ("edited", EDITED)):
        given = first if listings is None else write(folder / name, listings)
        pushed.append(push(given, params=params, out=folder / f"{name}-kept"))
        num_bytes.append(num_bytes_in(folder / "remote"))
    taken_down = take_down(["shop-501", "shop-10003"], params=params)
    return Story(
        folder, params, first, (pushed[0], pushed[1], pushed[2]), taken_down, (num_bytes[0], num_bytes[1], num_bytes[2])
    )


def test_a_first_version_is_the_catalogue_as_it_was_given(story: Story, tmp_path: Path) -> None:
    summary = pull("v1", params=story.params, out=tmp_path / "pulled")
    pulled = Catalogue.open(tmp_path / "pulled")
    assert pulled.manifest == story.first.manifest
    assert list(pulled.listings()) == FIRST
    assert pulled.version == "listings/v1"
    assert {path.name for path in (tmp_path / "pulled").iterdir()} == {
        path.name for path in (story.folder / "first-kept").iterdir()
    }
    assert summary.one_line().startswith("pulled version v1 of listings: 2000 listings, ")


def test_one_listing_in_a_hundred_added_anywhere_uploads_few_bytes(story: Story) -> None:
    before, after, _ = story.num_bytes
    assert story.pushed[1].version.num_listings == NUM_LISTINGS + len(ADDED)
    assert 0.01 < (after - before) / before < 0.05


def test_old_listings_keep_their_order_and_new_ones_follow(story: Story) -> None:
    kept = Catalogue.open(story.folder / "scattered-kept")
    assert list(kept.listings()) == [*FIRST, *ADDED]
    assert kept.manifest.parent == Catalogue.open(story.folder / "scattered").digest
    assert kept.manifest.stage == "ingest"
    assert kept.manifest.params == story.first.manifest.params
    assert kept.version == "listings/v2"


def test_the_summary_of_a_push_tells_what_changed_and_what_was_new(story: Story) -> None:
    summary = story.pushed[2]
    num_shards = len(Catalogue.open(story.folder / "edited-kept").manifest.shards)
    assert summary.published is not None
    assert len(summary.published.new_shards) <= 2
    assert summary.one_line().startswith(
        "version v3 of listings: 2019 listings (0 added, 1 removed, 1 relabelled, 1 changed otherwise), "
        f"{len(summary.published.new_shards)} of {num_shards} shards new ("
    )


def test_versions_are_listed_with_the_newest_last(story: Story) -> None:
    found = versions(params=story.params)
    assert [(version.name, version.num_listings) for version in found] == [
        ("v1", 2000),
        ("v2", 2020),
        ("v3", 2019),
        ("v4", 2017),
    ]
    assert [version.digest for version in found[:3]] == [
        Catalogue.open(story.folder / f"{name}-kept").digest for name in ("first", "scattered", "edited")
    ]
    assert found[0].num_bytes == sum(shard.num_bytes for shard in story.first.manifest.shards)
    assert found[2].message == "0 added, 1 removed, 1 relabelled, 1 changed otherwise"


def test_the_difference_of_two_versions_names_listings(story: Story, tmp_path: Path) -> None:
    difference = diff("v1", "v3", params=story.params)
    assert difference.added == tuple(each.id for each in ADDED)
    assert difference.removed == (REMOVED.id,)
    assert difference.relabelled == (RELABELLED.id,)
    assert difference.changed == (RETITLED.id,)
    difference.write_json_lines(tmp_path / "difference.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "difference.jsonl").read_text().splitlines()]
    assert lines[-3:] == [
        {"listing": "shop-102", "change": "removed"},
        {"listing": "shop-100", "change": "relabelled"},
        {"listing": "shop-101", "change": "changed"},
    ]
    assert len(lines) == 23


def test_listings_taken_down_are_gone_and_only_their_shards_are_new(story: Story, tmp_path: Path) -> None:
    pull(None, params=story.params, out=tmp_path / "pulled")
    gone = ("shop-501", "shop-10003")
    pulled, before = Catalogue.open(tmp_path / "pulled"), Catalogue.open(story.folder / "edited-kept")
    assert list(pulled.listings()) == [each for each in EDITED if each.id not in gone]
    assert len({*pulled.manifest.shards} - {*before.manifest.shards}) == 2
    assert len(pulled.manifest.shards) == len(before.manifest.shards)


def test_a_take_down_says_where_the_listings_still_are_and_which_images_they_shadowed(story: Story) -> None:
    assert story.taken_down.still_in == {"shop-501": ("v1", "v2", "v3"), "shop-10003": ("v2", "v3")}
    assert story.taken_down.freed == ("shop-500",)
    assert "2 taken down" in story.taken_down.one_line()
    assert "still in v1, v2, v3; clean again, images of 'shop-500' were rejected" in story.taken_down.one_line()


def test_an_unknown_listing_is_named_and_nothing_is_taken_down(story: Story) -> None:
    with pytest.raises(VersionError, match="v4 of listings has no listing 'shop-501', 'nobody': nothing was taken"):
        take_down(["shop-501", "shop-1", "nobody"], params=story.params)
    assert len(versions(params=story.params)) == 4


def test_the_same_content_in_any_order_is_no_new_version(story: Story, tmp_path: Path) -> None:
    remaining = [each for each in EDITED if each.id not in ("shop-501", "shop-10003")]
    given = write(tmp_path / "given", reversed(remaining))
    summary = push(given, params=story.params, out=tmp_path / "kept")
    assert summary.one_line() == "version v4 of listings has these listings already: no new version"
    assert len(versions(params=story.params)) == 4
    kept = Catalogue.open(tmp_path / "kept")
    assert list(kept.listings()) == remaining
    assert kept.version == "listings/v4"


def test_a_version_comes_back_by_git_and_dvc_alone(story: Story, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    _shell(f"git clone --quiet -b listings/v2 {story.params.repository} clone && cd clone && dvc pull", cwd=tmp_path)
    assert list(Catalogue.open(clone / "listings").listings()) == [*FIRST, *ADDED]
    status = subprocess.run(["git", "status", "--short"], cwd=clone, capture_output=True, check=True)
    assert status.stdout == b""


def test_a_clone_of_the_repository_is_the_newest_version(params: VersionParams, tmp_path: Path) -> None:
    for number in (1, 2):
        push(write(tmp_path / f"{number}", FIRST[:number]), params=params)
    _shell(f"git clone --quiet {params.repository} clone && cd clone && dvc pull", cwd=tmp_path)
    assert list(Catalogue.open(tmp_path / "clone/listings").listings()) == FIRST[:2]


def test_a_listing_taken_down_is_erased_for_good_with_the_versions_that_have_it(
    params: VersionParams, tmp_path: Path
) -> None:
    push(write(tmp_path / "given", FIRST[:60]), params=params)
    take_down(["shop-1"], params=params)
    before = _content_of_remote(params)
    _shell(f"git push --quiet {params.repository} --delete refs/tags/listings/v1", cwd=Path(params.repository))
    _shell(
        f"git clone --quiet -b listings/v2 {params.repository} tmp && cd tmp && dvc gc --all-tags --cloud --force",
        cwd=tmp_path,
    )
    after = _content_of_remote(params)
    picture = FIRST[1].images[0].data
    assert [picture in content for content in (before, after)] == [True, False]
    assert [version.name for version in versions(params=params)] == ["v2"]
    pull("v2", params=params, out=tmp_path / "pulled")
    assert list(Catalogue.open(tmp_path / "pulled").listings()) == [FIRST[0], *FIRST[2:60]]


def test_an_unknown_version_is_refused_with_the_known_ones(story: Story, tmp_path: Path) -> None:
    with pytest.raises(VersionError, match=r"unknown version 'v9' of catalogue 'listings' in .*: use v1, v2, v3, v4"):
        pull("v9", params=story.params, out=tmp_path / "pulled")
    assert not (tmp_path / "pulled").exists()


def test_a_damaged_shard_in_the_remote_is_found_before_anything_is_kept(params: VersionParams, tmp_path: Path) -> None:
    push(write(tmp_path / "given", [listing(number) for number in range(60)]), params=params)
    shard = max(
        (path for path in Path(params.remote).rglob("*") if path.is_file()), key=lambda path: path.stat().st_size
    )
    damaged = bytearray(shard.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    mode = shard.stat().st_mode
    shard.chmod(0o644)
    shard.write_bytes(damaged)
    shard.chmod(mode)
    with pytest.raises(VersionError, match=r"listings/listings-.*\.parquet in remote .* is damaged"):
        pull("v1", params=params, out=tmp_path / "pulled")
    assert not (tmp_path / "pulled").exists()
    shard.unlink()
    with pytest.raises(VersionError, match="files of this version are not there"):
        pull("v1", params=params, out=tmp_path / "pulled")


def test_a_push_that_is_killed_before_its_tag_is_there_leaves_no_version_and_run_again_makes_it(
    params: VersionParams, tmp_path: Path
) -> None:
    given = write(tmp_path / "given", FIRST[:100])
    hook, marker = _make_repository(params) / "hooks/pre-receive", tmp_path / "tagging"
    hook.write_text(f"#!/bin/sh\ntouch {marker}\nexec sleep 60\n")
    hook.chmod(0o755)
    command = [sys.executable, "-c", PUSH, given.location, params.model_dump_json()]
    killed = subprocess.Popen(command, start_new_session=True, env={**os.environ, "TMPDIR": str(tmp_path)})
    while not marker.exists():
        assert killed.poll() is None, "the push ended before it could be killed"
        time.sleep(0.01)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert versions(params=params) == []
    hook.unlink()
    subprocess.run(command, check=True)
    (version,) = versions(params=params)
    assert (version.name, version.digest) == ("v1", given.digest)
    pull(None, params=params, out=tmp_path / "pulled")
    assert list(Catalogue.open(tmp_path / "pulled").listings()) == FIRST[:100]


def test_a_push_that_another_one_outruns_follows_it(params: VersionParams, tmp_path: Path) -> None:
    repository = _make_repository(params)
    git = ["git", "-C", str(repository)]
    push(write(tmp_path / "one", FIRST[:10]), params=params)
    first = subprocess.check_output([*git, "rev-parse", "catalogue/listings"], text=True).strip()
    push(write(tmp_path / "two", FIRST[:11]), params=params)
    second = subprocess.check_output([*git, "rev-parse", "catalogue/listings"], text=True).strip()
    tag = subprocess.check_output([*git, "rev-parse", "listings/v2"], text=True).strip()
    subprocess.run([*git, "update-ref", "refs/heads/catalogue/listings", first], check=True)
    subprocess.run([*git, "update-ref", "-d", "refs/tags/listings/v2"], check=True)
    hook = repository / "hooks/pre-receive"
    hook.write_text(
        "#!/bin/sh\nunset GIT_QUARANTINE_PATH\nrm hooks/pre-receive\n"
        f"git update-ref refs/heads/catalogue/listings {second}\ngit update-ref refs/tags/listings/v2 {tag}\n"
    )
    hook.chmod(0o755)
    summary = push(write(tmp_path / "three", FIRST[:12]), params=params)
    assert not hook.exists()
    assert summary.difference is not None
    assert (summary.version.name, summary.difference.added) == ("v3", ("shop-11",))
    assert [version.name for version in versions(params=params)] == ["v1", "v2", "v3"]


def test_versions_have_names_of_their_own_if_wanted(params: VersionParams, tmp_path: Path) -> None:
    one, two = write(tmp_path / "one", FIRST[:1]), write(tmp_path / "two", FIRST[:2])
    with pytest.raises(VersionError, match="version name 'a b': use letters, digits"):
        push(one, params=params, name="a b")
    with pytest.raises(VersionError, match=r"version name 'a\.lock': .* not \.lock at the end"):
        push(one, params=params, name="a.lock")
    push(one, params=params, name="spring-2026")
    assert push(one, params=params, name="summer").one_line().endswith("already: no new version called 'summer'")
    assert push(one, params=params, name="spring-2026").one_line().endswith("already: no new version")
    with pytest.raises(VersionError, match="version 'spring-2026' of catalogue 'listings' exists"):
        push(two, params=params, name="spring-2026")
    other = params.model_copy(update={"catalogue": "other"})
    push(one, params=other)
    assert push(two, params=params).version.name == "v2"
    assert [version.name for version in versions(params=params)] == ["spring-2026", "v2"]
    assert [version.name for version in versions(params=other)] == ["v1"]


def test_what_is_no_repository_is_refused_in_one_line(params: VersionParams, tmp_path: Path) -> None:
    with pytest.raises(VersionError, match=r"no repository at .*: push a catalogue first"):
        versions(params=params)
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "notes.txt").write_text("not ours")
    given = write(tmp_path / "given", FIRST[:1])
    with pytest.raises(VersionError, match=r"git ls-remote fails: .*: check version.repository") as caught:
        push(given, params=params.model_copy(update={"repository": str(foreign)}))
    assert "\n" not in str(caught.value)
    assert [path.name for path in foreign.iterdir()] == ["notes.txt"]


def test_a_password_in_the_address_of_a_repository_is_not_repeated(params: VersionParams) -> None:
    closed = params.model_copy(update={"repository": "http://someone:hidden@127.0.0.1:9/versions.git"})
    with pytest.raises(VersionError, match="git ls-remote fails") as caught:
        versions(params=closed)
    assert "hidden" not in str(caught.value)


def test_a_machine_without_git_is_told(params: VersionParams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    Path(params.repository).mkdir()
    with pytest.raises(VersionError, match="git, which is not on PATH: install it"):
        versions(params=params)


def test_listings_that_share_an_id_are_refused(params: VersionParams, tmp_path: Path) -> None:
    with pytest.raises(VersionError, match=r"2 listings of .* have the id 'shop-1': give each"):
        push(write(tmp_path / "given", [*FIRST[:3], FIRST[1]]), params=params)


def _shell(line: str, *, cwd: Path) -> None:
    """Run what a person would type, with the DVC of this environment."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1"}
    subprocess.run(["sh", "-c", line], cwd=cwd, env=environment, check=True)


def _content_of_remote(params: VersionParams) -> bytes:
    return b"".join(path.read_bytes() for path in Path(params.remote).rglob("*") if path.is_file())


def _make_repository(params: VersionParams) -> Path:
    subprocess.run(["git", "init", "--quiet", "--bare", params.repository], check=True)
    return Path(params.repository)
