"""Catalogues in a real S3 store."""

import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from facetry import storage
from facetry.catalogue import MANIFEST_NAME, Catalogue, CatalogueWriter
from facetry.config import IngestParams
from facetry.errors import CatalogueError, StorageError
from facetry.listing import Label, Listing, ListingImage
from tests.services.ceph import Store

pytestmark = pytest.mark.integration

TAXONOMY = """\
Skincare:
  categories:
    Serum:
    Night cream:
"""
LISTINGS = [
    Listing(
        id=f"listing-{number}",
        title=f"Serum {number}" if number % 2 else None,
        brand="Nørd & Ünder",
        images=(ListingImage(os.urandom(4096), f"images/{number}.jpg"),),
        label=Label("Skincare > Serum", {"volume": "30 ml"}),
    )
    for number in range(40)
]
UPLOAD_SLOWLY = """
import sys
from pathlib import Path
from facetry import storage
with storage.new_folder(sys.argv[1], commit="catalogue.json") as folder:
    for number in range(2000):
        (folder / f"listings-{number:05d}.parquet").write_bytes(b"x" * 1000)
    (folder / "catalogue.json").write_text("{}")
    print("uploading", flush=True)
"""


@pytest.fixture
def bucket(store: Store, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty bucket of the store, which the environment names."""
    for name, value in store.environment().items():
        monkeypatch.setenv(name, value)
    bucket = f"catalogues-{uuid.uuid4().hex[:8]}"
    storage.s3_client().make_bucket(bucket)
    return f"s3://{bucket}"


def _write_catalogue(out: str | Path) -> None:
    with (
        storage.new_folder(out, commit=MANIFEST_NAME) as folder,
        CatalogueWriter(folder, stage="ingest", params=IngestParams(), taxonomy_yaml=TAXONOMY, parent=None) as writer,
    ):
        for listing in LISTINGS:
            writer.add(listing)


def test_a_catalogue_reads_back_from_the_store_as_it_was_written(bucket: str, tmp_path: Path) -> None:
    _write_catalogue(f"{bucket}/shop/ingested")
    _write_catalogue(tmp_path / "ingested")
    remote, local = Catalogue.open(f"{bucket}/shop/ingested"), Catalogue.open(tmp_path / "ingested")
    assert list(remote.listings()) == LISTINGS
    assert remote.digest == local.digest


def test_a_wrong_secret_is_one_line(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _write_catalogue(f"{bucket}/ingested")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret")
    with pytest.raises(StorageError) as caught:
        _write_catalogue(f"{bucket}/again")
    assert "SignatureDoesNotMatch" in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(CatalogueError, match="AccessDenied"):
        Catalogue.open(f"{bucket}/ingested")


def test_a_bucket_that_does_not_exist_is_one_line(bucket: str) -> None:
    with pytest.raises(StorageError, match="NoSuchBucket") as caught:
        _write_catalogue("s3://nowhere/ingested")
    assert "\n" not in str(caught.value)


def test_a_killed_upload_leaves_no_catalogue(bucket: str) -> None:
    uploader = subprocess.Popen(
        [sys.executable, "-c", UPLOAD_SLOWLY, f"{bucket}/half"], stdout=subprocess.PIPE, text=True
    )
    assert uploader.stdout is not None
    assert uploader.stdout.readline() == "uploading\n"
    while not storage.exists(f"{bucket}/half/listings-00000.parquet"):
        time.sleep(0.02)
    uploader.send_signal(signal.SIGKILL)
    assert uploader.wait() == -signal.SIGKILL
    assert not storage.exists(f"{bucket}/half/{MANIFEST_NAME}")
    with pytest.raises(CatalogueError, match="is not a catalogue"):
        Catalogue.open(f"{bucket}/half")


def test_dvc_pushes_a_catalogue_and_pulls_it_elsewhere(bucket: str, store: Store, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    _write_catalogue(here / "ingested")
    _dvc(here, "init", "--no-scm")
    _dvc(here, "remote", "add", "--default", "store", f"{bucket}/dvc")
    _dvc(here, "remote", "modify", "store", "endpointurl", store.endpoint)
    _dvc(here, "add", "ingested")
    _dvc(here, "push")
    there.mkdir()
    (there / ".dvc").mkdir()
    for name in (".dvc/config", "ingested.dvc"):
        (there / name).write_bytes((here / name).read_bytes())
    _dvc(there, "pull")
    assert list(Catalogue.open(there / "ingested").listings()) == LISTINGS


def _dvc(folder: Path, *arguments: str) -> None:
    environment = {
        **os.environ,
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
        "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
        "DVC_NO_ANALYTICS": "1",
    }
    finished = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
