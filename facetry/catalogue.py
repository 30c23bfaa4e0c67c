"""Catalogues: Parquet shards of listings, and `catalogue.json`, which says what they are and where they came from."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from facetry import storage
from facetry.errors import CatalogueError, StorageError
from facetry.listing import Label, LabelSource, Listing, ListingImage, Split
from facetry.taxonomy import Taxonomy, load_yaml

SCHEMA_VERSION = 1
MANIFEST_NAME = "catalogue.json"
TAXONOMY_NAME = "taxonomy.yaml"
ROW_GROUP_BYTES = 16 * 2**20

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("title", pa.string()),
        ("description", pa.string()),
        ("brand", pa.string()),
        ("brand_description", pa.string()),
        ("images", pa.list_(pa.struct([("bytes", pa.binary()), ("path", pa.string())]))),
        ("image_rejections", pa.list_(pa.string())),
        ("category", pa.string()),
        ("attributes", pa.string()),
        ("label_source", pa.string()),
        ("split", pa.string()),
    ]
)


class Shard(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    num_rows: int
    num_bytes: int
    sha256: str


class Manifest(BaseModel):
    """What `catalogue.json` holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int
    num_rows: int
    shards: tuple[Shard, ...]
    taxonomy_sha256: str
    stage: str
    params: Mapping[str, object]
    parent: str | None

    @property
    def digest(self) -> str:
        """Names the content: equal digests, equal listings."""
        parts = [self.taxonomy_sha256, *(shard.sha256 for shard in self.shards)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


class Catalogue:
    """A catalogue to read, on disk or in an object store."""

    def __init__(self, location: str, manifest: Manifest, taxonomy_yaml: str) -> None:
        self.location = location
        self.manifest = manifest
        self.taxonomy_yaml = taxonomy_yaml
        self.taxonomy: Taxonomy = load_yaml(taxonomy_yaml, origin=storage.join(location, TAXONOMY_NAME))

    @classmethod
    def open(cls, location: str | Path) -> "Catalogue":
        """The catalogue at `location`; its listings are read, and checked, only when asked for."""
        manifest = _read_manifest(location)
        taxonomy = storage.read_bytes(storage.join(location, TAXONOMY_NAME))
        if hashlib.sha256(taxonomy).hexdigest() != manifest.taxonomy_sha256:
            raise CatalogueError(f"{TAXONOMY_NAME} of catalogue {location} was changed: write the catalogue again")
        if manifest.num_rows == 0:
            raise CatalogueError(f"catalogue {location} is empty: the stage '{manifest.stage}' kept no listing")
        return cls(str(location), manifest, taxonomy.decode("utf-8"))

    @property
    def digest(self) -> str:
        return self.manifest.digest

    def __len__(self) -> int:
        return self.manifest.num_rows

    def listings(self, *, split: Split | None = None) -> Iterator[Listing]:
        """Every listing (of one split), in order. A shard is checked against its checksum before it is read."""
        for shard in self.manifest.shards:
            with storage.local_file(storage.join(self.location, shard.name)) as path:
                if _sha256(path) != shard.sha256:
                    raise CatalogueError(
                        f"shard {shard.name} of catalogue {self.location} is damaged (its checksum differs): "
                        f"run the stage '{self.manifest.stage}' again"
                    )
                for row in _rows(path, shard=shard, location=self.location):
                    if split is None or row["split"] == split.value:
                        yield _listing(row)


class CatalogueWriter:
    """Writes listings into shards of a folder; the folder is a catalogue once the context has ended."""

    def __init__(
        self,
        folder: Path,
        *,
        stage: str,
        params: BaseModel,
        taxonomy_yaml: str,
        parent: Catalogue | None,
        shard_megabytes: int = 256,
    ) -> None:
        self._folder = folder
        self._stage = stage
        self._params = params
        self._taxonomy = taxonomy_yaml.encode("utf-8")
        self._parent = parent.digest if parent is not None else None
        self._shard_bytes = shard_megabytes * 2**20
        self._rows: list[dict[str, object]] = []
        self._pending_bytes = 0
        self._rows_per_shard: list[int] = []
        self._parquet: pq.ParquetWriter | None = None

    def add(self, listing: Listing) -> None:
        self._rows.append(_row(listing))
        self._pending_bytes += 512 + sum(len(image.data) for image in listing.images)
        if self._pending_bytes >= min(ROW_GROUP_BYTES, self._shard_bytes):
            self._flush()

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
            self._parquet = pq.ParquetWriter(self._partial_path(len(self._rows_per_shard)), SCHEMA, compression="zstd")
            self._rows_per_shard.append(0)
        self._parquet.write_table(pa.Table.from_pylist(self._rows, schema=SCHEMA))
        self._rows_per_shard[-1] += len(self._rows)
        self._rows, self._pending_bytes = [], 0
        if self._partial_path(len(self._rows_per_shard) - 1).stat().st_size >= self._shard_bytes:
            self._close_shard()

    def _close_shard(self) -> None:
        if self._parquet is not None:
            self._parquet.close()
            self._parquet = None

    def _commit(self) -> None:
        total = len(self._rows_per_shard)
        shards = []
        for index, num_rows in enumerate(self._rows_per_shard):
            path = self._partial_path(index).rename(self._folder / f"listings-{index:05d}-of-{total:05d}.parquet")
            shards.append(Shard(name=path.name, num_rows=num_rows, num_bytes=path.stat().st_size, sha256=_sha256(path)))
        storage.write_atomically(self._folder / TAXONOMY_NAME, self._taxonomy)
        manifest = Manifest(
            schema_version=SCHEMA_VERSION,
            num_rows=sum(self._rows_per_shard),
            shards=tuple(shards),
            taxonomy_sha256=hashlib.sha256(self._taxonomy).hexdigest(),
            stage=self._stage,
            params=self._params.model_dump(mode="json"),
            parent=self._parent,
        )
        storage.write_atomically(self._folder / MANIFEST_NAME, (manifest.model_dump_json(indent=2) + "\n").encode())

    def _partial_path(self, index: int) -> Path:
        return self._folder / f"listings-{index:05d}.parquet.partial"


def _rows(path: Path, *, shard: Shard, location: str) -> Iterator[Mapping[str, Any]]:
    try:
        for batch in pq.ParquetFile(path).iter_batches(batch_size=256, columns=SCHEMA.names):
            yield from batch.to_pylist()
    except pa.ArrowException as error:
        raise CatalogueError(f"shard {shard.name} of catalogue {location} holds no listings: {error}") from error


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


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
        "category": label.category if label else None,
        "attributes": json.dumps(dict(label.attributes), sort_keys=True) if label else None,
        "label_source": label.source.value if label else None,
        "split": listing.split.value if listing.split else None,
    }


def _listing(row: Mapping[str, Any]) -> Listing:
    return Listing(
        id=row["id"],
        title=row["title"],
        description=row["description"],
        brand=row["brand"],
        brand_description=row["brand_description"],
        images=tuple(
            ListingImage(image["bytes"], image["path"], rejection)
            for image, rejection in zip(row["images"] or [], row["image_rejections"] or [], strict=True)
        ),
        label=_label(row),
        split=Split(row["split"]) if row["split"] else None,
    )


def _label(row: Mapping[str, Any]) -> Label | None:
    if row["category"] is None:
        return None
    attributes = json.loads(row["attributes"]) if row["attributes"] else {}
    source = LabelSource(row["label_source"]) if row["label_source"] else LabelSource.UNAUDITED
    return Label(row["category"], attributes, source)
