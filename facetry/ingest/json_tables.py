"""Tables of JSON lines."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from facetry import storage
from facetry.errors import SourceError
from facetry.ingest.lines import TooLongError, opened_lines
from facetry.ingest.tables import Row


class JsonLinesTable:
    """One JSON object per line; the columns are the keys that any line has."""

    def __init__(self, path: Path, *, origin: str, max_cell_bytes: int) -> None:
        self._path = path
        self._origin = origin
        self._max_cell_bytes = max_cell_bytes
        keys: dict[str, None] = {}
        self._num_rows = 0
        for row in self._objects():
            keys.update(dict.fromkeys(row.cells))
            self._num_rows += 1
        if self._num_rows == 0:
            raise SourceError(f"{origin} is empty: write one JSON object per line")
        self.columns = tuple(keys)

    def digest(self) -> str:
        return storage.sha256_of(self._path)

    def num_rows(self) -> int:
        return self._num_rows

    def rows(self, columns: Sequence[str], *, start: int, end: int) -> Iterator[Row]:
        return islice(self._objects(), start, end)

    def _objects(self) -> Iterator[Row]:
        with opened_lines(self._path, origin=self._origin, max_cell_bytes=self._max_cell_bytes) as lines:
            while True:
                line = lines.begin_record()
                try:
                    text = next(lines)
                except StopIteration:
                    return
                except TooLongError as error:
                    yield Row(line, problem=str(error))
                    continue
                if text.strip():
                    yield _row(text, line=line)


class _NamedTwiceError(Exception):
    """An object of JSON has two values for one name."""


def _row(text: str, *, line: int) -> Row:
    try:
        cells = json.loads(text, object_pairs_hook=_object)
    except _NamedTwiceError as error:
        return Row(line, problem=str(error))
    except (ValueError, RecursionError) as error:
        return Row(line, problem=f"not JSON: {error}")
    return Row(line, cells) if isinstance(cells, dict) else Row(line, problem="not a JSON object")


def _object(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    cells = dict(pairs)
    if len(cells) < len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise _NamedTwiceError(f"names {twice} twice")
    return cells
