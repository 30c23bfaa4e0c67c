"""Real tables in real folders become catalogues; what cannot be taken is written down."""

import json
from pathlib import Path

import pytest

from facetry.config import IngestParams
from facetry.errors import SourceError, StorageError, TaxonomyError
from facetry.ingest import ingest
from facetry.listing import LabelSource
from tests.unit.ingest.shop_folder import reasons, take, write_shop, write_table


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
    assert found[5].startswith("attributes are not JSON")
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


def test_json_lines_carry_lists_and_objects(tmp_path: Path) -> None:
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
    lines = "\n".join([*map(json.dumps, rows), "{broken", ""])
    shop = write_table(tmp_path / "shop", "listings.jsonl", lines.encode())
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
    assert found[5].startswith("not JSON")


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
        (b"id,title\n", "it has no rows"),
        (b"id,title,title\n1,a,b\n", "names title more than once"),
        (b"id,title,\n1,a,\n", "column 3 of the header has no name"),
        (b"id,t\xe9tle\n1,a\n", "line 1, which names the columns, is not UTF-8"),
        ("id,title\n1,a\n".encode("utf-16"), "is UTF-16: save it as UTF-8"),
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


def test_progress_leaves_nothing_beside_a_whole_catalogue(tmp_path: Path) -> None:
    take(write_shop(tmp_path / "shop", ["1,a,,,,"]))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "shop"]


def test_further_attributes_come_from_columns_of_their_own(tmp_path: Path) -> None:
    header = "id,title,category,attributes,cover,used"
    row = '1,Pan,Kitchen > Pan,"{""lid"": ""with"", ""size"": ""big""}",without,'
    params = IngestParams(attribute_columns={"lid": "cover", "secondhand": "used"})
    _, catalogue, _ = take(write_shop(tmp_path / "shop", [row], header=header), params=params)

    (listing,) = catalogue.listings()
    assert listing.label is not None
    assert listing.label.attributes == {"lid": "without", "size": "big"}
    with pytest.raises(SourceError, match="no column age"):
        take(tmp_path / "shop", params=IngestParams(attribute_columns={"age": "age"}))


def test_candidates_are_categories_of_the_taxonomy_and_the_label_is_one_of_them(tmp_path: Path) -> None:
    shop = write_shop(
        tmp_path / "shop",
        [
            "1,Pan,Kitchen > Pan,Kitchen>Pot;Kitchen > Pan;Kitchen>Pot",
            '2,Pot,,"[""Kitchen > Pot""]"',
            "3,Pan,Kitchen > Pan,Kitchen > Pot",
            "4,Pan,,Kitchen > Wok",
            "5,Pan,,[Kitchen > Pot",
        ],
        header="id,title,category,candidates",
    )
    _, catalogue, failures = take(shop)

    first, second = catalogue.listings()
    assert first.candidates == ("Kitchen > Pot", "Kitchen > Pan")
    assert (second.candidates, second.label) == (("Kitchen > Pot",), None)
    found = reasons(failures)
    assert found[4] == "category 'Kitchen > Pan' is none of the candidates"
    assert found[5].startswith("category 'Kitchen > Wok' is not in the taxonomy")
    assert found[6].startswith("candidates are not JSON")


def test_an_id_made_of_content_stays_when_rows_move_and_labels_change(tmp_path: Path) -> None:
    params = IngestParams(id_from_content=True)
    header = "title,images,category"
    rows = ["Pan,images/a.jpg,Kitchen > Pan", "Pot,,Kitchen > Pot"]
    shop = write_shop(tmp_path / "shop", rows, header=header)
    _, catalogue, _ = take(shop, params=params)
    before = {listing.title: listing.id for listing in catalogue.listings()}
    moved = [header, "Pot,,Kitchen > Pan", "Pan,images/a.jpg,", "Pan,,"]
    (shop / "listings.csv").write_text("\n".join(moved))
    _, catalogue, _ = take(shop, params=params)

    pot, pan, bare_pan = catalogue.listings()
    assert {"Pot": pot.id, "Pan": pan.id} == before
    assert bare_pan.id not in before.values()
