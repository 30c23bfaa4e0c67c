"""Folders of findings: `examine` writes one for each part of the listings, and `clean` judges by all of them."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, ValidationError

from facetry import storage
from facetry.catalogue import Catalogue
from facetry.cleaning.examination import examine_shards, for_each_shard, identify, what_findings_depend_on
from facetry.cleaning.findings import APPEARANCE_SCHEMA, SCHEMA, Findings, join_tables, read_findings, read_table
from facetry.config import CleanParams
from facetry.errors import CatalogueError, StorageError
from facetry.parts import WHOLE, Part

COMMIT_NAME = "findings.json"


class FindingsManifest(BaseModel):
    """What `findings.json` holds: the SHA-256 of each file, one per shard, and what else the findings depend on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: Mapping[str, str]
    depends_on: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ExamineSummary:
    """Images that were looked at, and how many have each fault; which are duplicates only `clean` can tell."""

    num_listings: int
    num_images: int
    faults: Mapping[str, int]

    def one_line(self) -> str:
        faults = ", ".join(f"{count} {fault}" for fault, count in self.faults.items())
        return f"examined {self.num_images} images of {self.num_listings} listings{f' ({faults})' if faults else ''}"


def examine(catalogue: Catalogue, *, params: CleanParams, out: str | Path, part: Part = WHOLE) -> ExamineSummary:
    """Write what one part of a catalogue's images look like to the folder `out`, for `clean` to judge by.

    A killed run, started again, goes on from the shards that it had finished.
    """
    share = catalogue.part(part)
    with storage.new_folder(out, commit=COMMIT_NAME) as folder:
        progress = storage.progress_folder(out)
        paths = examine_shards(share, params=params, progress=progress)
        findings = read_findings(paths, params=params)
        for path in paths:
            shutil.copyfile(path, folder / path.name)
        files = {path.name: storage.sha256_of(path) for path in paths}
        manifest = FindingsManifest(files=files, depends_on=what_findings_depend_on(params))
        storage.write_atomically(folder / COMMIT_NAME, (manifest.model_dump_json(indent=2) + "\n").encode())
    return ExamineSummary(len(share), len(findings), findings.count_faults())


def recall(catalogue: Catalogue, *, params: CleanParams, folders: Sequence[str | Path]) -> Findings:
    """The findings of a catalogue's images out of `folders` of parts: of its own, or of catalogues it was merged from.

    A `CatalogueError` that names a listing when one of its images is in none of them.
    """
    examined: dict[str, pa.Table] = {}
    for folder in folders:
        examined |= _read_folder(folder, params=params)
    own_files = [f"{shard.sha256}.parquet" for shard in catalogue.manifest.shards]
    if examined.keys() >= set(own_files):
        return Findings.of(join_tables(examined[name] for name in own_files), params=params)
    return Findings.of(_recognise(catalogue, known=join_tables(examined.values())), params=params)


def _recognise(catalogue: Catalogue, *, known: pa.Table) -> pa.Table:
    """Findings of every image by its bytes, whichever shard of whichever catalogue it was in when it was examined."""
    images = pa.concat_tables(for_each_shard(identify, catalogue=catalogue, label="recognising images of listings"))
    place = pc.index_in(images["digest"], value_set=known["digest"])
    missing = pc.index(place.is_null(), True).as_py()
    if missing >= 0:
        listing_id = images["listing_id"][missing].as_py()
        raise CatalogueError(
            f"listing '{listing_id}' has an image that the findings say nothing of: "
            f"give those of every part of {catalogue.location}, or none"
        )
    found = known.select(APPEARANCE_SCHEMA.names).take(place)
    columns = [*images.drop_columns("digest").unify_dictionaries().columns, *found.columns]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def _read_folder(folder: str | Path, *, params: CleanParams) -> dict[str, pa.Table]:
    """The tables of findings in `folder` by the names of their files."""
    manifest = _read_manifest(folder)
    wanted = what_findings_depend_on(params)
    differing = [name for name, value in wanted.items() if manifest.depends_on.get(name) != value]
    if differing:
        name = differing[0]
        raise CatalogueError(
            f"findings {folder} were made with {name} {manifest.depends_on.get(name)}, not {wanted[name]}: "
            "run `facetry examine` again"
        )
    tables = {}
    for name, sha256 in manifest.files.items():
        with storage.local_file(storage.join(folder, name)) as path:
            if storage.sha256_of(path) != sha256:
                raise CatalogueError(f"{name} of the findings {folder} is damaged: run `facetry examine` again")
            tables[name] = read_table(path)
    return tables


def _read_manifest(folder: str | Path) -> FindingsManifest:
    try:
        return FindingsManifest.model_validate_json(storage.read_bytes(storage.join(folder, COMMIT_NAME)))
    except StorageError as error:
        raise CatalogueError(f"{folder} holds no findings: name folders that `facetry examine` wrote") from error
    except ValidationError as error:
        raise CatalogueError(f"{COMMIT_NAME} of {folder} is malformed: run `facetry examine` again") from error
