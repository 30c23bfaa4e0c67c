"""The stage `ingest`: a table of listings and the pictures beside it become a catalogue."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from facetry import storage
from facetry.catalogue import MANIFEST_NAME, TAXONOMY_NAME, CatalogueWriter
from facetry.config import LISTING_FIELDS, IngestParams
from facetry.errors import SourceError, StorageError, TaxonomyError
from facetry.ingest.pictures import PictureFolder
from facetry.ingest.rows import RowError, RowReader
from facetry.ingest.tables import Table, open_table
from facetry.listing import Listing
from facetry.taxonomy import load_yaml

TABLE_NAMES = ("listings.csv", "listings.jsonl")
FAILURES_NAME = "failures.jsonl"


@dataclass(frozen=True, slots=True)
class IngestSummary:
    """Every row read is kept or failed, and every failure is a line of failures.jsonl, as is every lost image."""

    num_rows: int
    num_kept: int
    num_failed: int
    num_images: int
    num_images_failed: int

    def one_line(self) -> str:
        failed = f" ({self.num_failed} failed)" if self.num_failed else ""
        lost = f" ({self.num_images_failed} could not be taken)" if self.num_images_failed else ""
        where = f": see {FAILURES_NAME}" if failed or lost else ""
        return f"kept {self.num_kept} of {self.num_rows} listings{failed}, with {self.num_images} images{lost}{where}"


def ingest(source: str, *, params: IngestParams, out: str | Path) -> IngestSummary:
    """Read the table at `source`, or the one in that folder, into a catalogue at `out`.

    What cannot be taken is written to failures.jsonl with its id, line and reason; a `SourceError` when nothing can.
    """
    table_address, folder = _find_table(source)
    taxonomy_yaml = _read_taxonomy(params.taxonomy or storage.join(folder, TAXONOMY_NAME))
    reader = RowReader(
        taxonomy=load_yaml(taxonomy_yaml, origin=params.taxonomy or TAXONOMY_NAME),
        pictures=PictureFolder(folder, max_megabytes=params.max_image_megabytes),
        image_separator=params.image_separator,
    )
    with _opened(table_address) as table, storage.new_folder(out, commit=MANIFEST_NAME) as written:
        columns = _choose_columns(table, params=params, origin=table_address)
        with (
            (written / FAILURES_NAME).open("w", encoding="utf-8", errors="backslashreplace") as failures,
            CatalogueWriter(
                written,
                stage="ingest",
                params=params,
                taxonomy_yaml=taxonomy_yaml,
                parent=None,
                shard_megabytes=params.shard_megabytes,
            ) as writer,
        ):
            intake = _Intake(reader, columns=columns, failures=failures)
            for listing in intake.listings(table):
                writer.add(listing)
            if intake.num_kept == 0:
                raise SourceError(f"no listing of {table_address} could be taken: {intake.first_failure}")
        return intake.summary()


class _Intake:
    """Turns rows into listings, writes down the failures, and counts both."""

    def __init__(self, reader: RowReader, *, columns: Mapping[str, str], failures: TextIO) -> None:
        self._reader = reader
        self._columns = columns
        self._failures = failures
        self._ids: set[str] = set()
        self._num_failed = 0
        self._num_images = 0
        self._num_images_failed = 0
        self.first_failure = "it has a header and no rows"

    @property
    def num_kept(self) -> int:
        return len(self._ids)

    def listings(self, table: Table) -> Iterator[Listing]:
        for row in table.rows():
            cells = {field: row.cells.get(column) for field, column in self._columns.items()}
            try:
                if row.problem:
                    raise RowError(row.problem)
                listing, missing = self._reader.listing(cells)
                if listing.id in self._ids:
                    raise RowError("an earlier listing has this id")
            except RowError as error:
                self._fail(cells, line=row.line, reason=str(error))
                continue
            for picture in missing:
                self._record(listing.id, line=row.line, image=picture.path, reason=picture.reason)
            self._ids.add(listing.id)
            self._num_images += len(listing.images)
            self._num_images_failed += len(missing)
            yield listing

    def summary(self) -> IngestSummary:
        return IngestSummary(
            num_rows=self.num_kept + self._num_failed,
            num_kept=self.num_kept,
            num_failed=self._num_failed,
            num_images=self._num_images,
            num_images_failed=self._num_images_failed,
        )

    def _fail(self, cells: Mapping[str, object], *, line: int, reason: str) -> None:
        if self._num_failed == 0:
            self.first_failure = f"the first failure, on line {line}, is: {reason}"
        self._num_failed += 1
        listing_id = cells.get("id")
        self._record(None if listing_id in (None, "") else str(listing_id), line=line, image=None, reason=reason)

    def _record(self, listing_id: str | None, *, line: int, image: str | None, reason: str) -> None:
        record = {"id": listing_id, "line": line, "image": image, "reason": reason}
        self._failures.write(json.dumps(record, ensure_ascii=False) + "\n")


def _find_table(source: str) -> tuple[str, str]:
    """The address of the table that `source` means, and of the folder that its images are in."""
    if source.lower().endswith((".csv", ".jsonl")):
        if not storage.exists(source):
            raise SourceError(f"no file at {source}: give a .csv or .jsonl file, or the folder that holds it")
        return source, source.rpartition("/")[0] if storage.is_remote(source) else str(Path(source).parent)
    found = [name for name in TABLE_NAMES if storage.exists(storage.join(source, name))]
    if len(found) > 1:
        raise SourceError(f"{source} holds {' and '.join(found)}: give the one to read")
    if not found:
        raise SourceError(f"{source} holds no listings.csv and no listings.jsonl: give a table or the folder of one")
    return storage.join(source, found[0]), source.rstrip("/")


@contextmanager
def _opened(address: str) -> Iterator[Table]:
    with storage.local_file(address) as path:
        yield open_table(path, origin=address)


def _read_taxonomy(address: str) -> str:
    try:
        return storage.read_bytes(address).decode("utf-8")
    except StorageError as error:
        raise TaxonomyError(
            f"{error}: put a {TAXONOMY_NAME} beside the listings, or name one in ingest.taxonomy"
        ) from error
    except UnicodeDecodeError as error:
        raise TaxonomyError(f"taxonomy {address} is not UTF-8: save it as UTF-8") from error


def _choose_columns(table: Table, *, params: IngestParams, origin: str) -> dict[str, str]:
    """The column to read for each field."""
    if params.columns is not None:
        missing = [column for column in params.columns.values() if column not in table.columns]
        columns = dict(params.columns)
    else:
        columns = {field: field for field in LISTING_FIELDS if field in table.columns}
        missing = ["id"] * ("id" not in columns) + ["title or images"] * (not {"title", "images"} & set(columns))
    if missing:
        raise SourceError(
            f"{origin} has no column {', '.join(missing)}: it has {', '.join(table.columns)}; "
            "name the ones to read in ingest.columns"
        )
    return columns
