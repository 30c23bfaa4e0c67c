"""The parts of an ingest become the catalogue that one run over the whole source would have written."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from facetry import storage
from facetry.catalogue import MANIFEST_NAME, Catalogue, CatalogueWriter
from facetry.config import IngestParams
from facetry.errors import CatalogueError
from facetry.ingest.outcome import (
    ID_TAKEN,
    Failure,
    FailureLog,
    IngestSummary,
    failure_log,
    recorded_failures,
)
from facetry.ingest.part_record import in_order, recorded_lines
from facetry.ingest.seen_ids import SeenIds
from facetry.listing import Listing


def merge(parts: Sequence[Catalogue], *, out: str | Path) -> IngestSummary:
    """Write the catalogue of all parts to `out`, byte for byte as `ingest` without parts does.

    Of listings with one id in several parts the first is kept, and the others become failures.
    """
    ordered = in_order(parts)
    _refuse_unlike_parts(ordered)
    first = ordered[0]
    params = IngestParams.model_validate(first.manifest.params)
    num_kept = num_images = 0
    with (
        storage.new_folder(out, commit=MANIFEST_NAME) as folder,
        failure_log(folder) as failures,
        closing(SeenIds()) as seen,
        CatalogueWriter(
            folder,
            stage=first.manifest.stage,
            params=params,
            taxonomy_yaml=first.taxonomy_yaml,
            parent=None,
            shard_megabytes=params.shard_megabytes,
        ) as writer,
    ):
        for part in ordered:
            for listing in _new_listings(part, seen=seen, failures=failures):
                writer.add(listing)
                num_kept += 1
                num_images += len(listing.images)
        if num_kept == 0:
            raise failures.why_nothing("the parts")
        return failures.summary(num_kept=num_kept, num_images=num_images)


def _refuse_unlike_parts(parts: Sequence[Catalogue]) -> None:
    first = parts[0]
    for part in parts:
        if part.manifest.stage != "ingest":
            raise CatalogueError(f"{part.location} was written by the stage '{part.manifest.stage}': merge ingest's")
        pair = f"{first.location} and {part.location}"
        if part.manifest.params != first.manifest.params:
            raise CatalogueError(f"{pair} were ingested with different params: ingest both with the same")
        if part.manifest.taxonomy_sha256 != first.manifest.taxonomy_sha256:
            raise CatalogueError(f"{pair} were ingested with different taxonomies: ingest both with the same")


def _new_listings(part: Catalogue, *, seen: SeenIds, failures: FailureLog) -> Iterator[Listing]:
    """The listings of a part whose ids are new; its failures, old and new, are written in the order of the lines."""
    with recorded_lines(part) as lines, recorded_failures(part.location) as recorded:
        replay = _Replay(recorded, failures=failures)
        for listing, line in zip(part.listings(), lines, strict=True):
            if seen.add(listing.id):
                yield listing
            else:
                replay.replace_line(line, Failure(listing.id, line, None, ID_TAKEN))
        replay.finish()


class _Replay:
    """Copies the failures of a part into those of the whole."""

    def __init__(self, recorded: Iterator[Failure], *, failures: FailureLog) -> None:
        self._recorded = recorded
        self._failures = failures
        self._next = next(recorded, None)

    def replace_line(self, line: int, failure: Failure) -> None:
        """Copy what failed before `line`; what failed on it, images that is, gives way to `failure`."""
        while self._next is not None and self._next.line <= line:
            if self._next.line < line:
                self._failures.add(self._next)
            self._next = next(self._recorded, None)
        self._failures.add(failure)

    def finish(self) -> None:
        """Copy the rest."""
        while self._next is not None:
            self._failures.add(self._next)
            self._next = next(self._recorded, None)
