"""The stage `ingest`: a table of listings, or the pages of a shop, and the pictures they name become a catalogue."""

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from facetry import storage
from facetry.catalogue import MANIFEST_NAME, TAXONOMY_NAME, CatalogueWriter
from facetry.config import FetchParams, IngestParams
from facetry.errors import TaxonomyError
from facetry.ingest.intake import Intake
from facetry.ingest.layout import choose_layout
from facetry.ingest.outcome import FailureLog, IngestSummary, failure_log
from facetry.ingest.part_record import recorded_part
from facetry.ingest.pictures import Pictures
from facetry.ingest.rows import RowReader
from facetry.ingest.sources import Source, find_source, opened_table
from facetry.ingest.tables import Table
from facetry.ingest.web.fetcher import Fetcher
from facetry.parts import WHOLE, Part
from facetry.taxonomy import TaxonomyKind, as_yaml, kind_of, load_taxonomy, load_yaml, read_text


def ingest(source: str, *, params: IngestParams, out: str | Path, part: Part = WHOLE) -> IngestSummary:
    """Read the table, dataset or web source at `source` into a catalogue at `out`; of many parts, only `part`.

    What cannot be taken is written to failures.jsonl with its id, line and reason; a `SourceError` when nothing can.
    What was fetched from the web is kept beside `out` until that is whole: a killed run goes on from there.
    """
    found = find_source(source)
    taxonomy_yaml = _taxonomy_yaml(params.taxonomy or storage.join(found.folder, TAXONOMY_NAME))
    with (
        storage.new_folder(out, commit=MANIFEST_NAME) as folder,
        _fetcher(params.fetch, out=out) as fetcher,
        opened_table(found, params=params, fetcher=fetcher) as table,
        failure_log(folder) as failures,
        _intake(
            table, source=found, taxonomy_yaml=taxonomy_yaml, params=params, fetcher=fetcher, failures=failures
        ) as intake,
        recorded_part(folder, part=part, source=found.address, table=table) as lines,
        CatalogueWriter(
            folder,
            stage="ingest",
            params=params,
            taxonomy_yaml=taxonomy_yaml,
            parent=None,
            shard_megabytes=params.shard_megabytes,
        ) as writer,
    ):
        for line, listing in intake.listings(table, part=part):
            writer.add(listing)
            lines.add(line)
        summary = intake.summary()
        if summary.num_kept == 0 and part == WHOLE:
            raise failures.why_nothing(found.address)
    return summary


@contextmanager
def _fetcher(params: FetchParams, *, out: str | Path) -> Iterator[Fetcher]:
    progress = storage.progress_folder(out)
    try:
        with Fetcher(params=params, journal=progress) as fetcher:
            yield fetcher
    finally:
        with contextlib.suppress(OSError):
            progress.rmdir()  # which leaves it alone unless it is empty


def _intake(
    table: Table, *, source: Source, taxonomy_yaml: str, params: IngestParams, fetcher: Fetcher, failures: FailureLog
) -> Intake:
    layout = choose_layout(table.columns, params=params, origin=source.address)
    taxonomy = load_yaml(taxonomy_yaml, origin=params.taxonomy or TAXONOMY_NAME)
    return Intake(
        RowReader(taxonomy=taxonomy, layout=layout, params=params),
        pictures=Pictures(source.folder, params=params, fetcher=fetcher),
        params=params,
        failures=failures,
    )


def _taxonomy_yaml(address: str) -> str:
    """The taxonomy as a catalogue keeps it; YAML stays as it was written."""
    if not storage.exists(address):
        raise TaxonomyError(
            f"no file at {address}: put a {TAXONOMY_NAME} beside the listings, or name one in ingest.taxonomy"
        )
    text = read_text(address)
    return text if kind_of(text) is TaxonomyKind.YAML else as_yaml(load_taxonomy(text, origin=address))
