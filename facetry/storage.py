"""One interface over local paths and `s3://bucket/prefix`.

Credentials and the endpoint come from where every S3 tool looks: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
AWS_ENDPOINT_URL and AWS_REGION, or the shared AWS files.
"""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from facetry.errors import StorageError

if TYPE_CHECKING:
    from minio import Minio

S3_SCHEME = "s3://"


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


def write_atomically(path: Path, data: bytes) -> None:
    """Put `data` at `path` so that a reader sees all of it or what was there before."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)


@contextmanager
def new_folder(out: str | Path, *, commit: str) -> Iterator[Path]:
    """A local folder to write into, which becomes `out` when the context ends well and vanishes when it does not.

    `commit` names the file that makes the folder whole: only a folder that holds it, or an empty one, is replaced,
    and in an object store it is uploaded last. What a killed run left behind is cleared away; two runs that write
    the same folder at the same time are refused.
    """
    if is_remote(out):
        with tempfile.TemporaryDirectory(prefix="facetry-") as folder:
            yield Path(folder)
            _upload(Path(folder), str(out), commit=commit)
        return
    target = Path(out)
    refuse_foreign_folder(target, commit=commit)
    partial = target.parent / f".{target.name}.partial"
    with _only_writer(partial, of=target):
        try:
            yield partial
            _swap(partial, target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def _only_writer(partial: Path, *, of: Path) -> Iterator[None]:
    """Hold `partial` as an empty folder that is locked against every other process while the context lasts."""
    partial.mkdir(parents=True, exist_ok=True)
    handle = os.open(partial, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StorageError(f"another run is writing {of}: wait for it, or choose another --out") from error
        if not partial.is_dir() or not os.path.samestat(os.fstat(handle), partial.stat()):
            raise StorageError(f"another run has just written {of}: run again to write it anew")
        for leftover in partial.iterdir():
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        yield
    finally:
        os.close(handle)


def progress_folder(out: str | Path) -> Path:
    """A local folder for what a stage that writes `out` has got so far: a killed run, started again, goes on from it.

    The stage removes it once `out` is whole.
    """
    if is_remote(out):
        cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
        folder = cache / "facetry" / hashlib.sha256(str(out).encode()).hexdigest()[:16]
    else:
        folder = Path(out).parent / f".{Path(out).name}.progress"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


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


def s3_client() -> "Minio":
    """A client for the store that the environment names."""
    from minio import Minio
    from minio.credentials.providers import AWSConfigProvider, ChainedProvider, EnvAWSProvider, IamAwsProvider

    endpoint = urlsplit(os.environ.get("AWS_ENDPOINT_URL", "https://s3.amazonaws.com"))
    if endpoint.scheme not in ("http", "https") or not endpoint.netloc:
        raise StorageError(f"AWS_ENDPOINT_URL is '{endpoint.geturl()}': write it as https://host:port")
    return Minio(
        endpoint=endpoint.netloc,
        secure=endpoint.scheme == "https",
        region=os.environ.get("AWS_REGION", "us-east-1"),
        credentials=ChainedProvider([EnvAWSProvider(), AWSConfigProvider(), IamAwsProvider()]),
    )


@contextmanager
def _s3_errors(uri: str | Path) -> Iterator[None]:
    from minio.error import MinioException, S3Error
    from urllib3.exceptions import HTTPError

    try:
        yield
    except S3Error as error:
        raise StorageError(
            f"cannot use {uri}: the store says {error.code} ({error.message}): check the address and AWS_* credentials"
        ) from error
    except (MinioException, HTTPError, ValueError) as error:
        raise StorageError(f"cannot use {uri}: {' '.join(str(error).split())}") from error


def _bucket_and_key(uri: str) -> tuple[str, str]:
    bucket, _, key = uri.removeprefix(S3_SCHEME).partition("/")
    if not bucket or not key:
        raise StorageError(f"'{uri}' names no object: write s3://bucket/prefix")
    return bucket, key
