"""A table in a real S3 store, with pictures beside it and elsewhere in the store."""

import uuid
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from facetry import storage
from facetry.catalogue import Catalogue
from facetry.config import IngestParams
from facetry.errors import StorageError
from facetry.ingest import ingest
from tests.services.ceph import Store
from tests.unit.ingest.shop_folder import take, write_shop

pytestmark = pytest.mark.integration


@pytest.fixture
def shop(store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """The address of a shop in a bucket of its own; its second picture is not beside the table."""
    for name, value in store.environment().items():
        monkeypatch.setenv(name, value)
    bucket = f"shop-{uuid.uuid4().hex[:8]}"
    rows = [f"1,Pan,images/a.jpg;s3://{bucket}/elsewhere.jpg,,,", "2,Pot,images/none.jpg,,,"]
    folder = write_shop(tmp_path / "shop", rows)
    client = storage.s3_client()
    client.make_bucket(bucket)
    client.fput_object(bucket, "elsewhere.jpg", str(folder / "images/a.jpg"))
    for name in ("listings.csv", "taxonomy.yaml", "images/a.jpg"):
        client.fput_object(bucket, f"spring/{name}", str(folder / name))
    return f"s3://{bucket}/spring"


def test_a_table_and_its_pictures_come_from_the_store(shop: str, tmp_path: Path) -> None:
    summary = ingest(shop, params=IngestParams(), out=tmp_path / "out")
    assert summary.one_line() == "kept 2 of 2 listings, with 2 images (1 could not be taken): see failures.jsonl"
    pan, pot = Catalogue.open(tmp_path / "out").listings()
    assert [image.data for image in pan.images] == [(tmp_path / "shop/images/a.jpg").read_bytes()] * 2
    assert pot.images == ()


def test_a_dataset_of_parquet_files_comes_from_the_store(shop: str, tmp_path: Path) -> None:
    bucket = shop.removeprefix("s3://").partition("/")[0]
    for number in range(2):
        path = tmp_path / f"train-{number}.parquet"
        pq.write_table(pa.table({"id": [f"{number}-a", f"{number}-b"], "title": ["Pan", "Pot"]}), path)
        storage.s3_client().fput_object(bucket, f"dataset/data/{path.name}", str(path))
    storage.s3_client().fput_object(bucket, "dataset/taxonomy.yaml", str(tmp_path / "shop/taxonomy.yaml"))
    ingest(f"s3://{bucket}/dataset", params=IngestParams(), out=tmp_path / "out")
    ids = [listing.id for listing in Catalogue.open(tmp_path / "out").listings()]
    assert ids == ["0-a", "0-b", "1-a", "1-b"]


def test_a_wrong_secret_is_one_line(shop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret")
    with pytest.raises(StorageError, match=r"AWS_\* credentials") as caught:
        ingest(shop, params=IngestParams(), out=tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_wrong_secret_for_some_pictures_ends_the_ingest(
    shop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret")
    with pytest.raises(StorageError, match=r"SignatureDoesNotMatch.*AWS_\* credentials"):
        take(write_shop(tmp_path / "local/shop", [f"1,Pan,{shop}/images/a.jpg;images/a.jpg,,,"]))
