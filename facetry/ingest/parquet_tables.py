"""Tables of Parquet files, read a few rows at a time."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from facetry import storage
from facetry.errors import SourceError
from facetry.ingest.tables import Row, check_column_names

BATCH_BYTES = 8 * 2**20
MAX_BATCH_ROWS = 4096
READ_BUFFER_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class ParquetFile:
    """A file on disk and what it is called in errors."""

    path: Path
    origin: str


class ParquetTable:
    """Parquet files, one below the other; a column that one of them lacks is empty there."""

    def __init__(self, files: Sequence[ParquetFile]) -> None:
        self._files = files
        self._metadata = [_metadata(file) for file in files]
        columns: dict[str, None] = {}
        for file, metadata in zip(files, self._metadata, strict=True):
            names = metadata.schema.to_arrow_schema().names
            check_column_names(names, origin=file.origin)
            columns.update(dict.fromkeys(names))
        self.columns = tuple(columns)

    def digest(self) -> str:
        digests = "".join(storage.sha256_of(file.path) for file in self._files)
        return hashlib.sha256(digests.encode()).hexdigest()

    def num_rows(self) -> int:
        return sum(metadata.num_rows for metadata in self._metadata)

    def rows(self, columns: Sequence[str], *, start: int, end: int) -> Iterator[Row]:
        first = 0
        for file, metadata in zip(self._files, self._metadata, strict=True):
            for group in range(metadata.num_row_groups):
                after = first + metadata.row_group(group).num_rows
                if first < end and after > start:
                    yield from _rows_of_group(
                        file, group=group, columns=columns, first=first, start=start, end=min(end, after)
                    )
                first = after


def _metadata(file: ParquetFile) -> pq.FileMetaData:
    try:
        return pq.read_metadata(file.path)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(file, error) from error


def _damaged(file: ParquetFile, error: Exception) -> SourceError:
    reason = " ".join(str(error).split())
    return SourceError(f"{file.origin} is cut short, damaged or no Parquet file ({reason}): copy it again")


def _rows_of_group(
    file: ParquetFile, *, group: int, columns: Sequence[str], first: int, start: int, end: int
) -> Iterator[Row]:
    """The rows of one row group that lie between `start` and `end`; the group's first row has number `first`."""
    try:
        with pq.ParquetFile(file.path, buffer_size=READ_BUFFER_BYTES) as opened:
            present = [name for name in columns if name in opened.schema_arrow.names]
            size = _rows_per_batch(opened.metadata.row_group(group))
            for batch in opened.iter_batches(size, row_groups=[group], columns=present):
                wanted = batch[max(0, start - first) : max(0, end - first)]
                yield from _rows_of_batch(wanted, first=max(first, start))
                first += batch.num_rows
                if first >= end:
                    return
    except (pa.ArrowException, OSError) as error:
        raise _damaged(file, error) from error


def _rows_per_batch(group: pq.RowGroupMetaData) -> int:
    row_bytes = group.total_byte_size / max(1, group.num_rows)
    return max(1, min(MAX_BATCH_ROWS, int(BATCH_BYTES / max(1.0, row_bytes))))


def _rows_of_batch(batch: pa.RecordBatch, *, first: int) -> Iterator[Row]:
    try:
        many: Sequence[Mapping[str, object]] = batch.to_pylist()
    except (ValueError, OverflowError):
        for index in range(batch.num_rows):
            yield _single_row(batch.slice(index, 1), line=first + index + 1)
        return
    for index, cells in enumerate(many):
        yield Row(first + index + 1, cells)


def _single_row(batch: pa.RecordBatch, *, line: int) -> Row:
    try:
        (cells,) = batch.to_pylist()
    except UnicodeDecodeError:
        return Row(line, problem="a text is not UTF-8")
    except (ValueError, OverflowError) as error:
        return Row(line, problem=f"a cell cannot be read: {' '.join(str(error).split())}")
    return Row(line, cells)
