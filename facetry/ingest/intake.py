"""Rows become listings in the source's order, while the pictures of the rows ahead are read."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from facetry.config import IngestParams
from facetry.ingest.cells import PictureAddress, RowError
from facetry.ingest.outcome import ID_TAKEN, Failure, FailureLog, IngestSummary
from facetry.ingest.parallel_reads import ParallelReads
from facetry.ingest.pictures import PictureError, Pictures
from facetry.ingest.rows import Draft, LostPicture, RowReader
from facetry.ingest.seen_ids import SeenIds
from facetry.ingest.tables import Row, Table, why_not_text
from facetry.listing import Listing, ListingImage
from facetry.parts import Part
from facetry.progress import ProgressLine

MAX_ROWS_AHEAD = 1024
MAX_BYTES_AHEAD = 64 * 2**20
ROWS_BETWEEN_PROGRESS = 16


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A row whose pictures may still be being read, or why it cannot be taken."""

    line: int
    listing_id: str | None
    draft: Draft | None
    reason: str
    readings: Sequence[Future[bytes]]

    @property
    def is_ready(self) -> bool:
        return not self.readings or all(reading.done() for reading in self.readings)


class Intake:
    """Turns rows into listings, writes down what cannot be taken, and counts both.

    Whatever the pictures' sizes, about MAX_BYTES_AHEAD are held ahead, besides one picture for each thread.
    """

    def __init__(self, reader: RowReader, *, pictures: Pictures, params: IngestParams, failures: FailureLog) -> None:
        self._reader = reader
        self._reads = ParallelReads(pictures.read, num_parallel=params.fetch.num_parallel)
        self._max_image_bytes = int(params.max_image_megabytes * 2**20)
        self._seen = SeenIds()
        self._failures = failures
        self._num_kept = 0
        self._num_images = 0

    def summary(self) -> IngestSummary:
        return self._failures.summary(
            num_kept=self._num_kept, num_images=self._num_images, unknown_labels=self._reader.unknown_labels()
        )

    def listings(self, table: Table, *, part: Part) -> Iterator[tuple[int, Listing]]:
        """Each listing of a part of the table, with the line it is from."""
        num_rows = table.num_rows()
        start, end = part.start(num_rows), part.end(num_rows)
        with ProgressLine("taking rows", total=end - start) as progress:
            for number, waiting in enumerate(self._read_ahead(table.rows(self._reader.columns, start=start, end=end))):
                if number % ROWS_BETWEEN_PROGRESS == 0:
                    progress.advance_to(number)
                try:
                    yield waiting.line, self._listing(waiting)
                except RowError as error:
                    self._failures.add(Failure(waiting.listing_id, waiting.line, None, str(error)))

    def _read_ahead(self, rows: Iterable[Row]) -> Iterator[_Waiting]:
        ahead: deque[_Waiting] = deque()
        num_bytes_drafted = 0
        for row in rows:
            waiting = self._begin(row)
            if not ahead and waiting.is_ready:
                yield waiting
                continue
            ahead.append(waiting)
            num_bytes_drafted += _num_bytes(waiting)
            while ahead and (
                ahead[0].is_ready
                or len(ahead) >= MAX_ROWS_AHEAD
                or num_bytes_drafted + self._reads.num_bytes_waiting >= MAX_BYTES_AHEAD
            ):
                num_bytes_drafted -= _num_bytes(ahead[0])
                yield ahead.popleft()
        yield from ahead

    def _begin(self, row: Row) -> _Waiting:
        try:
            if row.problem is not None:
                raise RowError(row.problem)
            draft = self._reader.draft(row.cells)
        except RowError as error:
            return _Waiting(row.line, self._reader.claimed_id(row.cells), None, str(error), ())
        readings = [
            self._reads.start(picture.address) for picture in draft.pictures if isinstance(picture, PictureAddress)
        ]
        return _Waiting(row.line, draft.listing.id, draft, "", readings)

    def _listing(self, waiting: _Waiting) -> Listing:
        """The listing, once its pictures are there; those it has to go on without are written down."""
        if waiting.draft is None:
            raise RowError(waiting.reason)
        pictures = list(self._pictures(waiting.draft, readings=waiting.readings))
        listing = waiting.draft.completed(pictures)
        if not self._seen.add(listing.id):
            raise RowError(ID_TAKEN)
        for picture in pictures:
            if isinstance(picture, LostPicture):
                self._failures.add(Failure(listing.id, waiting.line, picture.path, picture.reason))
        self._num_kept += 1
        self._num_images += len(listing.images)
        return listing

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._reads.close()
        self._seen.close()

    def _pictures(self, draft: Draft, *, readings: Sequence[Future[bytes]]) -> Iterator[ListingImage | LostPicture]:
        remaining = iter(readings)
        for picture in draft.pictures:
            if isinstance(picture, PictureAddress):
                yield self._read_picture(picture.address, reading=next(remaining))
            elif (problem := why_not_text(picture.path)) is not None:
                yield LostPicture(picture.path, problem)
            elif len(picture.data) > self._max_image_bytes:
                megabytes, limit = len(picture.data) / 2**20, self._max_image_bytes / 2**20
                yield LostPicture(picture.path, f"has {megabytes:.1f} MB, more than max_image_megabytes {limit:g}")
            else:
                yield picture

    def _read_picture(self, address: str, *, reading: Future[bytes]) -> ListingImage | LostPicture:
        try:
            return ListingImage(self._reads.take(reading), address)
        except PictureError as error:
            return LostPicture(address, str(error))


def _num_bytes(waiting: _Waiting) -> int:
    return waiting.draft.num_bytes if waiting.draft else 0
