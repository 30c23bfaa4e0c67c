"""What changed between two versions of a catalogue, listing by listing."""

import json
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from facetry import storage
from facetry.config import VersionParams
from facetry.versioning.index import ShardIndex
from facetry.versioning.line import open_line


@dataclass(frozen=True, slots=True)
class Difference:
    """Ids of the listings that two versions do not have alike.

    `relabelled` differ in category, attributes or label source, `changed` in anything else; a listing may be in both.
    """

    added: tuple[str, ...]
    removed: tuple[str, ...]
    relabelled: tuple[str, ...]
    changed: tuple[str, ...]
    taxonomy_changed: bool

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.relabelled or self.changed or self.taxonomy_changed)

    def one_line(self) -> str:
        changed = f", {len(self.changed)} changed otherwise" if self.changed else ""
        taxonomy = ", the taxonomy too" if self.taxonomy_changed else ""
        counts = f"{len(self.added)} added, {len(self.removed)} removed, {len(self.relabelled)} relabelled"
        return f"{counts}{changed}{taxonomy}"

    def write_json_lines(self, path: Path) -> None:
        """A line for each listing and change, as in {"listing": "pan-24", "change": "added"}."""
        changes = ("added", "removed", "relabelled", "changed")
        lines = (
            json.dumps({"listing": listing, "change": change})
            for change in changes
            for listing in getattr(self, change)
        )
        storage.write_atomically(path, "".join(f"{line}\n" for line in lines).encode())


def diff(old: str, new: str | None, *, params: VersionParams) -> Difference:
    """What changed from version `old` to version `new` (the latest when None)."""
    with open_line(params) as line:
        before, after = (line.repository.read(line.repository.version(name)) for name in (old, new))
        files = {file.path: file for snapshot in (before, after) for file in snapshot.index_files()}
        index = ShardIndex.fetch(list(files.values()), workspace=line.workspace)
        for snapshot in (before, after):
            index = index.completed_from(snapshot, workspace=line.workspace)
        in_both = before.shard_files().keys() & after.shard_files().keys()
        return compare(
            index.of(shard for shard in before.catalogue.manifest.shards if shard.sha256 not in in_both),
            index.of(shard for shard in after.catalogue.manifest.shards if shard.sha256 not in in_both),
            taxonomy_changed=before.catalogue.taxonomy_yaml != after.catalogue.taxonomy_yaml,
        )


def compare(before: pa.Table, after: pa.Table, *, taxonomy_changed: bool) -> Difference:
    """The difference between two indexes."""
    places = pc.index_in(after["id"], value_set=before["id"].combine_chunks())
    kept = after.filter(pc.is_valid(places))
    as_it_was = before.take(pc.drop_null(places))
    gone = pc.invert(pc.is_in(before["id"], value_set=after["id"].combine_chunks()))
    return Difference(
        added=_ids(after, where=pc.is_null(places)),
        removed=_ids(before, where=gone),
        relabelled=_ids(kept, where=pc.not_equal(kept["label"], as_it_was["label"])),
        changed=_ids(kept, where=pc.not_equal(kept["rest"], as_it_was["rest"])),
        taxonomy_changed=taxonomy_changed,
    )


def _ids(lines: pa.Table, *, where: pa.ChunkedArray) -> tuple[str, ...]:
    return tuple(lines.filter(where)["id"].to_pylist())
