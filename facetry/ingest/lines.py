"""Text files read line by line in bounded memory, whatever they hold."""

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Self

from facetry.errors import SourceError

WIDE_MARKS = {codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16"}
NUM_LONGEST_CELLS = 16
"""A record may take as many bytes as this many of the longest cells."""


class TooLongError(Exception):
    """A record goes on for longer than any may."""


class Lines:
    """The lines of a UTF-8 file, which can be read again from the second line of the latest record.

    Bytes that are not UTF-8 become lone surrogates: text that no listing may hold.
    """

    def __init__(self, file: BinaryIO, *, max_record_bytes: int) -> None:
        self._file = file
        self._max_bytes = max_record_bytes
        self._bytes_left = max_record_bytes
        self._second_line: tuple[int, int] | None = None
        self._position = 0
        self.number = 0

    def begin_record(self) -> int:
        """Allow a record its full length from here on; the number of its first line."""
        self._bytes_left = self._max_bytes
        self._second_line = None
        return self.number + 1

    def go_back_to_second_line(self) -> None:
        """Read on after the first line of the latest record."""
        if self._second_line is not None:
            self._position, self.number = self._second_line
            self._file.seek(self._position)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        raw = self._file.readline(self._bytes_left + 1)
        if not raw:
            raise StopIteration
        too_long = len(raw) > self._bytes_left
        if too_long and self._second_line is None:
            self._skip_rest_of_line()
        self.number += 1
        self._position += len(raw)
        self._bytes_left -= len(raw)
        if self._second_line is None:
            self._second_line = (self._position, self.number)
        if too_long:
            raise TooLongError(f"goes on for more than {self._max_bytes / 2**20:g} MB")
        if self.number == 1:
            raw = raw.removeprefix(codecs.BOM_UTF8)
        return raw.decode("utf-8", "surrogateescape")

    def _skip_rest_of_line(self) -> None:
        while piece := self._file.readline(2**20):
            self._position += len(piece)
            if piece.endswith(b"\n"):
                return


@contextmanager
def opened_lines(path: Path, *, origin: str, max_cell_bytes: int) -> Iterator[Lines]:
    """The lines of the file at `path`; a `SourceError` when a mark at its start says that it is not UTF-8."""
    with path.open("rb") as file:
        encoding = WIDE_MARKS.get(file.read(2))
        if encoding is not None:
            raise SourceError(f"{origin} is {encoding}: save it as UTF-8")
        file.seek(0)
        yield Lines(file, max_record_bytes=NUM_LONGEST_CELLS * max_cell_bytes)
