"""Versions of a catalogue in a real S3 store."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from facetry import storage
from facetry.catalogue import Catalogue
from facetry.config import VersionParams
from facetry.errors import VersionError
from facetry.versioning import diff, pull, push, take_down, versions
from tests.services.ceph import Store, missing_programs, running_store
from tests.unit.versioning.shop import listing, write

pytestmark = pytest.mark.integration

PUSH = """
import sys
from facetry.catalogue import Catalogue
from facetry.config import VersionParams
from facetry.versioning import push
print(push(Catalogue.open(sys.argv[1]), params=VersionParams.model_validate_json(sys.argv[2])).one_line())
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the store keeps everything in."""
    return tmp_path_factory.mktemp("ceph")


@pytest.fixture(scope="module")
def store(cluster: Path) -> Iterator[Store]:
    if missing := missing_programs():
        pytest.skip(f"no Ceph here ({missing[0]} is missing): run tests/services/install.sh")
    with running_store(cluster) as store:
        yield store


@pytest.fixture
def params(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> VersionParams:
    """An empty bucket of the store, which the environment names, and a repository that is yet to be made."""
    for name, value in store.environment().items():
        monkeypatch.setenv(name, value)
    bucket = f"versions-{uuid.uuid4().hex[:8]}"
    storage.s3_client().make_bucket(bucket)
    return VersionParams(repository=str(tmp_path / "repository"), remote=f"s3://{bucket}/shop")


def _objects(params: VersionParams) -> dict[str, int]:
    """The size of every object in the remote, by its name."""
    bucket = params.remote.removeprefix("s3://").partition("/")[0]
    found = storage.s3_client().list_objects(bucket, recursive=True)
    return {str(each.object_name): each.size or 0 for each in found}


def test_a_catalogue_is_pushed_listed_compared_taken_down_and_pulled(params: VersionParams, tmp_path: Path) -> None:
    old = [listing(number) for number in range(300)]
    new = [*old[:100], listing(1000), *old[100:]]
    push(write(tmp_path / "old", old), params=params)
    push(write(tmp_path / "new", new), params=params)
    assert diff("v1", None, params=params).added == ("shop-1000",)
    taken = take_down(["shop-7"], params=params)
    assert taken.still_in == {"shop-7": ("v1", "v2")}
    assert [(version.name, version.num_listings) for version in versions(params=params)] == [
        ("v1", 300),
        ("v2", 301),
        ("v3", 300),
    ]
    pull(None, params=params, out=tmp_path / "pulled")
    expected = [*old[:7], *old[8:], listing(1000)]
    assert list(Catalogue.open(tmp_path / "pulled").listings()) == expected


def test_a_catalogue_in_the_store_is_pushed_and_a_version_is_pulled_into_it(
    params: VersionParams, tmp_path: Path
) -> None:
    catalogue = write(tmp_path / "given", [listing(number) for number in range(60)])
    push(catalogue, params=params, out=f"{params.remote}-pushed")
    there = Catalogue.open(f"{params.remote}-pushed")
    assert (there.digest, there.version) == (catalogue.digest, "listings/v1")
    again = VersionParams(repository=params.repository, remote=params.remote, catalogue="again")
    push(there, params=again)
    pull("v1", params=again, out=f"{params.remote}-pulled")
    assert list(Catalogue.open(f"{params.remote}-pulled").listings()) == list(catalogue.listings())


def test_the_repository_holds_neither_a_secret_nor_the_endpoint(
    params: VersionParams, store: Store, tmp_path: Path
) -> None:
    push(write(tmp_path / "given", [listing(number) for number in range(30)]), params=params)
    subprocess.run(["git", "clone", "--quiet", "-b", "listings/v1", params.repository, tmp_path / "clone"], check=True)
    texts = [path.read_bytes() for path in (tmp_path / "clone").rglob("*") if path.is_file()]
    log = subprocess.run(["git", "log", "-p", "--all"], cwd=tmp_path / "clone", capture_output=True, check=True).stdout
    assert params.remote.encode() in log
    for told in (store.secret_key, store.access_key, store.endpoint):
        assert not [text for text in (*texts, log) if told.encode() in text]


def test_a_killed_push_run_again_makes_the_same_version(params: VersionParams, tmp_path: Path) -> None:
    given = write(tmp_path / "given", [listing(number) for number in range(800)], shard_megabytes=0.02)
    command = [sys.executable, "-c", PUSH, given.location, params.model_dump_json()]
    killed = subprocess.Popen(command, start_new_session=True, env={**os.environ, "TMPDIR": str(tmp_path)})
    while not _objects(params):
        assert killed.poll() is None, "the push ended before it could be killed"
        time.sleep(0.02)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert versions(params=params) == []
    sent = _objects(params)
    assert 0 < len(sent) < 2 * len(given.manifest.shards)
    subprocess.run(command, check=True)
    (version,) = versions(params=params)
    assert (version.name, version.digest) == ("v1", given.digest)
    assert sent.items() <= _objects(params).items()
    pull("v1", params=params, out=tmp_path / "pulled")
    assert list(Catalogue.open(tmp_path / "pulled").listings()) == list(given.listings())


def test_a_wrong_secret_is_one_line_and_leaves_no_version(
    params: VersionParams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = write(tmp_path / "given", [listing(1)])
    with monkeypatch.context() as patch:
        patch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret")
        _refuses(given, params=params, because="refuses the credentials: check AWS_ACCESS_KEY_ID and AWS_SECRET")
    assert versions(params=params) == []
    push(given, params=params)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret")
    with pytest.raises(VersionError, match="refuses the credentials"):
        pull(None, params=params, out=tmp_path / "pulled")
    assert not (tmp_path / "pulled").exists()


def test_a_bucket_that_is_missing_is_one_line(params: VersionParams, tmp_path: Path) -> None:
    nowhere = params.model_copy(update={"remote": "s3://nowhere/shop"})
    _refuses(write(tmp_path / "given", [listing(1)]), params=nowhere, because="there is no such bucket")


def test_a_store_that_does_not_answer_is_one_line(
    params: VersionParams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    _refuses(write(tmp_path / "given", [listing(1)]), params=params, because="nothing answers there")


def test_a_full_bucket_is_one_line(params: VersionParams, cluster: Path, tmp_path: Path) -> None:
    bucket = params.remote.removeprefix("s3://").partition("/")[0]
    limits = ["--bucket", bucket, "--quota-scope", "bucket", "--max-size", "20000"]
    for command in (["set", *limits], ["enable", *limits[:4]]):
        administer = ["radosgw-admin", "--conf", str(cluster / "ceph.conf"), "-n", "client.rgw", "quota"]
        subprocess.run([*administer, *command], capture_output=True, check=True)
    given = write(tmp_path / "given", [listing(number) for number in range(100)])
    _refuses(given, params=params, because="it is full")
    assert versions(params=params) == []


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("no small disk can be mounted here: run as root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def _resize(disk: Path, size: str) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", str(disk)], check=True)


def test_a_full_folder_is_one_line_and_the_push_goes_on_when_there_is_room(disk: Path, tmp_path: Path) -> None:
    params = VersionParams(repository=str(tmp_path / "repository"), remote=str(disk / "remote"))
    given = write(tmp_path / "given", [listing(number) for number in range(100)])
    _refuses(given, params=params, because="there is no room left")
    assert versions(params=params) == []
    _resize(disk, "8m")
    assert push(given, params=params).version.name == "v1"


@pytest.mark.parametrize(
    ("size", "because"),
    [
        ("32k", "make room, there or in the temporary folder"),
        ("150k", "set TMPDIR"),
        ("1m", "no room left, in the rem"),
    ],
)
def test_a_full_temporary_folder_is_one_line_whoever_fills_it(
    size: str, because: str, disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First it is full for git, then for the copies of the shards, then for DVC."""
    params = VersionParams(repository=str(tmp_path / "repository"), remote=str(tmp_path / "remote"))
    given = write(tmp_path / "given", [listing(number) for number in range(150)])
    monkeypatch.setattr(tempfile, "tempdir", str(disk))
    _resize(disk, size)
    _refuses(given, params=params, because=because)
    _resize(disk, "8m")
    assert versions(params=params) == []
    assert push(given, params=params).version.name == "v1"


def _refuses(given: Catalogue, *, params: VersionParams, because: str) -> None:
    with pytest.raises(VersionError, match=because) as caught:
        push(given, params=params)
    assert "\n" not in str(caught.value)
