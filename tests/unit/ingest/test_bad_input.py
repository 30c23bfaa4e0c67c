"""Whatever a table holds, each bad row is one line of failures.jsonl, and the others are taken."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from facetry.config import IngestParams
from facetry.errors import SourceError
from tests.unit.ingest.shop_folder import ids, reasons, take, write_shop, write_table


def take_csv(folder: Path, content: bytes) -> tuple[list[str], Mapping[object, str]]:
    """The ids that are taken, and the reason for each line that is not."""
    _, catalogue, failures = take(write_table(folder / "shop", "listings.csv", content))
    return ids(catalogue), reasons(failures)


def test_only_rows_with_broken_text_fail(tmp_path: Path) -> None:
    kept, found = take_csv(tmp_path, b"id,title\n1,caf\xe9\n2,caf\xc3\xa9\n3,a\0b\n\xff,x\n4,\xed\xa0\x80\n5,d\n")
    assert kept == ["2", "5"]
    assert found == {
        2: "a text is not UTF-8",
        4: "a text holds a NUL character",
        5: "a text is not UTF-8",
        6: "a text is not UTF-8",
    }


def test_broken_text_in_json_lines_fails_its_row_alone(tmp_path: Path) -> None:
    content = b'{"id": 1, "title": "caf\xe9"}\n{"id": 2, "title": "b"}\n{"id": 3, "title": "a\\u0000b"}\n'
    _, catalogue, failures = take(write_table(tmp_path / "shop", "listings.jsonl", content))
    assert ids(catalogue) == ["2"]
    assert reasons(failures) == {1: "a text is not UTF-8", 3: "a text holds a NUL character"}
    assert failures[0]["id"] == "1"


def test_a_name_that_comes_twice_in_an_object_fails_its_row_alone(tmp_path: Path) -> None:
    content = b'{"id": "20", "title": "a", "id": "21"}\n{"id": "22", "title": "b"}\n'
    _, catalogue, failures = take(write_table(tmp_path / "shop", "listings.jsonl", content))
    assert ids(catalogue) == ["22"]
    assert reasons(failures) == {1: "names id twice"}


def test_an_address_that_is_no_text_costs_its_picture_and_not_its_row(tmp_path: Path) -> None:
    content = b"id,title,images\n1,a,caf\xe9.jpg;images/a.jpg\n2,b,nul\0.jpg\n"
    _, catalogue, failures = take(write_table(tmp_path / "shop", "listings.csv", content))
    assert [[image.path for image in listing.images] for listing in catalogue.listings()] == [["images/a.jpg"], []]
    assert reasons(failures) == {2: "is not UTF-8", 3: "holds a NUL character"}
    assert all(failure["image"] for failure in failures)


def test_images_may_be_a_json_list_or_only_begin_like_one(tmp_path: Path) -> None:
    rows = ['1,a,"[""images/a.jpg"", ""images/b.jpg""]",,,', "2,b,[1].jpg;images/a.jpg,,,", "3,c,[],,,"]
    shop = write_shop(tmp_path / "shop", rows)
    for name in ("images/b.jpg", "[1].jpg"):
        (shop / name).write_bytes((shop / "images/a.jpg").read_bytes())
    _, catalogue, failures = take(shop)
    assert [[image.path for image in listing.images] for listing in catalogue.listings()] == [
        ["images/a.jpg", "images/b.jpg"],
        ["[1].jpg", "images/a.jpg"],
        [],
    ]
    assert failures == []


def test_a_quote_left_open_fails_its_row_alone(tmp_path: Path) -> None:
    rows = ["id,title", '1,"a', '2,"never closed', "3,b", '4,"quoted, well"', "5,c", '6,"left open to the end', "7,d"]
    kept, found = take_csv(tmp_path, "\n".join(rows).encode())
    assert kept == ["3", "4", "5", "7"]
    assert found == {
        2: "a quoted cell goes on after its closing quote",
        3: "a quoted cell goes on after its closing quote",
        7: "a quote is left open",
    }


def test_a_quote_left_open_in_a_long_table_costs_neither_memory_nor_rows(tmp_path: Path) -> None:
    rows = [f"{number},{'long title ' * 100}" for number in range(2000)]
    shop = write_table(tmp_path / "shop", "listings.csv", "\n".join(["id,title", '"x,a', *rows]).encode())
    _, catalogue, failures = take(shop, params=IngestParams(max_cell_megabytes=1 / 64))
    assert len(catalogue) == 2000
    assert reasons(failures) == {2: "goes on for more than 0.25 MB: is a quote left open?"}


def test_quoted_cells_may_span_lines_and_ragged_rows_say_up_to_where(tmp_path: Path) -> None:
    kept, found = take_csv(tmp_path, b'id,title\r\n1,"two\r\nlines"\r\n2,"two\nlines",more\n\n3,c\n4\n5,e\rf\n6,f\n')
    assert kept == ["1", "3", "6"]
    assert found == {
        4: "3 cells where the header has 2 (up to line 5)",
        8: "1 cells where the header has 2",
        9: "a carriage return stands in a cell without quotes",
    }


def test_cells_of_ten_megabytes_fail_their_row_and_no_other(tmp_path: Path) -> None:
    long = "x" * 10 * 2**20
    kept, found = take_csv(tmp_path, f"id,title\n1,{long}\n{long},b\n2,{long}{long}\n3,c\n".encode())
    assert kept == ["3"]
    assert found == {
        2: "title has 10.0 MB, more than max_cell_megabytes 1",
        3: "id has 10.0 MB, more than max_cell_megabytes 1",
        4: "goes on for more than 16 MB: is a quote left open?",
    }


def test_a_cell_of_ten_megabytes_is_taken_where_it_may_be(tmp_path: Path) -> None:
    shop = write_shop(tmp_path / "shop", [f"1,{'x' * 10 * 2**20},,,,"])
    _, catalogue, _ = take(shop, params=IngestParams(max_cell_megabytes=10))
    (listing,) = catalogue.listings()
    assert listing.title is not None
    assert len(listing.title) == 10 * 2**20


def test_lines_of_json_that_are_too_long_or_too_deep_fail_alone(tmp_path: Path) -> None:
    rows = [f'{{"id": 1, "title": "{"x" * 17 * 2**20}"}}', "[" * 100_000, '{"id": 3, "title": "c"}', '"text"']
    shop = write_table(tmp_path / "shop", "listings.jsonl", "\n".join(rows).encode())
    _, catalogue, failures = take(shop)
    assert ids(catalogue) == ["3"]
    found = reasons(failures)
    assert (found[1], found[4]) == ("goes on for more than 16 MB", "not a JSON object")
    assert found[2].startswith("not JSON")


def test_what_is_written_about_a_failure_is_short(tmp_path: Path) -> None:
    shop = write_shop(tmp_path / "shop", [f"1,a,,{'x' * 500_000},,", f"{'y' * 500_000},,,,,", "2,b,,,,"])
    take(shop)
    assert all(len(line) < 4000 for line in (tmp_path / "out/failures.jsonl").read_text().splitlines())


def test_numbers_and_lists_where_text_should_be(tmp_path: Path) -> None:
    rows = [
        {"id": 1, "title": 12.5},
        {"id": 2.0, "title": 7},
        {"id": 3, "title": [1, 2]},
        {"id": True, "title": "a"},
        {"id": 5, "title": {"en": "Pan"}},
        {"id": 6, "title": "a", "images": [1]},
        {"id": 7, "title": "a", "attributes": ["lid"], "category": "Kitchen > Pan"},
        {"id": 8, "title": "a", "candidates": [3]},
    ]
    shop = write_table(tmp_path / "shop", "listings.jsonl", "\n".join(map(json.dumps, rows)).encode())
    _, catalogue, failures = take(shop)
    assert [(listing.id, listing.title) for listing in catalogue.listings()] == [("1", "12.5"), ("2", "7")]
    assert reasons(failures) == {
        3: "title must be text",
        4: "id must be text",
        5: "title must be text",
        6: "images must be paths, addresses, or structs of bytes and path",
        7: "attributes must be a JSON object of names to texts",
        8: "candidates must be a list of texts",
    }


@pytest.mark.parametrize("path", ["../secret.jpg", "/etc/passwd", "images/../../secret.jpg", "images/link.jpg"])
def test_a_path_that_climbs_out_is_refused(tmp_path: Path, path: str) -> None:
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    shop = write_shop(tmp_path / "shop", [f"1,Pan,{path},,,"])
    (shop / "images/link.jpg").symlink_to(tmp_path / "secret.jpg")
    _, catalogue, failures = take(shop)

    (listing,) = catalogue.listings()
    assert listing.images == ()
    assert failures[0]["reason"] == "leads out of the source's folder"


@pytest.mark.parametrize("host", ["127.0.0.1", "169.254.169.254", "localhost", "[::1]", "10.0.0.1"])
def test_an_address_inside_the_machine_or_a_private_network_is_refused(tmp_path: Path, host: str) -> None:
    url = f"http://{host}:9/latest/meta-data.jpg"
    summary, catalogue, failures = take(write_shop(tmp_path / "shop", [f"1,Pan,{url};images/a.jpg,,,"]))
    (listing,) = catalogue.listings()
    assert [image.path for image in listing.images] == ["images/a.jpg"]
    assert failures[0]["image"] == url
    assert "allowed_networks" in str(failures[0]["reason"])
    assert summary.one_line() == "kept 1 of 1 listings, with 1 images (1 could not be taken): see failures.jsonl"


@pytest.mark.parametrize("name", ["listings.csv", "listings.jsonl", "listings.parquet"])
def test_a_table_that_is_no_such_table_is_one_line(tmp_path: Path, name: str) -> None:
    shop = write_table(tmp_path / "shop", name, bytes(range(256)) * 40)
    with pytest.raises(SourceError) as caught:
        take(shop)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()
