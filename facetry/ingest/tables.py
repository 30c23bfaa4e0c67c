"""Tables read row by row: CSV with a header, and JSON lines."""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from facetry.errors import SourceError

UTF8_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Row:
    """One row's cells by column name, the line it starts on, and what is wrong with it, if it cannot be read."""

    line: int
    cells: Mapping[str, object] = field(default_factory=dict)
    problem: str | None = None


class Table(Protocol):
    """Named columns and the rows below them; `origin` names the table in errors."""

    columns: tuple[str, ...]

    def rows(self) -> Iterator[Row]: ...


def open_table(path: Path, *, origin: str) -> Table:
    """The table in the file at `path`, by the suffix of `origin`; a `SourceError` when it has no usable header."""
    if origin.lower().endswith(".csv"):
        return CsvTable(path, origin=origin)
    if origin.lower().endswith(".jsonl"):
        return JsonLinesTable(path, origin=origin)
    raise SourceError(f"cannot read {origin}: give a .csv or .jsonl file, or a folder with one listings.csv")


class CsvTable:
    """Comma-separated values; the first line names the columns, and quoted cells may span lines."""

    def __init__(self, path: Path, *, origin: str) -> None:
        self._path = path
        self._origin = origin
        header = next(self._records(), None)
        if header is None:
            raise SourceError(f"{origin} is empty: its first line must name the columns")
        self.columns = tuple(_column_names(header[1], origin=origin))

    def rows(self) -> Iterator[Row]:
        records = self._records()
        next(records)
        for line, cells, problem in records:
            if problem is None and len(cells) != len(self.columns):
                problem = f"{len(cells)} cells where the header has {len(self.columns)}"
            yield Row(line, {} if problem else dict(zip(self.columns, cells, strict=True)), problem)

    def _records(self) -> Iterator[tuple[int, list[str], str | None]]:
        """Line, cells and problem of each record that is not blank."""
        reader = csv.reader(_decoded_lines(self._path, origin=self._origin), strict=True)
        while True:
            line = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                if "expected after" not in str(error):
                    raise SourceError(f"{self._origin} line {line}: {error}: is a quote left open there?") from error
                yield line, [], "a quoted cell goes on after its closing quote"
                continue
            if cells:
                yield line, cells, None


class JsonLinesTable:
    """One JSON object per line; the columns are the keys that any line has."""

    def __init__(self, path: Path, *, origin: str) -> None:
        self._path = path
        self._origin = origin
        keys: dict[str, None] = {}
        num_rows = 0
        for row in self.rows():
            keys.update(dict.fromkeys(row.cells))
            num_rows += 1
        if num_rows == 0:
            raise SourceError(f"{origin} is empty: write one JSON object per line")
        self.columns = tuple(keys)

    def rows(self) -> Iterator[Row]:
        for line, text in enumerate(_decoded_lines(self._path, origin=self._origin), start=1):
            if not text.strip():
                continue
            try:
                cells = json.loads(text)
            except (ValueError, RecursionError) as error:
                yield Row(line, problem=f"not JSON: {error}")
                continue
            if isinstance(cells, dict):
                yield Row(line, cells)
            else:
                yield Row(line, problem="not a JSON object")


def _decoded_lines(path: Path, *, origin: str) -> Iterator[str]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                yield (line.removeprefix(UTF8_MARK) if number == 1 else line).decode("utf-8")
            except UnicodeDecodeError as error:
                raise SourceError(f"{origin} line {number} is not UTF-8: save the file as UTF-8") from error


def _column_names(header: list[str], *, origin: str) -> list[str]:
    names = [name.strip() for name in header]
    if "" in names:
        raise SourceError(f"{origin}: column {names.index('') + 1} of the header has no name: name it or remove it")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SourceError(f"{origin}: the header names {', '.join(twice)} more than once: keep one of each")
    return names
