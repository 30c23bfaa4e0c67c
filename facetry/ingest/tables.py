"""What every kind of table offers: named columns, and rows that are read one by one."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from facetry.errors import SourceError

NOT_TEXT = re.compile("[\0\ud800-\udfff]")
"""What no listing may hold: NUL, and the halves of characters that stand for bytes which are not UTF-8."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row's cells by column name, where it starts, and what is wrong with it, if it cannot be read.

    `line` is the line in a text file, the number of the row in a Parquet table, that of the page in a web source.
    """

    line: int
    cells: Mapping[str, object] = field(default_factory=dict)
    problem: str | None = None


class Table(Protocol):
    """Named columns and the rows below them."""

    @property
    def columns(self) -> tuple[str, ...]: ...

    def digest(self) -> str:
        """A SHA-256 that is another one when the rows are others, as far as that is known before they are read."""

    def num_rows(self) -> int:
        """How many rows there are, those that cannot be read included."""

    def rows(self, columns: Sequence[str], *, start: int, end: int) -> Iterator[Row]:
        """The rows from number `start` to before `end`, counted from 0, each with the cells of at least `columns`."""


def why_not_text(text: str) -> str | None:
    """What keeps a text out of every listing; None when nothing does."""
    found = None if text.isascii() and "\0" not in text else NOT_TEXT.search(text)
    if found is None:
        return None
    if found[0] == "\0":
        return "holds a NUL character"
    return "is not UTF-8" if "\udc80" <= found[0] <= "\udcff" else "holds half of a surrogate pair"


def check_column_names(names: Sequence[str], *, origin: str) -> None:
    """Raise unless every column has a name of its own."""
    if "" in names:
        raise SourceError(f"{origin}: column {names.index('') + 1} of the header has no name: name it or remove it")
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise SourceError(f"{origin}: the header names {', '.join(twice)} more than once: keep one of each")
