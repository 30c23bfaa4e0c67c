"""The pictures that a table's rows name: by path beside the table, by s3:// address, or by URL."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

from facetry import storage
from facetry.config import IngestParams
from facetry.errors import StorageError
from facetry.ingest.backoff import backoff
from facetry.ingest.tables import why_not_text
from facetry.ingest.web.fetcher import Fetcher, FetchError

if TYPE_CHECKING:
    from minio import Minio

WEB_SCHEMES = ("http://", "https://")


CREDENTIALS_CODES = (
    "AuthorizationHeaderMalformed",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidToken",
    "InvalidTokenId",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
)
"""What a store says when it lets us read no object at all."""
NO_CREDENTIALS = "All providers fail to fetch credentials"
"""What the client says when there are none."""


class PictureError(Exception):
    """One picture cannot be taken; its listing may go on without it."""


class Pictures:
    """Pictures by path beside the table, by s3:// address, or by URL.

    `folder` is a local one or an s3:// prefix, and no path leads out of it. Thread-safe.
    """

    def __init__(self, folder: str, *, params: IngestParams, fetcher: Fetcher) -> None:
        self._folder = folder
        self._max_megabytes = params.max_image_megabytes
        self._max_bytes = int(params.max_image_megabytes * 2**20)
        self._fetch_params = params.fetch
        self._fetcher = fetcher

    def read(self, address: str) -> bytes:
        """The bytes at `address`; a `PictureError` says why there are none, a `StorageError` that the store fails."""
        if (problem := why_not_text(address)) is not None:
            raise PictureError(problem)
        if address.lower().startswith(WEB_SCHEMES):
            return self._fetch(address)
        if storage.is_remote(address):
            return self._read_object(address)
        if "://" in address:
            raise PictureError("is no path, and no s3://, http:// or https:// address")
        if Path(address).is_absolute() or ".." in Path(address).parts:
            raise PictureError("leads out of the source's folder")
        if storage.is_remote(self._folder):
            return self._read_object(storage.join(self._folder, address))
        return self._read_file(address)

    def _fetch(self, url: str) -> bytes:
        try:
            return self._fetcher.fetch(url, max_bytes=self._max_bytes)
        except FetchError as error:
            raise PictureError(str(error)) from error

    def _read_file(self, path: str) -> bytes:
        try:
            found = (self._local_folder / path).resolve()
            if not found.is_relative_to(self._local_folder):
                raise PictureError("leads out of the source's folder")
            if not found.is_file():
                raise PictureError("is not there")
            if (num_bytes := found.stat().st_size) > self._max_bytes:
                raise self._too_large(num_bytes)
            return found.read_bytes()
        except (OSError, ValueError, RuntimeError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise PictureError(f"cannot be read: {reason}") from error

    def _read_object(self, address: str) -> bytes:
        store, num_tries = self._store, self._fetch_params.num_tries
        try:
            return self._tries()(
                storage.read_object,
                address,
                client=store,
                max_bytes=self._max_bytes,
                timeout_seconds=self._fetch_params.timeout_seconds,
            )
        except storage.AbsentObjectError as error:
            raise PictureError("is not there") from error
        except storage.LargeObjectError as error:
            raise self._too_large(error.num_bytes) from error
        except StorageError as error:
            if _refuses_credentials(error):
                raise
            if not isinstance(error, storage.PassingStorageError):
                raise PictureError(f"cannot be read: {error}") from error
            tries = f" (in {num_tries} tries)" if num_tries > 1 else ""
            again = "check AWS_ENDPOINT_URL, or run again when the store answers"
            raise StorageError(f"{error}{tries}: {again}") from error

    def _tries(self) -> Retrying:
        """As many tries, and such waits between them, as a picture on the web gets."""
        return Retrying(
            stop=stop_after_attempt(self._fetch_params.num_tries),
            wait=backoff(self._fetch_params),
            retry=retry_if_exception_type(storage.PassingStorageError),
            reraise=True,
        )

    def _too_large(self, num_bytes: int) -> PictureError:
        limit = self._max_megabytes
        return PictureError(f"has {num_bytes / 2**20:.1f} MB, more than max_image_megabytes {limit:g}")

    @cached_property
    def _local_folder(self) -> Path:
        return Path(self._folder).resolve()

    @cached_property
    def _store(self) -> "Minio":
        return storage.s3_client(self._fetch_params.timeout_seconds)


def _refuses_credentials(error: StorageError) -> bool:
    """Whether no other object can be read either, with these credentials or without any."""
    from minio.error import S3Error
    from urllib3.exceptions import SSLError

    cause = error.__cause__
    if isinstance(cause, S3Error):
        return cause.code in CREDENTIALS_CODES
    return isinstance(cause, SSLError) or str(cause) == NO_CREDENTIALS
