"""Catalogues: Parquet shards of listings, and `catalogue.json`, which says what they are and where they came from.

Shards are cut by content: whether one ends after a listing depends on that listing's id and on how full the shard is.
So listings that are added or removed change the shards that they are in, and leave the bytes of the others alone.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq
import xxhash
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from facetry import storage
from facetry.errors import CatalogueError, StorageError
from facetry.listing import Label, LabelSource, Listing, ListingImage, Split
from facetry.parts import Part
from facetry.taxonomy import Taxonomy, load_yaml

SCHEMA_VERSION = 2
MANIFEST_NAME = "catalogue.json"
TAXONOMY_NAME = "taxonomy.yaml"
VERSION_NAME = "version.json"
ROW_GROUP_BYTES = 16 * 2**20
ROWS_PER_BATCH = 256
ROW_BYTES = 512
"""What a row is reckoned to take besides its images and texts."""
SHARD_MEGABYTES = 1.5
SMALLEST_SHARD, LARGEST_SHARD = 0.25, 4.0
"""In relation to the average one."""

_write_json = json.JSONEncoder(sort_keys=True).encode

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("title", pa.string()),
        ("description", pa.string()),
        ("brand", pa.string()),
        ("brand_description", pa.string()),
        ("images", pa.list_(pa.struct([("bytes", pa.binary()), ("path", pa.string())]))),
        ("image_rejections", pa.list_(pa.string())),
        ("image_clusters", pa.list_(pa.string())),
        ("category", pa.string()),
        ("candidates", pa.list_(pa.string())),
        ("attributes", pa.string()),
        ("label_source", pa.string()),
        ("split", pa.string()),
    ]
)

IMAGE_BYTES = "images.list.element.bytes"
"""As Parquet calls the one column that is compressed already."""
LISTS = ("image_rejections", "image_clusters", "candidates")
WORDS = (
    *(name for name in SCHEMA.names if name not in ("images", *LISTS)),
    "images.list.element.path",
    *(f"{name}.list.element" for name in LISTS),
)


class Shard(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    num_rows: int
    num_bytes: int
    sha256: str


class Manifest(BaseModel):
    """What `catalogue.json` holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int
    num_rows: int
    shards: tuple[Shard, ...]
    shard_megabytes: float
    taxonomy_sha256: str
    stage: str
    params: Mapping[str, object]
    parent: str | None

    @property
    def digest(self) -> str:
        """Names the content: equal digests, equal listings."""
        parts = [self.taxonomy_sha256, *(shard.sha256 for shard in self.shards)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


class VersionRecord(BaseModel):
    """What `version.json` holds, beside a catalogue that is kept as a version."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    catalogue: str
    version: str
    digest: str


class Catalogue:
    """A catalogue to read, on disk or in an object store."""

    def __init__(self, location: str, manifest: Manifest, taxonomy_yaml: str) -> None:
        self.location = location
        self.manifest = manifest
        self.taxonomy_yaml = taxonomy_yaml

    @cached_property
    def taxonomy(self) -> Taxonomy:
        return load_yaml(self.taxonomy_yaml, origin=storage.join(self.location, TAXONOMY_NAME))

    @classmethod
    def open(cls, location: str | Path, *, allow_empty: bool = False) -> "Catalogue":
        """The catalogue at `location`; its listings are read, and checked, only when asked for."""
        manifest = _read_manifest(location)
        taxonomy = storage.read_bytes(storage.join(location, TAXONOMY_NAME))
        if hashlib.sha256(taxonomy).hexdigest() != manifest.taxonomy_sha256:
            raise CatalogueError(f"{TAXONOMY_NAME} of catalogue {location} was changed: write the catalogue again")
        if manifest.num_rows == 0 and not allow_empty:
            raise CatalogueError(f"catalogue {location} is empty: the stage '{manifest.stage}' kept no listing")
        return cls(str(location), manifest, taxonomy.decode("utf-8"))

    @property
    def digest(self) -> str:
        return self.manifest.digest

    @property
    def version(self) -> str | None:
        """The version that keeps this content, as in `listings/v2`, if it is known to be one."""
        location = storage.join(self.location, VERSION_NAME)
        if not storage.exists(location):
            return None
        try:
            record = VersionRecord.model_validate_json(storage.read_bytes(location))
        except ValidationError as error:
            raise CatalogueError(f"{location} is malformed: delete it, or pull the version again") from error
        return f"{record.catalogue}/{record.version}" if record.digest == self.digest else None

    def __len__(self) -> int:
        return self.manifest.num_rows

    def part(self, part: Part) -> "Catalogue":
        """A view of the shards that are one part's share: neighbours, and as many as the others' to within one."""
        shards = part.of_sequence(self.manifest.shards)
        num_rows = sum(shard.num_rows for shard in shards)
        manifest = self.manifest.model_copy(update={"shards": tuple(shards), "num_rows": num_rows})
        return Catalogue(self.location, manifest, self.taxonomy_yaml)

    def listings(self, *, split: Split | None = None) -> Iterator[Listing]:
        """Every listing (of one split), in order."""
        for shard in self.manifest.shards:
            for batch in self._batches(shard, columns=SCHEMA.names):
                for row in batch.to_pylist():
                    if split is None or row["split"] == split.value:
                        yield listing_of_row(row)

    def columns(self, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """These columns of every listing, in order, a batch at a time; `image_rejections` tells how many images."""
        for shard in self.manifest.shards:
            yield from self._batches(shard, columns=names)

    def _batches(self, shard: Shard, *, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """A shard is checked against its checksum before it is read."""
        with storage.local_file(storage.join(self.location, shard.name)) as path:
            if storage.sha256_of(path) != shard.sha256:
                raise CatalogueError(
                    f"shard {shard.name} of catalogue {self.location} is damaged (its checksum differs): "
                    f"run the stage '{self.manifest.stage}' again"
                )
            try:
                yield from pq.ParquetFile(path).iter_batches(batch_size=ROWS_PER_BATCH, columns=list(columns))
            except pa.ArrowException as error:
                raise CatalogueError(
                    f"shard {shard.name} of catalogue {self.location} holds no listings: {error}"
                ) from error


class CatalogueWriter:
    """Writes listings into shards of a folder; the folder is a catalogue once the context has ended.

    Shards have `shard_megabytes` on average; when that is None, as many as the parent's.
    """

    def __init__(
        self,
        folder: Path,
        *,
        stage: str,
        params: BaseModel,
        taxonomy_yaml: str,
        parent: Catalogue | None,
        shard_megabytes: float | None = None,
    ) -> None:
        self._folder = folder
        self._stage = stage
        self._params = params
        self._taxonomy = taxonomy_yaml.encode("utf-8")
        self._parent = parent.digest if parent is not None else None
        if shard_megabytes is None:
            shard_megabytes = parent.manifest.shard_megabytes if parent is not None else SHARD_MEGABYTES
        self._shard_megabytes = shard_megabytes
        self._average_bytes = shard_megabytes * 2**20
        self._shard_bytes = 0
        self._rows: list[dict[str, object]] = []
        self._pending_bytes = 0
        self._rows_per_shard: list[int] = []
        self._parquet: pq.ParquetWriter | None = None

    def add(self, listing: Listing) -> None:
        num_bytes = ROW_BYTES + sum(len(image.data) for image in listing.images) + sum(map(len, listing.texts.values()))
        self._rows.append(_row(listing))
        self._pending_bytes += num_bytes
        self._shard_bytes += num_bytes
        if self._ends_shard(listing.id, num_bytes=num_bytes):
            self._flush()
            self._close_shard()
        elif self._pending_bytes >= ROW_GROUP_BYTES:
            self._flush()

    def _ends_shard(self, listing_id: str, *, num_bytes: int) -> bool:
        """Less likely below the average size than above it, so that most shards are near it."""
        fullness = self._shard_bytes / self._average_bytes
        if fullness < SMALLEST_SHARD:
            return False
        eagerness = 0.5 if fullness < 1 else 2.0
        chance = eagerness * num_bytes / self._average_bytes
        return fullness >= LARGEST_SHARD or xxhash.xxh3_64_intdigest(listing_id.encode()) < chance * 2**64

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self._flush()
        self._close_shard()
        if kind is None:
            self._commit()

    def _flush(self) -> None:
        if not self._rows:
            return
        if self._parquet is None:
            self._parquet = pq.ParquetWriter(
                self._partial_path(len(self._rows_per_shard)),
                SCHEMA,
                compression={**dict.fromkeys(WORDS, "zstd"), IMAGE_BYTES: "none"},
                use_dictionary=list(WORDS),
            )
            self._rows_per_shard.append(0)
        self._parquet.write_table(pa.Table.from_pylist(self._rows, schema=SCHEMA))
        self._rows_per_shard[-1] += len(self._rows)
        self._rows, self._pending_bytes = [], 0

    def _close_shard(self) -> None:
        if self._parquet is not None:
            self._parquet.close()
            self._parquet = None
        self._shard_bytes = 0

    def _commit(self) -> None:
        total = len(self._rows_per_shard)
        shards = []
        for index, num_rows in enumerate(self._rows_per_shard):
            path = self._partial_path(index).rename(self._folder / f"listings-{index:05d}-of-{total:05d}.parquet")
            num_bytes, sha256 = path.stat().st_size, storage.sha256_of(path)
            shards.append(Shard(name=path.name, num_rows=num_rows, num_bytes=num_bytes, sha256=sha256))
        storage.write_atomically(self._folder / TAXONOMY_NAME, self._taxonomy)
        manifest = Manifest(
            schema_version=SCHEMA_VERSION,
            num_rows=sum(self._rows_per_shard),
            shards=tuple(shards),
            shard_megabytes=self._shard_megabytes,
            taxonomy_sha256=hashlib.sha256(self._taxonomy).hexdigest(),
            stage=self._stage,
            params=self._params.model_dump(mode="json"),
            parent=self._parent,
        )
        storage.write_atomically(self._folder / MANIFEST_NAME, (manifest.model_dump_json(indent=2) + "\n").encode())

    def _partial_path(self, index: int) -> Path:
        return self._folder / f"listings-{index:05d}.parquet.partial"


def record_version(folder: Path, record: VersionRecord) -> None:
    """Let the catalogue in `folder` know which version keeps it."""
    storage.write_atomically(folder / VERSION_NAME, (record.model_dump_json(indent=2) + "\n").encode())


def _read_manifest(location: str | Path) -> Manifest:
    try:
        text = storage.read_bytes(storage.join(location, MANIFEST_NAME))
    except StorageError as error:
        raise CatalogueError(f"{location} is not a catalogue: {error}") from error
    try:
        manifest = Manifest.model_validate_json(text)
    except ValidationError as error:
        raise CatalogueError(f"{MANIFEST_NAME} of {location} is malformed: write the catalogue again") from error
    if manifest.schema_version != SCHEMA_VERSION:
        raise CatalogueError(
            f"catalogue {location} has schema version {manifest.schema_version}, this facetry reads {SCHEMA_VERSION}"
        )
    return manifest


def _row(listing: Listing) -> dict[str, object]:
    label = listing.label
    return {
        "id": listing.id,
        "title": listing.title,
        "description": listing.description,
        "brand": listing.brand,
        "brand_description": listing.brand_description,
        "images": [{"bytes": image.data, "path": image.path} for image in listing.images],
        "image_rejections": [image.rejection for image in listing.images],
        "image_clusters": [image.cluster for image in listing.images],
        "category": label.category if label else None,
        "candidates": list(listing.candidates),
        "attributes": _write_json(dict(label.attributes)) if label else None,
        "label_source": label.source.value if label else None,
        "split": listing.split.value if listing.split else None,
    }


def listing_of_row(row: Mapping[str, Any]) -> Listing:
    """The listing that a row of `SCHEMA` holds."""
    return Listing(
        id=row["id"],
        title=row["title"],
        description=row["description"],
        brand=row["brand"],
        brand_description=row["brand_description"],
        images=tuple(
            ListingImage(image["bytes"], image["path"], rejection, cluster)
            for image, rejection, cluster in zip(
                row["images"] or [], row["image_rejections"] or [], row["image_clusters"] or [], strict=True
            )
        ),
        label=_label(row),
        candidates=tuple(row["candidates"] or ()),
        split=Split(row["split"]) if row["split"] else None,
    )


def _label(row: Mapping[str, Any]) -> Label | None:
    if row["category"] is None:
        return None
    attributes = json.loads(row["attributes"]) if row["attributes"] else {}
    source = LabelSource(row["label_source"]) if row["label_source"] else LabelSource.UNAUDITED
    return Label(row["category"], attributes, source)
