"""The order of a catalogue's listings from version to version: old ones keep their places, new ones follow.

So the shards of the old listings, which are cut by content, come out as they were, whatever order a source has.
"""

import pickle
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict

from facetry.catalogue import Catalogue, CatalogueWriter
from facetry.listing import Listing

BUCKET_BYTES = 128 * 2**20
MAX_BUCKETS = 256


class ParamsAsRecorded(BaseModel):
    """The params of a stage as a catalogue's manifest has them, to be written again."""

    model_config = ConfigDict(extra="allow")


def arranged_order(ids: pa.ChunkedArray, *, latest: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """The listings of a catalogue, by index, as they must follow each other to be arranged like the latest version."""
    places = pc.index_in(ids, value_set=latest.combine_chunks())
    after_all = np.iinfo(np.int64).max
    return np.argsort(pc.fill_null(places.cast(pa.int64()), after_all).to_numpy(), kind="stable")


def is_in_order(order: npt.NDArray[np.int64]) -> bool:
    return bool(np.array_equal(order, np.arange(len(order))))


def write_arranged(catalogue: Catalogue, *, order: npt.NDArray[np.int64], folder: Path) -> Catalogue:
    """Write the listings of `catalogue` to `folder` in this order, in memory that does not grow with their number."""
    with (
        tempfile.TemporaryDirectory(prefix="facetry-") as spool,
        CatalogueWriter(
            folder,
            stage=catalogue.manifest.stage,
            params=ParamsAsRecorded.model_validate(catalogue.manifest.params),
            taxonomy_yaml=catalogue.taxonomy_yaml,
            parent=catalogue,
        ) as writer,
    ):
        for bucket in _spool(catalogue, places=np.argsort(order), folder=Path(spool)):
            for listing in _read_in_order(bucket):
                writer.add(listing)
    return Catalogue.open(folder)


def _spool(catalogue: Catalogue, *, places: npt.NDArray[np.int64], folder: Path) -> Sequence[Path]:
    """Files of listings with their places: all places in one file come before those in the next."""
    num_bytes = sum(shard.num_bytes for shard in catalogue.manifest.shards)
    num_buckets = min(num_bytes // BUCKET_BYTES + 1, MAX_BUCKETS)
    paths = [folder / f"bucket-{number}" for number in range(num_buckets)]
    with ExitStack() as stack:
        files = [stack.enter_context(path.open("wb")) for path in paths]
        for place, listing in zip(places.tolist(), catalogue.listings(), strict=True):
            pickle.dump((place, listing), files[place * num_buckets // len(places)])
    return paths


def _read_in_order(bucket: Path) -> Iterator[Listing]:
    placed: list[tuple[int, Listing]] = []
    with bucket.open("rb") as file:
        while file.peek(1):
            placed.append(pickle.load(file))  # noqa: S301 (a private file that this process has just written)
    bucket.unlink()
    for _, listing in sorted(placed, key=lambda pair: pair[0]):
        yield listing
