"""A version of a catalogue, brought back from the remote."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from facetry import storage
from facetry.catalogue import MANIFEST_NAME, TAXONOMY_NAME, VersionRecord, record_version
from facetry.config import VersionParams
from facetry.errors import VersionError
from facetry.versioning.line import Line, open_line
from facetry.versioning.repository import Version


@dataclass(frozen=True, slots=True)
class PullSummary:
    catalogue: str
    version: Version

    def one_line(self) -> str:
        version = self.version
        size = f"{version.num_listings} listings, {version.num_bytes / 1e6:,.1f} MB"
        return f"pulled version {version.name} of {self.catalogue}: {size}"


def pull(name: str | None, *, params: VersionParams, out: str | Path) -> PullSummary:
    """Bring a version (the latest when None) to `out`, each of its shards checked."""
    with storage.new_folder(out, commit=MANIFEST_NAME) as folder, open_line(params, inside=folder) as line:
        version = line.repository.version(name)
        restore(version, line=line, folder=folder)
        return PullSummary(catalogue=params.catalogue, version=version)


def restore(version: Version, *, line: Line, folder: Path) -> None:
    """Fill `folder` with the version's catalogue."""
    snapshot = line.repository.read(version)
    files = snapshot.shard_files()
    line.workspace.fetch(list(files.values()))
    for shard in snapshot.catalogue.manifest.shards:
        fetched = line.workspace.folder / files[shard.sha256].path
        if storage.sha256_of(fetched) != shard.sha256:
            raise VersionError(
                f"{line.repository.describe(version)} does not hold together: {shard.name} in the remote is not the "
                "shard that its manifest names: somebody has changed it by hand, use another version"
            )
        shutil.move(fetched, folder / shard.name)
        (folder / shard.name).chmod(0o644)
    for name in (TAXONOMY_NAME, MANIFEST_NAME):
        shutil.copyfile(Path(snapshot.catalogue.location) / name, folder / name)
    record = VersionRecord(catalogue=snapshot.name, version=version.name, digest=snapshot.catalogue.digest)
    record_version(folder, record)
