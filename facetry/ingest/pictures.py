"""The pictures beside a table, read by the paths that its rows give."""

from pathlib import Path

from facetry import storage
from facetry.errors import StorageError


class PictureError(Exception):
    """One picture cannot be taken; its listing may go on without it."""


class PictureFolder:
    """A folder, or a prefix of an object store, whose pictures are read by relative path and never from outside."""

    def __init__(self, location: str, *, max_megabytes: float) -> None:
        self._location = location
        self._max_bytes = int(max_megabytes * 2**20)

    def read(self, path: str) -> bytes:
        """The bytes at `path` in the folder; a `PictureError` says why there are none."""
        if Path(path).is_absolute() or ".." in Path(path).parts:
            raise PictureError("leads out of the source's folder")
        return self._read_remote(path) if storage.is_remote(self._location) else self._read_local(path)

    def _read_local(self, path: str) -> bytes:
        folder = Path(self._location).resolve()
        try:
            found = (folder / path).resolve()
            if not found.is_relative_to(folder):
                raise PictureError("leads out of the source's folder")
            if not found.is_file():
                raise PictureError("is not there")
            self._check_size(found.stat().st_size)
            return found.read_bytes()
        except (OSError, ValueError, RuntimeError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise PictureError(f"cannot be read: {reason}") from error

    def _read_remote(self, path: str) -> bytes:
        address = storage.join(self._location, path)
        if not storage.exists(address):
            raise PictureError("is not there")
        try:
            data = storage.read_bytes(address)
        except StorageError as error:
            raise PictureError(f"cannot be read: {error}") from error
        self._check_size(len(data))
        return data

    def _check_size(self, num_bytes: int) -> None:
        if num_bytes > self._max_bytes:
            raise PictureError(
                f"has {num_bytes / 2**20:.1f} MB, more than max_image_megabytes {self._max_bytes / 2**20:g}"
            )
