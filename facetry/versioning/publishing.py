"""A catalogue on disk becomes a version: first its files are in the remote, then it has a tag."""

import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from facetry import storage
from facetry.catalogue import Catalogue, Shard
from facetry.config import VersionParams
from facetry.errors import VersionError
from facetry.versioning.index import ShardIndex
from facetry.versioning.line import Line
from facetry.versioning.remote import TrackedFile
from facetry.versioning.repository import OutrunError, Snapshot, Version, index_folder, shard_path

NUM_TRIES = 5
Summary = TypeVar("Summary")


@dataclass(frozen=True, slots=True)
class Published:
    """A version and those of its shards that the one before does not have."""

    version: Version
    num_shards: int
    new_shards: tuple[Shard, ...]

    def size(self) -> str:
        new = sum(shard.num_bytes for shard in self.new_shards)
        return (
            f"{len(self.new_shards)} of {self.num_shards} shards new "
            f"({new / 1e6:,.1f} of {self.version.num_bytes / 1e6:,.1f} MB)"
        )


def publish(
    catalogue: Catalogue,
    *,
    index: ShardIndex,
    base: Snapshot | None,
    line: Line,
    name: str,
    message: str,
) -> Published:
    """Make the catalogue a version that follows `base`; of its shards only those that `base` lacks need be there.

    `index` knows all of them, and where it is kept itself, but for what the remote has lost of it.
    """
    shards = catalogue.manifest.shards
    known = base.shard_files() if base else {}
    new = tuple(shard for shard in shards if shard.sha256 not in known)
    unindexed = tuple(shard for shard in shards if shard.sha256 not in known or shard.sha256 not in index.files)
    files = _store(catalogue, shards=new, indexed=unindexed, index=index, line=line)
    for shard in shards:
        if shard.sha256 in known:
            path = shard_path(line.catalogue_name, shard)
            files[path] = known[shard.sha256].model_copy(update={"path": path})
            if shard.sha256 in index.files:
                files[index.files[shard.sha256].path] = index.files[shard.sha256]
    version = line.repository.publish(catalogue, files=files, name=name, message=message)
    return Published(version=version, num_shards=len(shards), new_shards=new)


def mend(base: Snapshot, *, catalogue: Catalogue, index: ShardIndex, line: Line) -> None:
    """Bring to the remote what it may have lost of `base`: the shards that the catalogue has too, and their indexes."""
    known = base.shard_files()
    shards = [shard for shard in catalogue.manifest.shards if shard.sha256 in known]
    unindexed = [shard for shard in base.catalogue.manifest.shards if shard.sha256 not in index.files]
    _store(catalogue, shards=shards, indexed=unindexed, index=index, line=line)


def _store(
    catalogue: Catalogue, *, shards: Sequence[Shard], indexed: Sequence[Shard], index: ShardIndex, line: Line
) -> dict[str, TrackedFile]:
    """Bring shards to the remote, and one file with the indexes of those that are `indexed`."""
    paths = [shard_path(line.catalogue_name, shard) for shard in shards]
    for shard, path in zip(shards, paths, strict=True):
        _copy_shard(catalogue, shard=shard, to=line.workspace.folder / path)
    if indexed:
        content = hashlib.sha256("".join(shard.sha256 for shard in indexed).encode()).hexdigest()
        paths.append(f"{index_folder(line.catalogue_name)}/{content}.parquet")
        index.write(line.workspace.folder / paths[-1], shards=indexed)
    return {file.path: file for file in line.workspace.store(paths)}


def until_not_outrun(attempt: Callable[[], Summary], *, params: VersionParams) -> Summary:
    """What `attempt` returns, tried again from the start whenever another push has won."""
    for _ in range(NUM_TRIES):
        try:
            return attempt()
        except OutrunError:
            continue
    raise VersionError(
        f"other pushes of catalogue '{params.catalogue}' came first {NUM_TRIES} times: run again when they are done"
    )


def _copy_shard(catalogue: Catalogue, *, shard: Shard, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    # What was fetched to this place is read-only, and shares its bytes with the workspace's cache.
    to.unlink(missing_ok=True)
    with storage.local_file(storage.join(catalogue.location, shard.name)) as original:
        shutil.copyfile(original, to)
