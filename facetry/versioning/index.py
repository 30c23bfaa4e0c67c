"""The index of a shard: a line for each of its listings, with fingerprints that tell whether it has changed.

The indexes of the shards that are new in a version are kept as one file beside them, so that versions are compared
without reading a single image.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import accumulate, islice
from pathlib import Path
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xxhash

from facetry.catalogue import Catalogue, Shard
from facetry.errors import VersionError
from facetry.listing import DUPLICATE_OF, TEXT_FIELDS, Listing
from facetry.versioning.remote import TrackedFile, Workspace
from facetry.versioning.repository import Snapshot

SHARD = "shard"
SCHEMA = pa.schema(
    [("id", pa.string()), ("label", pa.binary(16)), ("rest", pa.binary(16)), ("duplicate_of", pa.list_(pa.string()))]
)


@dataclass(frozen=True, slots=True)
class ShardIndex:
    """The indexes of shards, and the files that they are kept in, both by the SHA-256 of the shard."""

    tables: Mapping[str, pa.Table] = field(default_factory=dict)
    files: Mapping[str, TrackedFile] = field(default_factory=dict)

    @classmethod
    def fetch(cls, files: Sequence[TrackedFile], *, workspace: Workspace) -> Self:
        """The indexes that the remote keeps in `files`, those that it has lost left out."""
        tables, file_of = {}, {}
        for file in workspace.fetch_unless_lost(files):
            for sha256, table in _read(workspace.folder / file.path):
                tables[sha256], file_of[sha256] = table, file
        return cls(tables, file_of)

    def of(self, shards: Iterable[Shard]) -> pa.Table:
        """The lines of these shards, one after the other."""
        return pa.concat_tables([SCHEMA.empty_table(), *(self.tables[shard.sha256] for shard in shards)])

    def extended_with(self, catalogue: Catalogue) -> "ShardIndex":
        """These indexes and those of the catalogue's shards that are not among them."""
        unknown = tuple(shard for shard in catalogue.manifest.shards if shard.sha256 not in self.tables)
        manifest = catalogue.manifest.model_copy(update={"shards": unknown})
        listings = Catalogue(catalogue.location, manifest, catalogue.taxonomy_yaml).listings()
        made = {shard.sha256: make_index(islice(listings, shard.num_rows)) for shard in unknown}
        return ShardIndex({**self.tables, **made}, self.files)

    def completed_from(self, snapshot: Snapshot, *, workspace: Workspace) -> "ShardIndex":
        """These indexes and those of the snapshot's shards that are not among them, made anew from the shards."""
        files = snapshot.shard_files()
        workspace.fetch([file for sha256, file in files.items() if sha256 not in self.tables])
        kept = snapshot.catalogue
        fetched = Catalogue(str(workspace.folder / snapshot.name), kept.manifest, kept.taxonomy_yaml)
        return self.extended_with(fetched)

    def extended_by(self, lines: pa.Table, *, shards: Sequence[Shard]) -> "ShardIndex":
        """These indexes and those of shards that hold the listings of `lines` in that order."""
        starts = accumulate((shard.num_rows for shard in shards), initial=0)
        cut = {shard.sha256: lines.slice(start, shard.num_rows) for start, shard in zip(starts, shards, strict=False)}
        return ShardIndex({**self.tables, **cut}, self.files)

    def write(self, path: Path, *, shards: Sequence[Shard]) -> None:
        """Keep the indexes of these shards in one file."""
        tables = (
            self.tables[shard.sha256].append_column(SHARD, pa.array([shard.sha256] * shard.num_rows, pa.string()))
            for shard in shards
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.concat_tables(tables), path, compression="zstd")


def _read(path: Path) -> Iterator[tuple[str, pa.Table]]:
    """The index of each shard in a file, with the SHA-256 of the shard."""
    table = pq.read_table(path)
    runs = pc.run_end_encode(table[SHARD].combine_chunks())
    start = 0
    for sha256, end in zip(runs.values.to_pylist(), runs.run_ends.to_pylist(), strict=True):
        yield sha256, table.slice(start, end - start).drop_columns([SHARD])
        start = end


def make_index(listings: Iterator[Listing]) -> pa.Table:
    """A line for each listing."""
    return pa.Table.from_pylist([_line(listing) for listing in listings], schema=SCHEMA)


def refuse_repeated_ids(lines: pa.Table, *, location: str) -> None:
    """Raise unless every listing has an id of its own."""
    counts = pc.value_counts(lines["id"])
    repeated = counts.filter(pc.greater(counts.field("counts"), 1))
    if len(repeated):
        raise VersionError(
            f"{repeated.field('counts')[0]} listings of {location} have the id '{repeated.field('values')[0]}': "
            "give each an id of its own, versions tell listings apart by it"
        )


def _line(listing: Listing) -> dict[str, object]:
    label = asdict(listing.label) if listing.label else None
    rest = [
        [getattr(listing, name) for name in TEXT_FIELDS],
        [
            (image.path, image.rejection, image.cluster, xxhash.xxh3_128_hexdigest(image.data))
            for image in listing.images
        ],
        listing.candidates,
        listing.split,
    ]
    rejections = [image.rejection for image in listing.images if image.rejection]
    return {
        "id": listing.id,
        "label": _fingerprint(label),
        "rest": _fingerprint(rest),
        "duplicate_of": [text.removeprefix(DUPLICATE_OF) for text in rejections if text.startswith(DUPLICATE_OF)],
    }


def _fingerprint(value: object) -> bytes:
    return xxhash.xxh3_128_digest(json.dumps(value, sort_keys=True).encode())
