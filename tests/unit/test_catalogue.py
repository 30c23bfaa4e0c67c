"""Catalogues on disk: what is written is read, and damage is named."""

import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random

import pyarrow.parquet as pq
import pytest

from facetry.catalogue import Catalogue, CatalogueWriter, VersionRecord, record_version
from facetry.cleaning import clean
from facetry.config import CleanParams, IngestParams, SplitParams
from facetry.errors import CatalogueError
from facetry.listing import Label, LabelSource, Listing, ListingImage, Split
from facetry.parts import plan
from facetry.splitting import split

TAXONOMY = "Pan:\n  attributes: {lid: [with, without]}\nPot:\n"

EVERYTHING = Listing(
    id="1",
    title="Pan — 24 cm",
    description="d",
    brand="b",
    brand_description="bd",
    images=(ListingImage(b"\x00\x01", "a.jpg"), ListingImage(b"\x02", "b.jpg", "blurred", "0#0")),
    label=Label("Pan", {"lid": "with"}, LabelSource.HUMAN),
    split=Split.TEST,
)
NOTHING = Listing(id="2", title="only a title")


def write(folder: Path, listings: Iterable[Listing], *, shard_megabytes: float = 256) -> Path:
    folder.mkdir()
    with CatalogueWriter(
        folder,
        stage="ingest",
        params=IngestParams(),
        taxonomy_yaml=TAXONOMY,
        parent=None,
        shard_megabytes=shard_megabytes,
    ) as writer:
        for listing in listings:
            writer.add(listing)
    return folder


def many(num_listings: int, *, num_bytes: int) -> list[Listing]:
    return [
        Listing(id=str(number), images=(ListingImage(bytes([number]) * num_bytes, "a.jpg"),), split=Split.TRAIN)
        for number in range(num_listings)
    ]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    catalogue = Catalogue.open(write(tmp_path / "c", [EVERYTHING, NOTHING]))
    assert list(catalogue.listings()) == [EVERYTHING, NOTHING]
    assert list(catalogue.listings(split=Split.TEST)) == [EVERYTHING]
    assert len(catalogue) == 2
    assert catalogue.taxonomy.category("Pan").attributes[0].values == ("with", "without")


def test_images_are_stored_as_datasets_reads_them(tmp_path: Path) -> None:
    folder = write(tmp_path / "c", [EVERYTHING])
    (shard,) = folder.glob("*.parquet")
    assert pq.read_table(shard)["images"].to_pylist()[0][0] == {"bytes": b"\x00\x01", "path": "a.jpg"}


def test_large_catalogues_are_split_into_shards_that_count_up(tmp_path: Path) -> None:
    noise = Random(1)
    listings = [
        Listing(id=str(number), images=(ListingImage(noise.randbytes(400_000), "a.jpg"),)) for number in range(10)
    ]
    folder = write(tmp_path / "c", listings, shard_megabytes=1)
    names = sorted(path.name for path in folder.glob("*.parquet"))
    assert len(names) > 2
    assert names[0] == f"listings-00000-of-{len(names):05d}.parquet"
    assert list(Catalogue.open(folder).listings()) == listings


def noisy(num_listings: int, *, seed: int = 1) -> list[Listing]:
    noise = Random(seed)
    return [
        Listing(id=f"{seed}-{number}", images=(ListingImage(noise.randbytes(10_000), "a.jpg"),))
        for number in range(num_listings)
    ]


def shard_digests(folder: Path) -> list[str]:
    return [shard.sha256 for shard in Catalogue.open(folder).manifest.shards]


def test_listings_added_anywhere_leave_the_bytes_of_most_shards_alone(tmp_path: Path) -> None:
    listings, added = noisy(1000), noisy(10, seed=2)
    before = shard_digests(write(tmp_path / "before", listings, shard_megabytes=0.2))
    assert 30 < len(before) < 100
    at_the_end = shard_digests(write(tmp_path / "end", [*listings, *added], shard_megabytes=0.2))
    assert len(set(at_the_end) - set(before)) <= 3
    assert at_the_end[: len(before) - 1] == before[:-1]
    amid = shard_digests(write(tmp_path / "amid", [*listings[:500], *added, *listings[500:]], shard_megabytes=0.2))
    assert len(set(amid) - set(before)) <= 5


def test_shards_are_near_the_size_asked_for_and_never_far_above_it(tmp_path: Path) -> None:
    folder = write(tmp_path / "c", noisy(1000), shard_megabytes=0.2)
    sizes = [shard.num_bytes / 2**20 for shard in Catalogue.open(folder).manifest.shards]
    assert max(sizes) < 0.2 * 4.5
    assert 0.1 < sum(sizes) / len(sizes) < 0.4


