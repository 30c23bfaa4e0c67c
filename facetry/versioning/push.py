"""A catalogue becomes the next version."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from facetry import storage
from facetry.catalogue import MANIFEST_NAME, TAXONOMY_NAME, Catalogue, VersionRecord, record_version
from facetry.config import VersionParams
from facetry.versioning.arranging import arranged_order, is_in_order, write_arranged
from facetry.versioning.difference import Difference, compare
from facetry.versioning.index import ShardIndex, refuse_repeated_ids
from facetry.versioning.line import Line, open_line
from facetry.versioning.publishing import Published, mend, publish, until_not_outrun
from facetry.versioning.pull import restore
from facetry.versioning.repository import Version


@dataclass(frozen=True, slots=True)
class PushSummary:
    """The version that holds the catalogue now, and what is new in it: None when the latest version held it already.

    `unused_name` was wanted for a new version when there was nothing new.
    """

    catalogue: str
    version: Version
    difference: Difference | None = None
    published: Published | None = None
    unused_name: str | None = None

    def one_line(self) -> str:
        if self.difference is None or self.published is None:
            unused = f" called '{self.unused_name}'" if self.unused_name else ""
            return f"version {self.version.name} of {self.catalogue} has these listings already: no new version{unused}"
        return (
            f"version {self.version.name} of {self.catalogue}: {self.version.num_listings} listings "
            f"({self.difference.one_line()}), {self.published.size()}"
        )


def push(
    catalogue: Catalogue, *, params: VersionParams, name: str | None = None, out: str | Path | None = None
) -> PushSummary:
    """Keep the catalogue as a new version called `name` (v1, v2, ... when None), unless the latest is the same.

    What the remote has lost of the latest is then brought there again, as far as the catalogue has it.

    Listings that the latest version has are put in its order and new ones after them, so that little is uploaded.
    `out` receives the catalogue as it was kept, which knows its version. Reports beside the catalogue are not kept.
    """

    def attempt() -> PushSummary:
        with _folder_for(out) as folder, open_line(params, make=True) as line:
            summary, kept = _push_once(catalogue, line=line, name=name, folder=folder)
            if out is not None:
                _leave(kept, version=summary.version, line=line, folder=folder)
            return summary

    return until_not_outrun(attempt, params=params)


@contextmanager
def _folder_for(out: str | Path | None) -> Iterator[Path]:
    if out is not None:
        with storage.new_folder(out, commit=MANIFEST_NAME) as folder:
            yield folder
        return
    with tempfile.TemporaryDirectory(prefix="facetry-") as private:
        yield Path(private)


def _push_once(given: Catalogue, *, line: Line, name: str | None, folder: Path) -> tuple[PushSummary, Catalogue | None]:
    """Push on top of the latest version: what was done, and the catalogue that was kept, if there is anything new.

    That is the catalogue given, or one in `folder` when its listings had to be put in another order.
    """
    latest = line.repository.latest
    base = line.repository.read(latest) if latest else None
    known = ShardIndex.fetch(base.index_files() if base else [], workspace=line.workspace)
    index = known.extended_with(given)
    if base is not None:
        index = index.completed_from(base, workspace=line.workspace)
    before = index.of(base.catalogue.manifest.shards if base else ())
    after = index.of(given.manifest.shards)
    refuse_repeated_ids(after, location=given.location)
    taxonomy_changed = base is not None and base.catalogue.taxonomy_yaml != given.taxonomy_yaml
    difference = compare(before, after, taxonomy_changed=taxonomy_changed)
    if base is not None and (not difference or not base.shard_files().keys() <= index.files.keys()):
        mend(base, catalogue=given, index=index, line=line)
    if latest is not None and not difference:
        return PushSummary(line.catalogue_name, latest, unused_name=None if name == latest.name else name), None
    name = line.repository.new_name(name)
    kept, order = given, arranged_order(after["id"], latest=before["id"])
    if not is_in_order(order):
        kept = write_arranged(given, order=order, folder=folder)
        index = index.extended_by(after.take(order), shards=kept.manifest.shards)
    published = publish(kept, index=index, base=base, line=line, name=name, message=difference.one_line())
    return PushSummary(line.catalogue_name, published.version, difference, published), kept


def _leave(kept: Catalogue | None, *, version: Version, line: Line, folder: Path) -> None:
    """Make `folder` the version."""
    if kept is None:
        restore(version, line=line, folder=folder)
        return
    if kept.location != str(folder):
        for name in (*(shard.name for shard in kept.manifest.shards), TAXONOMY_NAME, MANIFEST_NAME):
            with storage.local_file(storage.join(kept.location, name)) as original:
                shutil.copyfile(original, folder / name)
    record_version(folder, VersionRecord(catalogue=line.catalogue_name, version=version.name, digest=kept.digest))
