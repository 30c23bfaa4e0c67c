"""Tables of comma-separated values."""

import csv
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from facetry import storage
from facetry.errors import SourceError
from facetry.ingest.lines import NUM_LONGEST_CELLS, TooLongError, opened_lines
from facetry.ingest.tables import NOT_TEXT, Row, check_column_names


class CsvTable:
    """Comma-separated values; the first line names the columns, and quoted cells may span lines.

    Where quotes do not match up, the row of that line fails alone, and reading goes on at the next line.
    """

    def __init__(self, path: Path, *, origin: str, max_cell_bytes: int) -> None:
        self._path = path
        self._origin = origin
        self._max_cell_bytes = max_cell_bytes
        self.columns = self._header()

    def digest(self) -> str:
        return storage.sha256_of(self._path)

    def num_rows(self) -> int:
        return sum(1 for _ in self._records()) - 1

    def rows(self, columns: Sequence[str], *, start: int, end: int) -> Iterator[Row]:
        num_columns = len(self.columns)
        for line, last_line, cells, problem in islice(self._records(), 1 + start, 1 + end):
            if problem is not None:
                yield Row(line, problem=problem)
            elif len(cells) != num_columns:
                span = f" (up to line {last_line})" if last_line > line else ""
                yield Row(line, problem=f"{len(cells)} cells where the header has {num_columns}{span}")
            else:
                yield Row(line, dict(zip(self.columns, cells, strict=True)))

    def _header(self) -> tuple[str, ...]:
        line, _, cells, problem = next(self._records(), (1, 1, [], None))
        if problem is not None:
            raise SourceError(f"{self._origin} line {line}, which must name the columns, cannot be read: {problem}")
        if not cells:
            raise SourceError(f"{self._origin} is empty: its first line must name the columns")
        names = tuple(name.strip() for name in cells)
        if NOT_TEXT.search("".join(names)):
            raise SourceError(f"{self._origin} line {line}, which names the columns, is not UTF-8: save it as UTF-8")
        check_column_names(names, origin=self._origin)
        return names

    def _records(self) -> Iterator[tuple[int, int, list[str], str | None]]:
        """First line, last line, cells and problem of each record that is not blank."""
        csv.field_size_limit(max(csv.field_size_limit(), NUM_LONGEST_CELLS * self._max_cell_bytes))
        with opened_lines(self._path, origin=self._origin, max_cell_bytes=self._max_cell_bytes) as lines:
            reader = csv.reader(lines, strict=True)
            while True:
                line = lines.begin_record()
                try:
                    cells = next(reader)
                except StopIteration:
                    return
                except (csv.Error, TooLongError) as error:
                    lines.go_back_to_second_line()
                    reader = csv.reader(lines, strict=True)
                    yield line, line, [], _explain(error)
                    continue
                if cells:
                    yield line, lines.number, cells, None


def _explain(error: Exception) -> str:
    words = str(error)
    if isinstance(error, TooLongError):
        return f"{words}: is a quote left open?"
    if "expected after" in words:
        return "a quoted cell goes on after its closing quote"
    if "unexpected end" in words:
        return "a quote is left open"
    if "new-line character" in words:
        return "a carriage return stands in a cell without quotes"
    return words
