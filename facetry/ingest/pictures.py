"""The pictures that a table's rows name: by path beside the table, by s3:// address, or by URL."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from facetry import storage
from facetry.config import IngestParams
from facetry.ingest.web.fetcher import Fetcher, FetchError

if TYPE_CHECKING:
    from minio import Minio

WEB_SCHEMES = ("http://", "https://")
NOT_THERE_CODES = ("NoSuchKey", "NoSuchBucket")


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
        self._fetcher = fetcher

    def read(self, address: str) -> bytes:
        """The bytes at `address`; a `PictureError` says why there are none."""
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
            self._check_size(found.stat().st_size)
            return found.read_bytes()
        except (OSError, ValueError, RuntimeError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise PictureError(f"cannot be read: {reason}") from error

    def _read_object(self, address: str) -> bytes:
        from minio.error import MinioException, S3Error
        from urllib3.exceptions import HTTPError

        bucket, _, key = address.removeprefix(storage.S3_SCHEME).partition("/")
        try:
            response = self._store.get_object(bucket, key)
            try:
                self._check_size(int(response.headers.get("Content-Length", 0)))
                return response.read()
            finally:
                response.close()
                response.release_conn()
        except S3Error as error:
            if error.code in NOT_THERE_CODES:
                raise PictureError("is not there") from error
            raise PictureError(f"cannot be read: the store says {error.code} ({error.message})") from error
        except (MinioException, HTTPError, ValueError) as error:
            raise PictureError(f"cannot be read: {' '.join(str(error).split())}") from error

    def _check_size(self, num_bytes: int) -> None:
        if num_bytes > self._max_bytes:
            raise PictureError(f"has {num_bytes / 2**20:.1f} MB, more than max_image_megabytes {self._max_megabytes:g}")

    @cached_property
    def _local_folder(self) -> Path:
        return Path(self._folder).resolve()

    @cached_property
    def _store(self) -> "Minio":
        return storage.s3_client()