def test_shards_keep_their_size_from_stage_to_stage(tmp_path: Path) -> None:
    labelled = [dataclasses.replace(one, brand=one.id, label=Label("Pan"), title=one.id) for one in noisy(300)]
    ingested = Catalogue.open(write(tmp_path / "ingested", labelled, shard_megabytes=0.2))
    clean(ingested, params=CleanParams(), out=tmp_path / "clean")
    split(Catalogue.open(tmp_path / "clean"), params=SplitParams(), out=tmp_path / "split")
    catalogues = [ingested, *(Catalogue.open(tmp_path / stage) for stage in ("clean", "split"))]
    assert [catalogue.manifest.shard_megabytes for catalogue in catalogues] == [0.2] * 3
    rows = [[shard.num_rows for shard in catalogue.manifest.shards] for catalogue in catalogues]
    assert len(rows[0]) > 5
    assert rows[0] == rows[1] == rows[2]


def test_the_parts_of_a_catalogue_are_its_shards_each_once_and_in_order(tmp_path: Path) -> None:
    listings = noisy(300)
    whole = Catalogue.open(write(tmp_path / "c", listings, shard_megabytes=0.2))
    parts = [whole.part(part) for part in plan(4)]
    assert [listing for part in parts for listing in part.listings()] == listings
    assert sum(len(part) for part in parts) == len(whole)
    assert min(len(part) for part in parts) > 0


def test_columns_are_read_without_the_others(tmp_path: Path) -> None:
    catalogue = Catalogue.open(write(tmp_path / "c", [EVERYTHING, NOTHING]))
    (batch,) = catalogue.columns(["id", "image_rejections"])
    assert batch.schema.names == ["id", "image_rejections"]
    assert batch.to_pylist() == [
        {"id": EVERYTHING.id, "image_rejections": [image.rejection for image in EVERYTHING.images]},
        {"id": NOTHING.id, "image_rejections": []},
    ]


def test_a_damaged_shard_is_named_before_it_is_read(tmp_path: Path) -> None:
    folder = write(tmp_path / "c", many(3, num_bytes=100))
    (shard,) = folder.glob("*.parquet")
    damaged = bytearray(shard.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    shard.write_bytes(damaged)
    with pytest.raises(CatalogueError, match=f"shard {shard.name} .* is damaged"):
        next(Catalogue.open(folder).listings())


def test_an_empty_catalogue_says_which_stage_kept_nothing(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="is empty: the stage 'ingest' kept no listing"):
        Catalogue.open(write(tmp_path / "c", []))


def test_a_folder_that_is_no_catalogue_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="is not a catalogue"):
        Catalogue.open(tmp_path)
    folder = write(tmp_path / "c", [NOTHING])
    (folder / "taxonomy.yaml").write_text("Other:\n")
    with pytest.raises(CatalogueError, match=r"taxonomy\.yaml of catalogue .* was changed"):
        Catalogue.open(folder)
    (folder / "catalogue.json").write_text("{}")
    with pytest.raises(CatalogueError, match="is malformed"):
        Catalogue.open(folder)


def test_equal_listings_have_equal_digests(tmp_path: Path) -> None:
    one = Catalogue.open(write(tmp_path / "one", [EVERYTHING, NOTHING]))
    two = Catalogue.open(write(tmp_path / "two", [EVERYTHING, NOTHING]))
    other = Catalogue.open(write(tmp_path / "other", [NOTHING, EVERYTHING]))
    assert one.digest == two.digest != other.digest


def test_a_writer_that_fails_leaves_no_catalogue(tmp_path: Path) -> None:
    def listings_that_break() -> Iterator[Listing]:
        yield NOTHING
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write(tmp_path / "c", listings_that_break())
    assert not (tmp_path / "c/catalogue.json").exists()


def test_a_catalogue_knows_its_version_while_its_content_is_that_of_the_version(tmp_path: Path) -> None:
    catalogue = Catalogue.open(write(tmp_path / "given", [NOTHING]))
    assert catalogue.version is None
    record_version(tmp_path / "given", VersionRecord(catalogue="listings", version="v2", digest=catalogue.digest))
    assert Catalogue.open(tmp_path / "given").version == "listings/v2"
    record_version(tmp_path / "given", VersionRecord(catalogue="listings", version="v2", digest="of something else"))
    assert Catalogue.open(tmp_path / "given").version is None
    (tmp_path / "given/version.json").write_text("{}")
    with pytest.raises(CatalogueError, match=r"version\.json is malformed: delete it, or pull the version again"):
        _ = Catalogue.open(tmp_path / "given").version
