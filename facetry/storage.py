"""One interface over local paths and `s3://bucket/prefix`.

Credentials and the endpoint come from where every S3 tool looks: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
AWS_ENDPOINT_URL and AWS_REGION, or the shared AWS files.
"""

import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from facetry.errors import StorageError

if TYPE_CHECKING:
    from minio import Minio
    from urllib3 import PoolManager

S3_SCHEME = "s3://"
PIECE_BYTES = 2**16
MAX_CONNECTIONS = 256
ABSENT_CODES = ("NoSuchKey", "NoSuchBucket")
PASSING = (408, 425, 429)
"""Statuses that ask for another try, besides those from 500 on."""


class AbsentObjectError(StorageError):
    """There is no such object, or no such bucket."""


class LargeObjectError(StorageError):
    """An object has `num_bytes`, more than are allowed, or even more if the store does not say how many."""

    def __init__(self, reason: str, *, num_bytes: int) -> None:
        super().__init__(reason)
        self.num_bytes = num_bytes


class PassingStorageError(StorageError):
    """A store fails in a way that may pass."""


def is_remote(uri: str | Path) -> bool:
    return str(uri).startswith(S3_SCHEME)


def join(uri: str | Path, name: str) -> str:
    """The address of `name` inside `uri`; refuses a name that climbs out."""
    if name.startswith("/") or ".." in Path(name).parts:
        raise StorageError(f"'{name}' leads out of {uri}: use a name inside it")
    return f"{str(uri).rstrip('/')}/{name}"


def overlaps(one: str | Path, other: str | Path) -> bool:
    """Whether two addresses are the same, or one lies inside the other."""
    first, second = (Path(str(uri)) if is_remote(uri) else Path(uri).resolve() for uri in (one, other))
    return first == second or first in second.parents or second in first.parents


def exists(uri: str | Path) -> bool:
    """Whether a file, or an object, is at `uri`."""
    if not is_remote(uri):
        return Path(uri).is_file()
    bucket, key = _bucket_and_key(str(uri))
    with _s3_errors(uri):
        client = s3_client()
        return any(found.object_name == key for found in client.list_objects(bucket, prefix=key))


def file_names(uri: str | Path) -> list[str]:
    """The names of the files directly in a folder, or of the objects under a prefix; none when it is not there."""
    if not is_remote(uri):
        return sorted(path.name for path in Path(uri).iterdir() if path.is_file()) if Path(uri).is_dir() else []
    bucket, key = _bucket_and_key(str(uri))
    prefix = f"{key.rstrip('/')}/"
    with _s3_errors(uri):
        found = [str(each.object_name) for each in s3_client().list_objects(bucket, prefix=prefix) if not each.is_dir]
    return sorted(name.removeprefix(prefix) for name in found)


@contextmanager
def local_file(uri: str | Path) -> Iterator[Path]:
    """A local path with the bytes at `uri`: the file itself, or a copy that lives as long as the context."""
    if not is_remote(uri):
        if not Path(uri).is_file():
            raise StorageError(f"no file at {uri}")
        yield Path(uri)
        return
    bucket, key = _bucket_and_key(str(uri))
    with tempfile.TemporaryDirectory(prefix="facetry-") as folder:
        copy = Path(folder) / Path(key).name
        with _s3_errors(uri):
            s3_client().fget_object(bucket, key, str(copy))
        yield copy


def read_bytes(uri: str | Path) -> bytes:
    with local_file(uri) as path:
        return path.read_bytes()


def read_object(uri: str, *, client: "Minio", max_bytes: int, timeout_seconds: float) -> bytes:
    """The bytes of the object at `uri`, asked for once, stalls and all in `timeout_seconds`.

    Else an `AbsentObjectError`, a `LargeObjectError`, a `PassingStorageError` when another try may bring them, or
    another `StorageError`.
    """
    bucket, key = _bucket_and_key(uri)
    deadline = time.monotonic() + timeout_seconds
    with _s3_errors(uri), closing(client.get_object(bucket, key)) as response:
        num_bytes = int(response.headers.get("Content-Length", 0))
        body = bytearray()
        while num_bytes <= max_bytes and (piece := response.read1(PIECE_BYTES)):
            body += piece
            num_bytes = max(num_bytes, len(body))
            if time.monotonic() > deadline:
                raise PassingStorageError(f"cannot use {uri}: reading it took longer than {timeout_seconds:g} s")
    if num_bytes > max_bytes:
        raise LargeObjectError(f"{uri} has {num_bytes} bytes, more than {max_bytes}", num_bytes=num_bytes)
    return bytes(body)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file of any size, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomically(path: Path, data: bytes) -> None:
    """Put `data` at `path` so that a reader sees all of it or what was there before."""
    if path.is_dir():
        raise StorageError(f"cannot write {path}: it is a folder, name a file in it")
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(file.name, 0o644)
        os.replace(file.name, path)
    except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
        reason = f"{error.strerror}: make the folder {path.parent}, or choose another"
        raise StorageError(f"cannot write {path}: {reason}") from error


