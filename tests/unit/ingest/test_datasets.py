"""Parquet tables, and datasets as Hugging Face keeps them, become catalogues."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from facetry.config import IngestParams
from facetry.errors import SourceError
from facetry.listing import LabelSource
from tests.unit.ingest.shop_folder import TAXONOMY, ids, reasons, take, write_table

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def write_parquet(path: Path, columns: Mapping[str, Sequence[object] | pa.Array], *, rows_per_group: int = 100) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(dict(columns)), path, row_group_size=rows_per_group)


def dataset(folder: Path) -> Path:
    """A dataset folder with what else is in one."""
    folder.mkdir()
    (folder / "README.md").write_text("# Dataset")
    (folder / "taxonomy.yaml").write_text(TAXONOMY)
    return folder


def catalogue_rows(number: int) -> dict[str, Sequence[object] | pa.Array]:
    """One row of a dataset with the columns of Shopify/product-catalogue."""
    return {
        "product_title": [f"Pan {number}"],
        "product_description": ["Of iron"],
        "product_image": pa.array([{"bytes": b"picture", "path": None}], IMAGE),
        "potential_product_categories": [["Kitchen > Pot", "Kitchen > Pan"]],
        "ground_truth_category": ["Kitchen > Pan"],
        "ground_truth_brand": ["Lodge"],
        "ground_truth_is_secondhand": [number % 2 == 0],
    }


def test_a_known_dataset_is_read_without_params(tmp_path: Path) -> None:
    shop = dataset(tmp_path / "shop")
    write_parquet(shop / "data/test-00000-of-00001.parquet", catalogue_rows(3))
    write_parquet(shop / "data/train-00001-of-00002.parquet", catalogue_rows(2))
    write_parquet(shop / "data/train-00000-of-00002.parquet", catalogue_rows(1))
    _, catalogue, failures = take(shop)

    listings = list(catalogue.listings())
    assert failures == []
    assert [listing.title for listing in listings] == ["Pan 3", "Pan 1", "Pan 2"]
    assert len(set(ids(catalogue))) == 3
    listing = listings[0]
    assert (listing.description, listing.brand) == ("Of iron", "Lodge")
    assert listing.candidates == ("Kitchen > Pot", "Kitchen > Pan")
    assert [(image.data, image.path) for image in listing.images] == [(b"picture", "image-1")]
    assert listing.label is not None
    assert (listing.label.category, listing.label.source) == ("Kitchen > Pan", LabelSource.AUDITED)
    assert [listing.label.attributes["secondhand"] for listing in listings if listing.label] == ["no", "no", "yes"]


def test_pictures_come_as_structs_as_bytes_and_as_paths(tmp_path: Path) -> None:
    shop = write_table(tmp_path / "shop", "unused.txt", b"")
    write_parquet(
        shop / "listings.parquet",
        {
            "id": [1, 2, 3],
            "title": ["Pan", "Pot", None],
            "images": pa.array(
                [
                    [{"bytes": b"one", "path": "1.jpg"}, {"bytes": None, "path": "images/a.jpg"}],
                    [{"bytes": None, "path": "../../etc/passwd"}, {"bytes": bytes(2**20 + 1), "path": "big.jpg"}, None],
                    [{"bytes": b"three", "path": None}],
                ],
                pa.list_(IMAGE),
            ),
        },
    )
    _, catalogue, failures = take(shop, params=IngestParams(max_image_megabytes=1))
    pan, pot, wordless = catalogue.listings()
    assert [image.path for image in pan.images] == ["1.jpg", "images/a.jpg"]
    assert pan.images[1].data == (shop / "images/a.jpg").read_bytes()
    assert pot.images == ()
    assert wordless.images[0].data == b"three"
    assert [(failure["line"], failure["image"], failure["reason"]) for failure in failures] == [
        (2, "../../etc/passwd", "leads out of the source's folder"),
        (2, "big.jpg", "has 1.0 MB, more than max_image_megabytes 1"),
    ]


def test_a_column_of_bytes_or_of_addresses_is_one_of_pictures(tmp_path: Path) -> None:
    for images in ([b"picture"], ["images/a.jpg"], [["images/a.jpg"]]):
        shop = tmp_path / str(images)[:5] / "shop"
        write_table(shop, "unused.txt", b"")
        write_parquet(shop / "listings.parquet", {"id": ["1"], "images": images})
        _, catalogue, _ = take(shop)
        (listing,) = catalogue.listings()
        assert len(listing.images) == 1


def test_dates_and_numbers_in_columns_of_text_are_written_out(tmp_path: Path) -> None:
    columns: dict[str, Sequence[object] | pa.Array] = {
        "id": pa.array([1.0, None, 3.0]),
        "title": [date(2026, 1, 2)] * 3,
        "description": [Decimal("12.50")] * 3,
        "brand": [datetime(2026, 1, 2, 3, 4)] * 3,
        "brand_description": pa.array(["a", "b", "a"]).dictionary_encode(),
    }
    shop = write_table(tmp_path / "shop", "unused.txt", b"")
    write_parquet(shop / "listings.parquet", columns)
    _, catalogue, failures = take(shop)
    assert ids(catalogue) == ["1", "3"]
    assert reasons(failures) == {2: "no id"}
    listing = next(catalogue.listings())
    assert (listing.title, listing.description, listing.brand, listing.brand_description) == (
        "2026-01-02",
        "12.50",
        "2026-01-02T03:04:00",
        "a",
    )


def test_cells_that_cannot_be_read_fail_their_row_alone(tmp_path: Path) -> None:
    broken = pa.array([b"Pan", b"caf\xe9", b"Pot"]).view(pa.string())
    shop = write_table(tmp_path / "shop", "unused.txt", b"")
    write_parquet(shop / "listings.parquet", {"id": ["1", "2", "3"], "title": broken, "brand": [[1], [2], None]})
    _, catalogue, failures = take(shop, params=IngestParams(columns={"id": "id", "title": "title"}))
    assert ids(catalogue) == ["1", "3"]
    assert reasons(failures) == {2: "a text is not UTF-8"}
    _, catalogue, failures = take(shop)
    assert reasons(failures) == {1: "brand must be text", 2: "a text is not UTF-8"}


def test_files_of_a_dataset_may_lack_columns_and_rows(tmp_path: Path) -> None:
    shop = dataset(tmp_path / "shop")
    write_parquet(shop / "a.parquet", {"id": ["1", "2", "3"], "title": ["a", "b", "c"]}, rows_per_group=2)
    write_parquet(shop / "b.parquet", {"id": pa.array([], pa.string()), "title": pa.array([], pa.string())})
    write_parquet(shop / "c.parquet", {"id": ["4"], "title": ["d"], "category": ["Kitchen > Pan"]})
    _, catalogue, failures = take(shop)
    assert [(listing.id, listing.label is not None) for listing in catalogue.listings()] == [
        ("1", False),
        ("2", False),
        ("3", False),
        ("4", True),
    ]
    assert failures == []


@pytest.mark.parametrize("num_bytes_left", [0, 3, 300])
def test_a_file_that_is_cut_short_is_named(tmp_path: Path, num_bytes_left: int) -> None:
    shop = dataset(tmp_path / "shop")
    for name in ("a.parquet", "b.parquet"):
        write_parquet(shop / name, {"id": [str(number) for number in range(500)], "title": ["a"] * 500})
    (shop / "b.parquet").write_bytes((shop / "b.parquet").read_bytes()[:num_bytes_left])
    with pytest.raises(SourceError, match=r"b\.parquet is cut short, damaged or no Parquet file") as caught:
        take(shop)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_damaged_inside_is_named(tmp_path: Path) -> None:
    shop = dataset(tmp_path / "shop")
    write_parquet(shop / "a.parquet", {"id": [str(number) for number in range(500)], "title": ["a"] * 500})
    whole = (shop / "a.parquet").read_bytes()
    (shop / "a.parquet").write_bytes(whole[:4] + bytes(200) + whole[204:])
    with pytest.raises(SourceError, match=r"a\.parquet is cut short, damaged or no Parquet file"):
        take(shop)
