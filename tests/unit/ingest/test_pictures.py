"""Pictures by path, by s3:// address and by URL; one that cannot be taken says why."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from facetry import storage
from facetry.config import IngestParams
from facetry.ingest.pictures import PictureError, Pictures
from facetry.ingest.web.fetcher import Fetcher
from tests.services.ceph import Store
from tests.services.shop_server import Reply, ShopServer

PICTURE = b"\xff\xd8 a picture"
PARAMS = IngestParams.model_validate(
    {
        "max_image_megabytes": 0.001,
        "fetch": {"allowed_networks": ["127.0.0.1/32"], "num_tries": 1, "min_seconds_between_requests": 0},
    }
)
TOO_LARGE = os.urandom(2000)


@pytest.fixture
def fetcher(tmp_path: Path) -> Iterator[Fetcher]:
    with Fetcher(params=PARAMS.fetch, journal=tmp_path / "journal") as fetcher:
        yield fetcher


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    (folder / "images").mkdir(parents=True)
    (folder / "images/a.jpg").write_bytes(PICTURE)
    (folder / "images/big.jpg").write_bytes(TOO_LARGE)
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (folder / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    (folder / "inner.jpg").symlink_to(folder / "images/a.jpg")
    (folder / "loop.jpg").symlink_to(folder / "loop.jpg")
    return folder


def refusal(pictures: Pictures, address: str) -> str:
    with pytest.raises(PictureError) as failure:
        pictures.read(address)
    return str(failure.value)


@pytest.mark.parametrize("path", ["images/a.jpg", "./images/a.jpg", "inner.jpg"])
def test_a_picture_is_read_by_its_path(folder: Path, fetcher: Fetcher, path: str) -> None:
    assert Pictures(str(folder), params=PARAMS, fetcher=fetcher).read(path) == PICTURE


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("images/no.jpg", "is not there"),
        ("images", "is not there"),
        ("", "is not there"),
        ("../secret.jpg", "leads out of the source's folder"),
        ("images/../../secret.jpg", "leads out of the source's folder"),
        ("/etc/passwd", "leads out of the source's folder"),
        ("link.jpg", "leads out of the source's folder"),
        ("images/big.jpg", "has 0.0 MB, more than max_image_megabytes 0.001"),
        ("loop.jpg", "cannot be read: "),
        ("nul\0.jpg", "cannot be read: "),
        ("x" * 5000, "cannot be read: "),
        ("ftp://shop.example/a.jpg", "is no path, and no s3://, http:// or https:// address"),
        ("file:///etc/passwd", "is no path, and no s3://, http:// or https:// address"),
    ],
)
def test_a_path_that_gives_no_picture_says_why(folder: Path, fetcher: Fetcher, path: str, reason: str) -> None:
    assert refusal(Pictures(str(folder), params=PARAMS, fetcher=fetcher), path).startswith(reason)


def test_a_picture_is_fetched_by_its_url(folder: Path, fetcher: Fetcher) -> None:
    with ShopServer() as shop:
        pictures = Pictures(str(folder), params=PARAMS, fetcher=fetcher)
        assert pictures.read(shop.serve("/a.jpg", Reply(body=PICTURE))) == PICTURE
        assert pictures.read(shop.url("/a.jpg").replace("http", "HTTP")) == PICTURE
        assert refusal(pictures, shop.url("/gone.jpg")) == "answered 404"
        assert "more than the 0.000999451 MB" in refusal(pictures, shop.serve("/big.jpg", Reply(body=TOO_LARGE)))
        assert shop.counts["/a.jpg"] == 1


def test_the_inside_of_the_network_gives_no_picture(folder: Path, fetcher: Fetcher) -> None:
    said = refusal(Pictures(str(folder), params=PARAMS, fetcher=fetcher), "http://169.254.169.254/latest/meta-data")
    assert "169.254.169.254, which is not on the public internet" in said


@pytest.mark.integration
class TestObjectStore:
    @pytest.fixture
    def prefix(self, store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
        for name, value in store.environment().items():
            monkeypatch.setenv(name, value)
        client = storage.s3_client()
        if not client.bucket_exists("pictures"):
            client.make_bucket("pictures")
        for name in ("a", "big"):
            client.fput_object("pictures", f"shop/images/{name}.jpg", str(folder / f"images/{name}.jpg"))
        return "s3://pictures/shop"

    def test_a_picture_is_read_by_path_and_by_address(self, prefix: str, folder: Path, fetcher: Fetcher) -> None:
        beside = Pictures(prefix, params=PARAMS, fetcher=fetcher)
        assert beside.read("images/a.jpg") == PICTURE
        assert Pictures(str(folder), params=PARAMS, fetcher=fetcher).read(f"{prefix}/images/a.jpg") == PICTURE

    @pytest.mark.parametrize(
        ("path", "reason"),
        [
            ("images/no.jpg", "is not there"),
            ("s3://no-such-bucket/a.jpg", "is not there"),
            ("images/big.jpg", "has 0.0 MB, more than max_image_megabytes"),
            ("../a.jpg", "leads out of the source's folder"),
            ("s3://pictures", "cannot be read: "),
        ],
    )
    def test_an_address_that_gives_no_picture_says_why(
        self, prefix: str, fetcher: Fetcher, path: str, reason: str
    ) -> None:
        assert refusal(Pictures(prefix, params=PARAMS, fetcher=fetcher), path).startswith(reason)

    def test_a_wrong_secret_is_said(self, prefix: str, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
        pictures = Pictures(prefix, params=PARAMS, fetcher=fetcher)
        assert "the store says SignatureDoesNotMatch" in refusal(pictures, "images/a.jpg")
