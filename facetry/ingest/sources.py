"""What a source of listings may be, and how to open it."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from facetry import storage
from facetry.config import IngestParams
from facetry.errors import SourceError
from facetry.ingest.csv_tables import CsvTable
from facetry.ingest.json_tables import JsonLinesTable
from facetry.ingest.parquet_tables import ParquetFile, ParquetTable
from facetry.ingest.tables import Table
from facetry.ingest.web.adapter import is_web_source, open_web_source
from facetry.ingest.web.fetcher import Fetcher

SUFFIXES = (".csv", ".jsonl", ".parquet")
TABLE_NAMES = tuple(f"listings{suffix}" for suffix in SUFFIXES)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a table is, the folder or prefix that its pictures and its taxonomy are beside, and a dataset's `files`."""

    address: str
    folder: str
    files: Sequence[str] = ()


def find_source(source: str) -> Source:
    """What `source` means: a table, a web source, or the folder of a table or of a dataset's Parquet files."""
    if source.lower().endswith(SUFFIXES) or is_web_source(source):
        if not storage.exists(source):
            raise SourceError(f"no file at {source}: give a table, a web source or the folder of a table")
        return Source(source, source.rpartition("/")[0] if storage.is_remote(source) else str(Path(source).parent))
    folder = source.rstrip("/") or "/"
    found = [name for name in TABLE_NAMES if storage.exists(storage.join(folder, name))]
    if len(found) > 1:
        raise SourceError(f"{source} holds {' and '.join(found)}: give the one to read")
    if found:
        return Source(storage.join(folder, found[0]), folder)
    if files := _dataset_files(folder):
        return Source(folder, folder, files)
    others = "" if storage.is_remote(folder) else " and no other Parquet files"
    raise SourceError(f"{source} holds no {', no '.join(TABLE_NAMES)}{others}: give a table or the folder of one")


@contextmanager
def opened_table(source: Source, *, params: IngestParams, fetcher: Fetcher) -> Iterator[Table]:
    """The table of a source; an object of a store is copied to disk as long as it is open."""
    address, max_cell_bytes = source.address, int(params.max_cell_megabytes * 2**20)
    if is_web_source(address):
        yield open_web_source(address, fetcher=fetcher)
    elif source.files:
        with ExitStack() as stack:
            opened = [ParquetFile(stack.enter_context(storage.local_file(file)), origin=file) for file in source.files]
            yield ParquetTable(opened)
    else:
        with storage.local_file(address) as path:
            if address.lower().endswith(".csv"):
                yield CsvTable(path, origin=address, max_cell_bytes=max_cell_bytes)
            elif address.lower().endswith(".jsonl"):
                yield JsonLinesTable(path, origin=address, max_cell_bytes=max_cell_bytes)
            else:
                yield ParquetTable([ParquetFile(path, origin=address)])


def _dataset_files(folder: str) -> Sequence[str]:
    """The addresses of the Parquet files that a dataset consists of, in the order of their names."""
    folders = (folder, storage.join(folder, "data"))
    found = [storage.join(each, name) for each in folders for name in storage.file_names(each)]
    return [address for address in found if address.endswith(".parquet")]
