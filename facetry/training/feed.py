"""What a run learns from: the listings of one split in a memory-mapped Arrow file, the same for every process."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from facetry.catalogue import SCHEMA, Catalogue, listing_of_row
from facetry.config import TrainParams
from facetry.listing import TEXT_FIELDS, LabelSource, Listing, Split

CATEGORY = "category"
CHEAP_COLUMNS = tuple(name for name in SCHEMA.names if name != "images")
_Row = Mapping[str, Any]


class Feed(Sequence[Listing]):
    """The listings in a file of `write_feed`; processes that read the same file share the memory it takes."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[type["Feed"], tuple[Path]]:
        return Feed, (self._path,)

    def __len__(self) -> int:
        return int(self._starts[-1])

    @overload
    def __getitem__(self, index: int) -> Listing: ...
    @overload
    def __getitem__(self, index: slice) -> list[Listing]: ...
    def __getitem__(self, index: int | slice) -> Listing | list[Listing]:
        places = range(len(self))[index]
        return self._listing(places) if isinstance(places, int) else [self._listing(place) for place in places]

    @cached_property
    def ids(self) -> list[str]:
        return [row["id"] for row in self._column("id")]

    @cached_property
    def categories(self) -> list[str | None]:
        """The category of each listing's label, None where there is none."""
        known: dict[str | None, str | None] = {}
        return [known.setdefault(row[CATEGORY], row[CATEGORY]) for row in self._column(CATEGORY)]

    def values(self, name: str) -> list[str | None]:
        """What each listing's label says of `name`: `category`, or an attribute."""
        if name == CATEGORY:
            return self.categories
        return [_attributes(row).get(name) for row in self._column("attributes")]

    @property
    def attribute_names(self) -> list[str]:
        """The attributes that any listing's label tells, in alphabetical order."""
        return sorted({name for row in self._column("attributes") for name in _attributes(row)})

    @cached_property
    def _file(self) -> pa.RecordBatchFileReader:
        return pa.ipc.open_file(pa.memory_map(str(self._path)))

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        """The number of the first listing of each batch, and the number of listings at the end."""
        sizes = [self._file.get_batch(number).num_rows for number in range(self._file.num_record_batches)]
        return np.cumsum([0, *sizes])

    def _listing(self, place: int) -> Listing:
        batch = int(np.searchsorted(self._starts, place, side="right")) - 1
        (row,) = self._file.get_batch(batch).slice(place - int(self._starts[batch]), 1).to_pylist()
        return listing_of_row(row)

    def _column(self, name: str) -> Iterator[_Row]:
        for number in range(self._file.num_record_batches):
            yield from self._file.get_batch(number).select([name]).to_pylist()


def write_feed(
    catalogue: Catalogue, *, split: Split, params: TrainParams, path: Path, facts: Sequence[str] = ()
) -> None:
    """Write to `path` the listings of `split` that `params` lets a model learn from; it appears whole or not at all.

    With `facts` (`category`, or attributes), those that have an image and tell one of them. Of a train split no more
    than `params.max_listings`: the same for the same seed, of each category (or fact) its share, and a smaller number
    is part of a larger one.
    """
    choice = _Choice(split=split, params=params, facts=tuple(facts))
    limit = params.max_listings if split is Split.TRAIN else None
    chosen = _choose(catalogue, choice=choice, limit=limit) if limit is not None else None
    partial = path.with_name(f".{path.name}.partial")
    num_seen = 0
    with pa.ipc.new_file(str(partial), SCHEMA) as writer:
        for batch in catalogue.columns(SCHEMA.names):
            wanted = np.array([choice.takes(row) for row in batch.select(CHEAP_COLUMNS).to_pylist()], dtype=np.bool_)
            fitting = np.flatnonzero(wanted)
            if chosen is not None:
                wanted[fitting] = chosen[num_seen : num_seen + len(fitting)]
            num_seen += len(fitting)
            if wanted.any():
                writer.write_batch(batch.filter(pa.array(wanted)))
    os.replace(partial, path)


def count_fitting(catalogue: Catalogue, *, split: Split, params: TrainParams, facts: Sequence[str] = ()) -> int:
    """How many listings `write_feed` would write if there were no limit."""
    choice = _Choice(split=split, params=params, facts=tuple(facts))
    return sum(choice.takes(row) for batch in catalogue.columns(CHEAP_COLUMNS) for row in batch.to_pylist())


@dataclass(frozen=True, slots=True)
class _Choice:
    """Which listings can be learnt from, told by all but their pictures."""

    split: Split
    params: TrainParams
    facts: tuple[str, ...]

    def takes(self, row: _Row) -> bool:
        if row["split"] != self.split:
            return False
        has_image = any(rejection is None for rejection in row["image_rejections"] or ())
        if self.params.learn == "title":
            return has_image and _says(row["title"])
        if row[CATEGORY] is None or (row["label_source"] or LabelSource.UNAUDITED) not in self.params.label_sources:
            return False
        if self.facts:
            return has_image and any(value is not None for value in self._values(row))
        return has_image or any(_says(row[name]) for name in TEXT_FIELDS)

    def stratum(self, row: _Row) -> tuple[str | None, ...]:
        """Equal for listings that are alike in what is learnt from them."""
        return self._values(row) if self.facts else (row[CATEGORY],)

    def place(self, row: _Row) -> int:
        """Where the listing stands among those of its stratum; the same whatever else there is."""
        return xxhash.xxh3_64_intdigest(f"{self.params.seed} {row['id']}".encode())

    def _values(self, row: _Row) -> tuple[str | None, ...]:
        attributes = _attributes(row)
        return tuple(row[CATEGORY] if name == CATEGORY else attributes.get(name) for name in self.facts)


def _choose(catalogue: Catalogue, *, choice: _Choice, limit: int) -> NDArray[np.bool_]:
    """For each listing that `choice` takes, in order, whether it is among the first `limit` of an even order."""
    codes: dict[tuple[str | None, ...], int] = {}
    rows = (row for batch in catalogue.columns(CHEAP_COLUMNS) for row in batch.to_pylist() if choice.takes(row))
    pairs = [(codes.setdefault(choice.stratum(row), len(codes)), choice.place(row)) for row in rows]
    strata = np.array([code for code, _ in pairs], dtype=np.int64)
    places = np.array([place for _, place in pairs], dtype=np.uint64)
    chosen = np.zeros(len(pairs), dtype=np.bool_)
    chosen[even_order(strata, places)[:limit]] = True
    return chosen


def even_order(strata: NDArray[np.int64], places: NDArray[np.uint64]) -> NDArray[np.int64]:
    """An order of which every beginning has its share of each stratum; inside a stratum it goes by `places`."""
    in_turn = np.lexsort((places, strata))
    sizes = np.bincount(strata)
    ranks = np.arange(len(strata)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    shares = np.empty(len(strata))
    shares[in_turn] = (ranks + 0.5) / sizes[strata[in_turn]]
    return np.lexsort((places, shares))


def _attributes(row: _Row) -> dict[str, str]:
    found: dict[str, str] = json.loads(row["attributes"]) if row["attributes"] else {}
    return found


def _says(text: str | None) -> bool:
    return bool(text and text.strip())
