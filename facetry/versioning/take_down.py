"""Listings are taken out of a catalogue: the next version is without them."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from facetry.catalogue import Catalogue, CatalogueWriter, Shard
from facetry.config import VersionParams
from facetry.errors import VersionError
from facetry.versioning.arranging import ParamsAsRecorded
from facetry.versioning.index import ShardIndex
from facetry.versioning.line import Line, open_line
from facetry.versioning.publishing import Published, publish, until_not_outrun
from facetry.versioning.repository import Snapshot

NUM_NAMED = 5
ENDLESS = 1e12
"""Megabytes that no shard reaches, so that it is not cut."""


@dataclass(frozen=True, slots=True)
class TakeDownSummary:
    """The version without the listings, and where they still are.

    `still_in` names, for each listing, the older versions that have it; `freed` are listings with an image that was
    rejected as a duplicate of one that is gone.
    """

    catalogue: str
    published: Published
    still_in: Mapping[str, tuple[str, ...]]
    freed: tuple[str, ...]

    def one_line(self) -> str:
        version = self.published.version
        older = ", ".join(dict.fromkeys(name for names in self.still_in.values() for name in names))
        line = (
            f"version {version.name} of {self.catalogue}: {version.num_listings} listings, "
            f"{len(self.still_in)} taken down, {self.published.size()}; still in {older}"
        )
        if not self.freed:
            return line
        return f"{line}; clean again, images of {_some(self.freed)} were rejected as duplicates of theirs"


def take_down(listing_ids: Sequence[str], *, params: VersionParams, name: str | None = None) -> TakeDownSummary:
    """Make a version without these listings, in which only the shards that held them are new.

    Older versions, and the catalogue that was pushed, keep the listings.
    """
    ids = tuple(dict.fromkeys(listing_ids))
    if not ids:
        raise VersionError("no listing to take down: name at least one by its id")

    def attempt() -> TakeDownSummary:
        with open_line(params) as line:
            return _take_down_once(ids, line=line, name=name)

    return until_not_outrun(attempt, params=params)


def _take_down_once(ids: Sequence[str], *, line: Line, name: str | None) -> TakeDownSummary:
    latest = line.repository.version(None)
    name = line.repository.new_name(name)
    snapshots = {version.name: line.repository.read(version) for version in line.repository.versions}
    files = {file.path: file for snapshot in snapshots.values() for file in snapshot.index_files()}
    index = ShardIndex.fetch(list(files.values()), workspace=line.workspace)
    for snapshot in snapshots.values():
        index = index.completed_from(snapshot, workspace=line.workspace)
    held = {sha256: found for sha256, lines in index.tables.items() if (found := _of_these(lines, ids))}
    still_in = {listing: _versions_with(listing, snapshots=snapshots, held=held) for listing in ids}
    unknown = [listing for listing in ids if latest.name not in still_in[listing]]
    if unknown:
        raise VersionError(
            f"version {latest.name} of {line.catalogue_name} has no listing {_some(unknown)}: nothing was taken down"
        )
    base = snapshots[latest.name]
    remaining, new = _without(held, base=base, line=line)
    index = index.extended_with(new)
    published = publish(
        remaining, index=index, base=base, line=line, name=name, message=f"{len(ids)} listings taken down"
    )
    freed = _duplicates_of(ids, lines=index.of(remaining.manifest.shards))
    return TakeDownSummary(line.catalogue_name, published, still_in, freed)


def _without(held: Mapping[str, frozenset[str]], *, base: Snapshot, line: Line) -> tuple[Catalogue, Catalogue]:
    """The version without what its shards `held`, and the view of it that shows its new shards only, which are there.

    A shard that held any of the listings is rewritten as one, or left out when nothing of it remains.
    """
    catalogue = base.catalogue
    shards = catalogue.manifest.shards
    touched = [shard for shard in shards if 0 < len(held.get(shard.sha256, ())) < shard.num_rows]
    files = base.shard_files()
    line.workspace.fetch([files[shard.sha256] for shard in touched])
    folder = line.workspace.folder / ".remaining"
    folder.mkdir()
    fetched = _view(catalogue, touched, location=line.workspace.folder / base.name)
    rewritten = {
        shard.sha256: _rewrite(_view(fetched, [shard]), without=held[shard.sha256], folder=folder) for shard in touched
    }
    emptied = {shard.sha256 for shard in shards if len(held.get(shard.sha256, ())) == shard.num_rows}
    left = [rewritten.get(shard.sha256, shard) for shard in shards if shard.sha256 not in emptied]
    if not left:
        raise VersionError(f"no listing of {base.name} would be left: nothing was taken down, keep at least one")
    remaining = _view(catalogue, left, location=folder)
    return remaining, _view(remaining, list(rewritten.values()))


def _rewrite(catalogue: Catalogue, *, without: frozenset[str], folder: Path) -> Shard:
    """Write what remains of a catalogue of one shard into `folder`, as one shard of that name."""
    (old,) = catalogue.manifest.shards
    with tempfile.TemporaryDirectory(dir=folder) as partial:
        with CatalogueWriter(
            Path(partial),
            stage=catalogue.manifest.stage,
            params=ParamsAsRecorded.model_validate(catalogue.manifest.params),
            taxonomy_yaml=catalogue.taxonomy_yaml,
            parent=catalogue,
            shard_megabytes=ENDLESS,
        ) as writer:
            for listing in catalogue.listings():
                if listing.id not in without:
                    writer.add(listing)
        (new,) = Catalogue.open(partial).manifest.shards
        (Path(partial) / new.name).rename(folder / old.name)
    return new.model_copy(update={"name": old.name})


def _view(catalogue: Catalogue, shards: Sequence[Shard], *, location: Path | None = None) -> Catalogue:
    """A catalogue of these shards only, which was made out of `catalogue`."""
    changes = {
        "shards": tuple(shards),
        "num_rows": sum(shard.num_rows for shard in shards),
        "parent": catalogue.digest,
    }
    manifest = catalogue.manifest.model_copy(update=changes)
    return Catalogue(str(location or catalogue.location), manifest, catalogue.taxonomy_yaml)


def _of_these(lines: pa.Table, ids: Sequence[str]) -> frozenset[str]:
    """Which of these listings a shard holds."""
    return frozenset(lines.filter(pc.is_in(lines["id"], value_set=pa.array(ids)))["id"].to_pylist())


def _versions_with(
    listing: str, *, snapshots: Mapping[str, Snapshot], held: Mapping[str, frozenset[str]]
) -> tuple[str, ...]:
    return tuple(
        name
        for name, snapshot in snapshots.items()
        if any(listing in held.get(shard.sha256, ()) for shard in snapshot.catalogue.manifest.shards)
    )


def _duplicates_of(ids: Sequence[str], *, lines: pa.Table) -> tuple[str, ...]:
    """The listings with an image that was rejected as a duplicate of one of these listings' images."""
    duplicates = lines.filter(pc.greater(pc.list_value_length(lines["duplicate_of"]), 0)).to_pylist()
    return tuple(line["id"] for line in duplicates if not set(ids).isdisjoint(line["duplicate_of"]))


def _some(ids: Sequence[str]) -> str:
    named = ", ".join(f"'{listing}'" for listing in ids[:NUM_NAMED])
    return named if len(ids) <= NUM_NAMED else f"{named} and {len(ids) - NUM_NAMED} more"
