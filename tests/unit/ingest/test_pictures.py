"""Pictures by path, by s3:// address and by URL; one that cannot be taken says why."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tenacity import RetryCallState, Retrying

from facetry import storage
from facetry.config import FetchParams, IngestParams
from facetry.errors import StorageError
from facetry.ingest import ingest
from facetry.ingest.backoff import backoff
from facetry.ingest.pictures import PictureError, Pictures
from facetry.ingest.web.fetcher import Fetcher
from tests.services.ceph import Store
from tests.services.shop_server import Reply, ShopServer
from tests.unit.ingest.shop_folder import write_shop

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


def store_error(status: int, code: str) -> Reply:
    """How an S3 store says that something went wrong."""
    body = f"<Error><Code>{code}</Code><Message>no</Message></Error>"
    return Reply(status=status, body=body.encode(), headers={"Content-Type": "application/xml"})


def store_failure(pictures: Pictures, address: str) -> str:
    with pytest.raises(StorageError) as failure:
        pictures.read(address)
    return str(failure.value)


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
        ("nul\0.jpg", "holds a NUL character"),
        ("caf\udce9.jpg", "is not UTF-8"),
        ("http://shop.example/\ud800.jpg", "holds half of a surrogate pair"),
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


def test_waits_double_differ_by_chance_and_have_a_limit() -> None:
    wait_seconds = backoff(FetchParams(first_wait_seconds=1, longest_wait_seconds=10))
    state = RetryCallState(Retrying(), None, (), {})
    waits = {wait_seconds(state) for _ in range(50)}
    assert len(waits) > 40
    assert 1 <= min(waits) < max(waits) <= 2
    state.attempt_number = 9
    assert {wait_seconds(state) for _ in range(50)} == {10}


class TestFailingObjectStore:
    """A store that fails in ways that a sound one cannot be brought to."""

    @pytest.fixture
    def store_server(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[ShopServer]:
        with ShopServer() as server:
            monkeypatch.setenv("AWS_ENDPOINT_URL", server.address)
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tester")
            monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
            yield server

    def pictures(self, folder: Path, fetcher: Fetcher, *, num_tries: int = 3) -> Pictures:
        fetch = {"num_tries": num_tries, "first_wait_seconds": 0, "timeout_seconds": 0.5}
        params = IngestParams.model_validate({"max_image_megabytes": 0.001, "fetch": fetch})
        return Pictures(str(folder), params=params, fetcher=fetcher)

    @pytest.mark.parametrize(
        "failure",
        [
            store_error(503, "SlowDown"),
            store_error(500, "InternalError"),
            Reply(status=502, body=b"<html>Bad gateway</html>", headers={"Content-Type": "text/html"}),
            Reply(body=PICTURE[:3], declared_length=len(PICTURE)),
            Reply(stalls=True),
            Reply(body=bytes(100), drips="body"),
        ],
        ids=["slow down", "internal error", "bad gateway", "cut short", "stalls", "drips"],
    )
    def test_what_may_pass_is_tried_again(
        self, store_server: ShopServer, folder: Path, fetcher: Fetcher, failure: Reply
    ) -> None:
        store_server.serve("/bucket/a.jpg", failure, Reply(body=PICTURE))
        assert self.pictures(folder, fetcher).read("s3://bucket/a.jpg") == PICTURE
        assert store_server.counts["/bucket/a.jpg"] == 2

    def test_the_tries_come_to_an_end(self, store_server: ShopServer, folder: Path, fetcher: Fetcher) -> None:
        store_server.serve("/bucket/a.jpg", store_error(503, "SlowDown"))
        said = store_failure(self.pictures(folder, fetcher), "s3://bucket/a.jpg")
        assert said.startswith("cannot use s3://bucket/a.jpg: the store says SlowDown")
        assert "(in 3 tries): check AWS_ENDPOINT_URL" in said
        assert store_server.counts["/bucket/a.jpg"] == 3

    @pytest.mark.parametrize(
        ("failure", "reason"),
        [
            (store_error(404, "NoSuchKey"), "is not there"),
            (store_error(403, "AccessDenied"), "cannot be read: cannot use s3://bucket/a.jpg: the store says Access"),
            (Reply(body=TOO_LARGE), "has 0.0 MB, more than max_image_megabytes 0.001"),
        ],
        ids=["absent", "forbidden", "too large"],
    )
    def test_what_will_not_pass_is_asked_for_once(
        self, store_server: ShopServer, folder: Path, fetcher: Fetcher, failure: Reply, reason: str
    ) -> None:
        store_server.serve("/bucket/a.jpg", failure)
        assert refusal(self.pictures(folder, fetcher), "s3://bucket/a.jpg").startswith(reason)
        assert store_server.counts["/bucket/a.jpg"] == 1

    @pytest.mark.parametrize("address", ["s3://bucket", "s3://bucket/", "s3:///a.jpg"])
    def test_an_address_without_bucket_or_key_is_refused(
        self, store_server: ShopServer, folder: Path, fetcher: Fetcher, address: str
    ) -> None:
        said = refusal(self.pictures(folder, fetcher), address)
        assert said == f"cannot be read: '{address}' names no object: write s3://bucket/prefix"
        assert store_server.asked == []

    @pytest.mark.usefixtures("store_server")
    def test_a_store_that_cannot_be_reached_is_said(
        self, folder: Path, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with ShopServer() as gone:
            monkeypatch.setenv("AWS_ENDPOINT_URL", gone.address)
        said = store_failure(self.pictures(folder, fetcher, num_tries=2), "s3://bucket/a.jpg")
        assert said.startswith("cannot use s3://bucket/a.jpg: ")
        assert "(in 2 tries): check AWS_ENDPOINT_URL" in said

    @pytest.mark.parametrize("code", ["SignatureDoesNotMatch", "InvalidAccessKeyId", "ExpiredToken"])
    def test_credentials_that_are_refused_end_the_ingest(
        self, store_server: ShopServer, tmp_path: Path, code: str
    ) -> None:
        store_server.serve("/bucket/a.jpg", store_error(403, code))
        shop = write_shop(tmp_path / "table", ["1,Pan,images/a.jpg;s3://bucket/a.jpg,,,"])
        with pytest.raises(StorageError, match=f"{code}.*AWS_. credentials") as caught:
            ingest(str(shop), params=IngestParams(), out=tmp_path / "out")
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "out").exists()

    def test_no_credentials_end_the_ingest(
        self, store_server: ShopServer, folder: Path, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "none"))
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://shop.invalid/")
        assert "fail to fetch credentials" in store_failure(self.pictures(folder, fetcher), "s3://bucket/a.jpg")
        assert store_server.asked == []

    @pytest.mark.usefixtures("store_server")
    def test_a_bucket_that_none_can_be_called_costs_its_picture(self, folder: Path, fetcher: Fetcher) -> None:
        assert refusal(self.pictures(folder, fetcher), "s3://b*d/a.jpg").startswith("cannot be read: ")


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
        assert "the store says SignatureDoesNotMatch" in store_failure(pictures, "images/a.jpg")
