"""What a part of an ingest leaves beside its catalogue, so that parts can be merged."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from pydantic import BaseModel, ConfigDict, ValidationError

from facetry import storage
from facetry.catalogue import Catalogue
from facetry.errors import CatalogueError
from facetry.ingest.tables import Table
from facetry.parts import WHOLE, Part

PART_NAME = "part.json"
LINES_NAME = "lines.txt"


class PartRecord(BaseModel):
    """Which part of which source a catalogue is; `sha256` is of what was divided."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    index: int
    of: int
    source: str
    sha256: str


class LineLog:
    """Notes the line that each listing is from, in order."""

    def __init__(self, file: TextIO | None) -> None:
        self._file = file

    def add(self, line: int) -> None:
        if self._file is not None:
            self._file.write(f"{line}\n")


@contextmanager
def recorded_part(folder: Path, *, part: Part, source: str, table: Table) -> Iterator[LineLog]:
    """Records in `folder` which part it holds; a whole has nothing to record."""
    if part.of == 1:
        yield LineLog(None)
        return
    whole = source if storage.is_remote(source) else str(Path(source).resolve())
    record = PartRecord(index=part.index, of=part.of, source=whole, sha256=table.digest())
    storage.write_atomically(folder / PART_NAME, (record.model_dump_json() + "\n").encode())
    with (folder / LINES_NAME).open("w", encoding="ascii") as file:
        yield LineLog(file)


def in_order(parts: Sequence[Catalogue]) -> list[Catalogue]:
    """All parts of one source in its order; a `CatalogueError` when they are not all there, or not of one whole."""
    records = [(_record(part), part) for part in parts]
    if not records:
        raise CatalogueError("no parts are given: name the catalogues of all parts")
    sources = {(record.source, record.of) for record, _ in records}
    if len(sources) > 1:
        named = " and ".join(sorted(f"{source} in {of}" for source, of in sources))
        raise CatalogueError(f"the parts are of different wholes ({named}): name those of one")
    if len({record.sha256 for record, _ in records}) > 1:
        raise CatalogueError("the source changed between parts: ingest them again")
    (_, num_parts) = sources.pop()
    given = sorted(record.index for record, _ in records)
    if given != list(range(num_parts)):
        named = ", ".join(str(Part(index, num_parts)) for index in given)
        first, last = Part(0, num_parts), Part(num_parts - 1, num_parts)
        raise CatalogueError(f"parts {named} are given: name each of the parts {first} to {last} once")
    return [part for _, part in sorted(records, key=lambda pair: pair[0].index)]


@contextmanager
def recorded_lines(part: Catalogue) -> Iterator[Iterable[int]]:
    """The line that each listing of a part is from, in order; a whole has nothing recorded, nor needs it."""
    if _record(part).of == 1:
        yield range(len(part))
        return
    address = storage.join(part.location, LINES_NAME)
    with storage.local_file(address) as path, path.open(encoding="ascii") as file:
        if sum(1 for _ in file) != len(part):
            raise CatalogueError(f"{address} does not fit the listings beside it: ingest this part again")
        file.seek(0)
        yield map(int, file)


def _record(part: Catalogue) -> PartRecord:
    address = storage.join(part.location, PART_NAME)
    if not storage.exists(address):
        return PartRecord(index=WHOLE.index, of=WHOLE.of, source=part.location, sha256="")
    try:
        return PartRecord.model_validate_json(storage.read_bytes(address))
    except ValidationError as error:
        raise CatalogueError(f"{address} is malformed: ingest this part again") from error