@contextmanager
def new_folder(out: str | Path, *, commit: str) -> Iterator[Path]:
    """A local folder to write into, which becomes `out` when the context ends well and vanishes when it does not.

    `commit` names the file that makes the folder whole: only a folder that holds it, or an empty one, is replaced,
    and in an object store it is uploaded last. What a killed run left behind is cleared away, and so is the
    `progress_folder` once `out` is whole; two runs that write the same folder at the same time are refused.
    """
    if is_remote(out):
        with tempfile.TemporaryDirectory(prefix="facetry-") as folder:
            yield Path(folder)
            _upload(Path(folder), str(out), commit=commit)
            shutil.rmtree(_progress_path(out), ignore_errors=True)
        return
    target = _local_path(out)
    refuse_foreign_folder(target, commit=commit)
    partial = target.parent / f".{target.name}.partial"
    with only_user(partial, of=target):
        empty(partial)
        try:
            yield partial
            _swap(partial, target)
            shutil.rmtree(_progress_path(out), ignore_errors=True)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def only_user(folder: Path, *, of: Path) -> Iterator[None]:
    """Hold `folder`, in which `of` is made, against every other process while the context lasts."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StorageError(f"another run is writing {of}: wait for it, or choose another --out") from error
        if not folder.is_dir() or not os.path.samestat(os.fstat(handle), folder.stat()):
            raise StorageError(f"another run has just written {of}: run again to write it anew")
        yield
    finally:
        os.close(handle)


def empty(folder: Path) -> None:
    """Remove all that is in `folder`."""
    for leftover in folder.iterdir():
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()


def progress_folder(out: str | Path) -> Path:
    """A local folder for what a stage that writes `out` has got so far, from which a run after a kill goes on."""
    folder = _progress_path(out)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _progress_path(out: str | Path) -> Path:
    if is_remote(out):
        cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
        return cache / "facetry" / hashlib.sha256(str(out).encode()).hexdigest()[:16]
    target = _local_path(out)
    return target.parent / f".{target.name}.progress"


def _local_path(out: str | Path) -> Path:
    """Where `out` really is: a link stays a link, and what it points to is written."""
    try:
        str(out).encode("utf-8")
    except UnicodeEncodeError as error:
        raise StorageError(f"--out {str(out)!r} is not UTF-8: choose another name") from error
    return Path(out).resolve()


def refuse_foreign_folder(target: Path, *, commit: str) -> None:
    """Raise unless `target` is absent, empty, or an earlier output that holds `commit`."""
    if target.is_dir() and not any(target.iterdir()):
        return
    if target.exists() and not (target / commit).is_file():
        raise StorageError(f"{target} holds something else (no {commit} in it): choose another --out or empty it first")


def _swap(partial: Path, target: Path) -> None:
    old = target.parent / f".{target.name}.old"
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    partial.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _upload(folder: Path, out: str, *, commit: str) -> None:
    bucket, prefix = _bucket_and_key(out)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    with _s3_errors(out):
        client = s3_client()
        for path in sorted(files, key=lambda path: path == folder / commit):
            client.fput_object(bucket, f"{prefix.rstrip('/')}/{path.relative_to(folder)}", str(path))


def s3_client(timeout_seconds: float | None = None) -> "Minio":
    """A client for the store that the environment names; with a timeout, it asks once and waits no longer."""
    from minio import Minio
    from minio.credentials.providers import AWSConfigProvider, ChainedProvider, EnvAWSProvider, IamAwsProvider

    endpoint = urlsplit(os.environ.get("AWS_ENDPOINT_URL", "https://s3.amazonaws.com"))
    if endpoint.scheme not in ("http", "https") or not endpoint.netloc:
        raise StorageError(f"AWS_ENDPOINT_URL names no host ({endpoint.hostname}): write it as https://host:port")
    return Minio(
        endpoint=endpoint.netloc,
        secure=endpoint.scheme == "https",
        region=os.environ.get("AWS_REGION", "us-east-1"),
        credentials=ChainedProvider([EnvAWSProvider(), AWSConfigProvider(), IamAwsProvider()]),
        http_client=None if timeout_seconds is None else _single_try_pool(timeout_seconds),
    )


def _single_try_pool(timeout_seconds: float) -> "PoolManager":
    import certifi
    from urllib3 import PoolManager, Timeout

    return PoolManager(
        timeout=Timeout(total=timeout_seconds),
        retries=False,
        maxsize=MAX_CONNECTIONS,
        ca_certs=os.environ.get("SSL_CERT_FILE") or certifi.where(),
    )


@contextmanager
def _s3_errors(uri: str | Path) -> Iterator[None]:
    from minio.error import MinioException, S3Error
    from urllib3.exceptions import HTTPError

    try:
        yield
    except S3Error as error:
        raise _kind(error)(
            f"cannot use {uri}: the store says {error.code} ({error.message}): check the address and AWS_* credentials"
        ) from error
    except (MinioException, HTTPError, ValueError) as error:
        raise _kind(error)(f"cannot use {uri}: {' '.join(str(error).split())}") from error


def _kind(error: Exception) -> type[AbsentObjectError | PassingStorageError | StorageError]:
    """What an error of the store, or of the way there, is for us."""
    from minio.error import InvalidResponseError, S3Error, ServerError
    from urllib3.exceptions import HTTPError, LocationValueError, SSLError

    if isinstance(error, S3Error):
        if error.code in ABSENT_CODES:
            return AbsentObjectError
        return PassingStorageError if error.response.status in PASSING or error.response.status >= 500 else StorageError
    passes = isinstance(error, (HTTPError, ServerError, InvalidResponseError))
    return PassingStorageError if passes and not isinstance(error, (LocationValueError, SSLError)) else StorageError


def _bucket_and_key(uri: str) -> tuple[str, str]:
    bucket, _, key = uri.removeprefix(S3_SCHEME).partition("/")
    if not bucket or not key:
        raise StorageError(f"'{uri}' names no object: write s3://bucket/prefix")
    return bucket, key
