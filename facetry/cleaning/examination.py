"""Looking at every image of a catalogue, shard by shard: a killed run goes on, and parts can be looked at apart.

The findings of a shard are a file named by the shard's checksum, in a folder named by whatever else they depend on.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from facetry.catalogue import Catalogue
from facetry.cleaning.appearance import look_at, warm_up
from facetry.cleaning.decoder_settings import decoders_set
from facetry.cleaning.findings import OWNER_SCHEMA, SCHEMA, tabulate, write_table
from facetry.config import CleanParams
from facetry.listing import LabelSource
from facetry.parts import Part
from facetry.progress import ProgressLine
from facetry.revision import code_revision

Result = TypeVar("Result")

JUDGED_BY = ("min_side_pixels", "min_contrast", "min_sharpness", "duplicate_radius")
"""The parameters by which findings are judged once they are there: another value needs no other findings."""


def what_findings_depend_on(params: CleanParams) -> Mapping[str, object]:
    """The parameters that decide how an image is seen, and the revision of the code that looks."""
    seen_by = params.model_dump(mode="json", exclude=set(JUDGED_BY))
    return seen_by | {"revision": code_revision(Path(__file__).parent)}


def examine_shards(catalogue: Catalogue, *, params: CleanParams, progress: Path) -> list[Path]:
    """The findings of each shard, in order; those that an earlier run left in `progress` are not made again."""
    depends_on = json.dumps(what_findings_depend_on(params), sort_keys=True)
    folder = progress / hashlib.sha256(depends_on.encode()).hexdigest()[:16]
    folder.mkdir(exist_ok=True)
    warm_up()
    with decoders_set(max_pixels=params.max_megapixels * 1e6):
        return for_each_shard(
            partial(_examine_shard, params=params, folder=folder),
            catalogue=catalogue,
            label="examining the images of listings",
        )


def for_each_shard(work: Callable[[Catalogue], Result], *, catalogue: Catalogue, label: str) -> list[Result]:
    """What `work` makes of each shard, in order, on all cores; at any time no more shards are open than there are."""
    shards = catalogue.manifest.shards
    alone = (catalogue.part(Part(index, len(shards))) for index in range(len(shards)))
    results = []
    with ThreadPoolExecutor(os.cpu_count()) as pool, ProgressLine(label, total=len(catalogue)) as progress:
        for shard, result in zip(shards, pool.map(work, alone), strict=True):
            results.append(result)
            progress.advance(shard.num_rows)
    return results


def identify(shard: Catalogue) -> pa.Table:
    """Whose each image of a shard is, how its listing is labelled, and the digest that `look_at` gives it."""
    tables = [
        owners.append_column("digest", pa.array(map(xxhash.xxh3_128_digest, images), pa.binary(16)))
        for owners, images in _images(shard)
    ]
    return pa.concat_tables(tables)


def _examine_shard(shard: Catalogue, *, params: CleanParams, folder: Path) -> Path:
    (only,) = shard.manifest.shards
    path = folder / f"{only.sha256}.parquet"
    if not path.exists():
        write_table(pa.concat_tables(_examine_batch(*batch, params=params) for batch in _images(shard)), path)
    return path


def _examine_batch(owners: pa.Table, images: Iterable[bytes], *, params: CleanParams) -> pa.Table:
    found = tabulate(look_at(data, params=params) for data in images)
    return pa.Table.from_arrays([*owners.columns, *found.columns], schema=SCHEMA)


def _images(shard: Catalogue) -> Iterator[tuple[pa.Table, Iterator[bytes]]]:
    """The images of a shard, some at a time: a row for each with `OWNER_SCHEMA`, and their bytes."""
    for batch in shard.columns(["id", "images", "category", "label_source"]):
        place = pc.list_parent_indices(batch["images"])
        source = pc.coalesce(batch["label_source"], LabelSource.UNAUDITED.value)
        source_if_labelled = pc.if_else(pc.is_valid(batch["category"]), source, None)
        columns = [
            batch["id"].take(place),
            pa.array(np.arange(len(place)) - np.searchsorted(place, place), pa.int32()),
            batch["category"].take(place).dictionary_encode(),
            source_if_labelled.take(place).dictionary_encode(),
        ]
        encoded = pc.struct_field(pc.list_flatten(batch["images"]), "bytes")
        yield pa.Table.from_arrays(columns, schema=OWNER_SCHEMA), (data.as_py() for data in encoded)
