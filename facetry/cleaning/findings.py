"""What is found in a catalogue's images, as columns: a hundred bytes or so for each image, and never its own bytes."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from facetry import storage
from facetry.cleaning.appearance import Appearance
from facetry.config import CleanParams
from facetry.errors import CatalogueError
from facetry.listing import LabelSource, image_name

FAULTS = ("large", "corrupt", "small", "blank", "blurred")
"""What can be wrong with an image by itself; the first that applies is the reason it is rejected."""

LABEL_SOURCES = tuple(source.value for source in LabelSource)
WITHOUT = -1
"""Stands for no fault, no label source and no category, where these are numbered."""

REPEATED = pa.dictionary(pa.int32(), pa.string())
"""The type of a text that many rows share."""

OWNER_SCHEMA = pa.schema(
    [
        ("listing_id", pa.string()),
        ("image_number", pa.int32()),
        ("category", REPEATED),
        ("label_source", REPEATED),
    ]
)
APPEARANCE_SCHEMA = pa.schema(
    [
        ("digest", pa.binary(16)),
        ("width", pa.int64()),
        ("height", pa.int64()),
        ("contrast", pa.float32()),
        ("sharpness", pa.float32()),
        ("fingerprint", pa.uint64()),
        ("refusal", REPEATED),
    ]
)
SCHEMA = pa.schema([*OWNER_SCHEMA, *APPEARANCE_SCHEMA])


@dataclass(frozen=True, slots=True, eq=False)
class Findings:
    """One row per image, in the catalogue's order. What could not be measured is 0, or NaN where it is a float."""

    listing_ids: pa.ChunkedArray
    image_numbers: NDArray[np.int32]
    digests: pa.ChunkedArray
    widths: NDArray[np.int64]
    heights: NDArray[np.int64]
    contrasts: NDArray[np.float32]
    sharpnesses: NDArray[np.float32]
    fingerprints: NDArray[np.uint64]
    faults: NDArray[np.int8]
    label_sources: NDArray[np.int8]
    categories: NDArray[np.int32]
    category_names: Sequence[str]

    @classmethod
    def of(cls, table: pa.Table, *, params: CleanParams) -> "Findings":
        """The rows of a table from `join_tables`, with the faults that they have by the thresholds of `params`."""
        categories = table["category"].combine_chunks()
        return cls(
            listing_ids=table["listing_id"],
            image_numbers=_filled(table["image_number"], 0),
            digests=table["digest"],
            widths=_filled(table["width"], 0),
            heights=_filled(table["height"], 0),
            contrasts=_filled(table["contrast"], float("nan")),
            sharpnesses=_filled(table["sharpness"], float("nan")),
            fingerprints=_filled(table["fingerprint"], 0),
            faults=find_faults(table, params=params),
            label_sources=_numbered(table["label_source"], LABEL_SOURCES),
            categories=_filled(categories.indices, WITHOUT),
            category_names=categories.dictionary.to_pylist(),
        )

    def __len__(self) -> int:
        return len(self.faults)

    @property
    def num_pixels(self) -> NDArray[np.int64]:
        return self.widths * self.heights

    def listing_id(self, index: int) -> str:
        return str(self.listing_ids[index].as_py())

    def image_name(self, index: int) -> str:
        return image_name(self.listing_id(index), int(self.image_numbers[index]))

    def fault(self, index: int) -> str | None:
        code = self.faults[index]
        return None if code == WITHOUT else FAULTS[code]

    def category(self, index: int) -> str | None:
        code = self.categories[index]
        return None if code == WITHOUT else self.category_names[code]

    def label_source(self, index: int) -> str | None:
        code = self.label_sources[index]
        return None if code == WITHOUT else LABEL_SOURCES[code]

    def count_faults(self) -> Mapping[str, int]:
        """How many images have each fault that occurs."""
        codes, counts = np.unique(self.faults[self.faults != WITHOUT], return_counts=True)
        return {FAULTS[code]: int(count) for code, count in zip(codes, counts, strict=True)}


def tabulate(appearances: Iterable[Appearance]) -> pa.Table:
    """A row for each image, with `APPEARANCE_SCHEMA`."""
    return pa.Table.from_pylist([dataclasses.asdict(one) for one in appearances], schema=APPEARANCE_SCHEMA)


def find_faults(appearances: pa.Table, *, params: CleanParams) -> NDArray[np.int8]:
    """For each row of a table with the columns of `APPEARANCE_SCHEMA` the place of its fault in `FAULTS`, or `WITHOUT`.

    What could not be measured is under no threshold.
    """
    short_sides = pc.min_element_wise(appearances["width"], appearances["height"])
    applies = {
        "large": pc.equal(appearances["refusal"], "large"),
        "corrupt": pc.equal(appearances["refusal"], "corrupt"),
        "small": pc.less(short_sides, params.min_side_pixels),
        "blank": pc.less(appearances["contrast"], params.min_contrast),
        "blurred": pc.less(appearances["sharpness"], params.min_sharpness),
    }
    places = np.arange(len(FAULTS), dtype=np.int8)
    return np.select([_filled(applies[fault], False) for fault in FAULTS], list(places), default=np.int8(WITHOUT))


def write_table(table: pa.Table, path: Path) -> None:
    """Put findings at `path`, all or nothing."""
    stream = pa.BufferOutputStream()
    pq.write_table(table, stream, compression="zstd")
    storage.write_atomically(path, stream.getvalue().to_pybytes())


def read_table(path: Path) -> pa.Table:
    """The findings at `path`; a `CatalogueError` when there are none that can be read."""
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise CatalogueError(f"the findings in {path} cannot be read: remove it and run again") from error
    if not table.schema.equals(SCHEMA):
        raise CatalogueError(f"{path} holds no findings of this facetry: remove it and run again")
    return table


def join_tables(tables: Iterable[pa.Table]) -> pa.Table:
    """The rows of all tables one after another, their repeated texts kept once."""
    return pa.concat_tables([SCHEMA.empty_table(), *tables]).unify_dictionaries()


def read_findings(paths: Iterable[Path], *, params: CleanParams) -> Findings:
    """The findings at `paths`, one after another."""
    return Findings.of(join_tables(map(read_table, paths)), params=params)


def _filled(column: pa.ChunkedArray, value: float) -> NDArray[Any]:
    numbers: NDArray[Any] = pc.fill_null(column, value).to_numpy(zero_copy_only=False)
    return numbers


def _numbered(column: pa.ChunkedArray, names: Sequence[str]) -> NDArray[np.int8]:
    """The place of each text in `names`."""
    places = _filled(pc.index_in(column, value_set=pa.array(names)), WITHOUT)
    return places.astype(np.int8)
