"""What came of a source: the summary, and the file of what could not be taken."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

from facetry import storage
from facetry.errors import CatalogueError, SourceError

FAILURES_NAME = "failures.jsonl"
MAX_CHARACTERS = 1000
"""Of an id, an address or a reason in failures.jsonl."""
ID_TAKEN = "an earlier listing has this id"


@dataclass(frozen=True, slots=True)
class IngestSummary:
    """Every row read is kept or failed, and every failure is a line of failures.jsonl, as is every lost image.

    `unknown_labels` tells which labels are not in the taxonomy, and how many rows each of them failed.
    """

    num_rows: int
    num_kept: int
    num_failed: int
    num_images: int
    num_images_failed: int
    unknown_labels: tuple[str, ...] = ()

    def one_line(self) -> str:
        failed = f" ({self.num_failed} failed)" if self.num_failed else ""
        lost = f" ({self.num_images_failed} could not be taken)" if self.num_images_failed else ""
        where = f": see {FAILURES_NAME}" if failed or lost else ""
        return f"kept {self.num_kept} of {self.num_rows} listings{failed}, with {self.num_images} images{lost}{where}"


@dataclass(frozen=True, slots=True)
class Failure:
    """A row, or one image of a listing, that could not be taken."""

    id: str | None
    line: int
    image: str | None
    reason: str


class FailureLog:
    """Writes failures down in the order they come, and counts them."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._num_rows = 0
        self._num_images = 0
        self._first_row: Failure | None = None

    def add(self, failure: Failure) -> None:
        if failure.image is None:
            self._first_row = self._first_row or failure
            self._num_rows += 1
        else:
            self._num_images += 1
        record = {name: _shortened(value) for name, value in asdict(failure).items()}
        self._file.write(json.dumps(record, ensure_ascii=False) + "\n")

    def summary(self, *, num_kept: int, num_images: int, unknown_labels: tuple[str, ...] = ()) -> IngestSummary:
        return IngestSummary(
            num_rows=num_kept + self._num_rows,
            num_kept=num_kept,
            num_failed=self._num_rows,
            num_images=num_images,
            num_images_failed=self._num_images,
            unknown_labels=unknown_labels,
        )

    def why_nothing(self, origin: str) -> SourceError:
        """What to raise when no listing is left."""
        first = self._first_row
        reason = f"the first failure, on line {first.line}, is: {first.reason}" if first else "it has no rows"
        return SourceError(f"no listing of {origin} could be taken: {reason}")


def _shortened(value: object) -> object:
    return value[:MAX_CHARACTERS] if isinstance(value, str) else value


@contextmanager
def failure_log(folder: Path) -> Iterator[FailureLog]:
    """A new failures.jsonl in `folder`; halves of characters are escaped in it."""
    with (folder / FAILURES_NAME).open("w", encoding="utf-8", errors="backslashreplace") as file:
        yield FailureLog(file)


@contextmanager
def recorded_failures(location: str) -> Iterator[Iterator[Failure]]:
    """The failures in the failures.jsonl of a catalogue, in order."""
    address = storage.join(location, FAILURES_NAME)
    with storage.local_file(address) as path, path.open(encoding="utf-8") as file:
        yield (_failure(text, address=address) for text in file)


def _failure(text: str, *, address: str) -> Failure:
    try:
        return Failure(**json.loads(text))
    except (ValueError, TypeError) as error:
        raise CatalogueError(f"{address} is malformed: ingest this part again") from error
