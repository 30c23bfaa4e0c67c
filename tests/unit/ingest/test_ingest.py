"""Real tables in real folders become catalogues; what cannot be taken is written down."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from PIL import Image

from facetry.catalogue import Catalogue
from facetry.config import IngestParams
from facetry.errors import SourceError, StorageError, TaxonomyError
from facetry.ingest import IngestSummary, ingest
from facetry.listing import LabelSource

TAXONOMY = """
Kitchen:
  attributes: {lid: [with, without]}
  categories: {Pan: , Pot: }
"""
HEADER = "id,title,images,category,attributes,label_source"


def write_shop(folder: Path, lines: Sequence[str], *, header: str = HEADER) -> Path:
    (folder / "images").mkdir(parents=True)
    Image.new("RGB", (32, 32), "teal").save(folder / "images" / "a.jpg")
    (folder / "taxonomy.yaml").write_text(TAXONOMY)
    (folder / "listings.csv").write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return folder


def take(
    folder: Path, *, params: IngestParams | None = None
) -> tuple[IngestSummary, Catalogue, list[dict[str, object]]]:
    out = folder.parent / "out"
    summary = ingest(str(folder), params=params or IngestParams(), out=out)
    failures = [json.loads(line) for line in (out / "failures.jsonl").read_text().splitlines()]
    return summary, Catalogue.open(out), failures


def reasons(failures: Sequence[Mapping[str, object]]) -> dict[object, object]:
    return {failure["line"]: failure["reason"] for failure in failures}


def test_a_row_becomes_a_listing_with_its_picture_and_label(tmp_path: Path) -> None:
    row = '7,Big pan,images/a.jpg,Kitchen > Pan,"{""lid"": ""with""}",human'
    summary, catalogue, failures = take(write_shop(tmp_path / "shop", [row]))

    (listing,) = catalogue.listings()
    assert (listing.id, listing.title, listing.brand) == ("7", "Big pan", None)
    assert listing.images[0].data == (tmp_path / "shop/images/a.jpg").read_bytes()
    assert listing.label is not None
    assert (listing.label.category, listing.label.source) == ("Kitchen > Pan", LabelSource.HUMAN)
    assert listing.label.attributes == {"lid": "with"}
    assert failures == []
    assert summary.one_line() == "kept 1 of 1 listings, with 1 images"


def test_counts_add_up_and_every_failure_has_its_line_and_reason(tmp_path: Path) -> None:
    shop = write_shop(
        tmp_path / "shop",
        [
            "1,Pan,images/a.jpg,Kitchen > Pan,,",
            "1,Again,,,,",
            ",No id,,,,",
            "4,Bad attributes,,Kitchen > Pan,{lid,",
            "5,Unknown category,,Kitchen > Pam,,",
            "6,No leaf,,Kitchen,,",
            "7,,,,,",
            "8,Too,many,,,,cells",
            "9,Too few",
            "10,Odd source,,Kitchen > Pan,,nobody",
            "11,,images/none.jpg,,,",
            '12,"Split ""here"" or not"x,,,,',
            "13,Last,,,,",
        ],
    )
    summary, catalogue, failures = take(shop)

    assert [listing.id for listing in catalogue.listings()] == ["1", "13"]
    assert (summary.num_rows, summary.num_kept, summary.num_failed) == (13, 2, 11)
    assert summary.num_rows == summary.num_kept + len(failures)
    found = reasons(failures)
    assert found[3] == "an earlier listing has this id"
    assert found[4] == "no id"
    assert str(found[5]).startswith("attributes are not JSON")
    assert found[6] == "category 'Kitchen > Pam' is not in the taxonomy: did you mean 'Kitchen > Pan'?"
    assert found[7] == "category 'Kitchen' has categories below it: name one of those"
    assert found[8] == "neither text nor image"
    assert found[9] == "7 cells where the header has 6"
    assert found[10] == "2 cells where the header has 6"
    assert found[11] == "label_source 'nobody' is unknown: use unaudited, teacher, audited, human"
    assert found[12] == "neither text nor image; images/none.jpg is not there"
    assert found[13] == "a quoted cell goes on after its closing quote"
    assert [failure["id"] for failure in failures][:2] == ["1", None]


def test_a_listing_goes_on_without_a_picture_that_is_missing_or_oversized(tmp_path: Path) -> None:
    shop = write_shop(tmp_path / "shop", ["1,Pan,images/a.jpg;images/none.jpg;images/big.jpg,,,"])
    (shop / "images/big.jpg").write_bytes(bytes(2**20 + 1))
    summary, catalogue, failures = take(shop, params=IngestParams(max_image_megabytes=1))

    (listing,) = catalogue.listings()
    assert [image.path for image in listing.images] == ["images/a.jpg"]
    assert [(failure["id"], failure["line"], failure["image"]) for failure in failures] == [
        ("1", 2, "images/none.jpg"),
        ("1", 2, "images/big.jpg"),
    ]
    assert summary.one_line() == ("kept 1 of 1 listings, with 1 images (2 could not be taken): see failures.jsonl")


@pytest.mark.parametrize("path", ["../secret.jpg", "/etc/passwd", "images/../../secret.jpg", "images/link.jpg"])
def test_a_path_that_climbs_out_is_refused(tmp_path: Path, path: str) -> None:
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    shop = write_shop(tmp_path / "shop", [f"1,Pan,{path},,,"])
    (shop / "images/link.jpg").symlink_to(tmp_path / "secret.jpg")
    _, catalogue, failures = take(shop)

    (listing,) = catalogue.listings()
    assert listing.images == ()
    assert failures[0]["reason"] == "leads out of the source's folder"


def test_json_lines_carry_lists_and_objects(tmp_path: Path) -> None:
    shop = write_shop(tmp_path / "shop", [])
    (shop / "listings.csv").unlink()
    rows = [
        {
            "id": 1,
            "title": "Größe",
            "images": ["images/a.jpg"],
            "category": "Kitchen>Pot",
            "attributes": {"lid": "without"},
        },
        {"id": "2", "title": ["a", "list"]},
        {"id": "3", "title": "half \ud800 a character"},
        ["no object"],
    ]
    (shop / "listings.jsonl").write_text("\n".join([*map(json.dumps, rows), "{broken", ""]), encoding="utf-8")
    summary, catalogue, failures = take(shop)

    (listing,) = catalogue.listings()
    assert (listing.id, listing.title, len(listing.images)) == ("1", "Größe", 1)
    assert listing.label is not None
    assert listing.label.category == "Kitchen > Pot"
    assert (summary.num_rows, summary.num_failed) == (5, 4)
    found = reasons(failures)
    assert found[2] == "title must be text"
    assert found[3] == "a text holds half of a surrogate pair"
    assert found[4] == "not a JSON object"
    assert str(found[5]).startswith("not JSON")


def test_columns_under_other_names_are_read_and_no_others(tmp_path: Path) -> None:
    shop = write_shop(tmp_path / "shop", ["1,Pan,Not read"], header="sku,name,title")
    params = IngestParams(columns={"id": "sku", "title": "name"})
    _, catalogue, _ = take(shop, params=params)

    (listing,) = catalogue.listings()
    assert (listing.id, listing.title) == ("1", "Pan")


def test_all_missing_columns_are_named_with_those_that_are_there(tmp_path: Path) -> None:
    shop = write_shop(tmp_path / "shop", ["1,Pan"], header="sku,name")
    with pytest.raises(SourceError, match=r"no column code, label: it has sku, name; .*ingest\.columns"):
        take(shop, params=IngestParams(columns={"id": "code", "title": "name", "category": "label"}))
    with pytest.raises(SourceError, match="no column id, title or images: it has sku, name"):
        take(shop)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"id,title\n", "it has a header and no rows"),
        (b"id,title,title\n1,a,b\n", "names title more than once"),
        (b"id,title,\n1,a,\n", "column 3 of the header has no name"),
        (b"id,title\n1,a\n2,caf\xe9\n", "line 3 is not UTF-8"),
        ("id,title\n1,a\n".encode("utf-16"), "line 1 is not UTF-8"),
        (b'id,title\n1,a\n2,"never closed\n3,b\n', "line 3: unexpected end of data"),
        (b"id,title\n,a\n", "no listing of .* could be taken: the first failure, on line 2, is: no id"),
    ],
)
def test_a_table_that_cannot_be_read_fails_in_one_line_and_leaves_nothing(
    tmp_path: Path, content: bytes, message: str
) -> None:
    shop = write_shop(tmp_path / "shop", [])
    (shop / "listings.csv").write_bytes(content)
    with pytest.raises(SourceError, match=message) as failure:
        take(shop)
    assert "\n" not in str(failure.value)
    assert not (tmp_path / "out").exists()


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    shop = write_shop(tmp_path / "shop", [])
    (shop / "listings.csv").write_bytes(b"\xef\xbb\xbfid,title\r\n1,a\r\n")
    _, catalogue, _ = take(shop)
    assert [listing.title for listing in catalogue.listings()] == ["a"]


def test_a_folder_without_one_table_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no listings\.csv"):
        ingest(str(tmp_path), params=IngestParams(), out=tmp_path / "out")
    shop = write_shop(tmp_path / "shop", ["1,a,,,,"])
    (shop / "listings.jsonl").write_text("{}\n")
    with pytest.raises(SourceError, match=r"holds listings\.csv and listings\.jsonl: give the one"):
        take(shop)
    (shop / "taxonomy.yaml").unlink()
    with pytest.raises(TaxonomyError, match=r"ingest\.taxonomy"):
        ingest(str(shop / "listings.csv"), params=IngestParams(), out=tmp_path / "out")


def test_a_folder_that_holds_something_else_is_not_replaced(tmp_path: Path) -> None:
    shop = write_shop(tmp_path / "shop", ["1,a,,,,"])
    with pytest.raises(StorageError, match="holds something else"):
        ingest(str(shop), params=IngestParams(), out=shop / "images")
    assert (shop / "images/a.jpg").is_file()
