"""A source that is taken in parts becomes, once merged, what it becomes in one go."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from facetry.catalogue import Catalogue, CatalogueWriter
from facetry.config import IngestParams
from facetry.errors import CatalogueError, SourceError
from facetry.ingest import merge
from facetry.ingest.stage import ingest
from facetry.listing import Listing
from facetry.parts import Part
from tests.unit.ingest.shop_folder import HEADER, TAXONOMY, content, take, write_shop, write_table

SMALL_SHARDS = IngestParams(shard_megabytes=0.01)


def rows_with_every_trouble(num_rows: int) -> list[str]:
    """Rows of which some share ids, lack pictures, or cannot be read at all."""
    rows = []
    for number in range(num_rows):
        images = {1: "images/a.jpg", 2: "images/none.jpg;images/a.jpg"}.get(number % 5, "")
        rows.append(f'{number % (num_rows * 2 // 3)},"Pan\nno {number}",{images},Kitchen > Pan,,')
        if number % 11 == 0:
            rows.append(f"x{number},too few")
        if number % 13 == 0:
            rows.append(f"y{number},,images/none.jpg,,,")
    return rows


def in_parts(source: Path, *, num_parts: int, params: IngestParams = SMALL_SHARDS) -> list[Catalogue]:
    parts = []
    for index in range(num_parts):
        out = source.parent / f"part-{index}-of-{num_parts}"
        ingest(str(source), params=params, out=out, part=Part(index, num_parts))
        parts.append(Catalogue.open(out, allow_empty=True))
    return parts


@pytest.mark.parametrize("num_parts", [1, 2, 3, 7])
def test_merged_parts_are_byte_for_byte_the_whole(tmp_path: Path, num_parts: int) -> None:
    shop = write_shop(tmp_path / "shop", rows_with_every_trouble(300))
    whole, _, failures = take(shop, params=SMALL_SHARDS)
    parts = in_parts(shop, num_parts=num_parts)
    merged = merge(list(reversed(parts)), out=tmp_path / "merged")

    assert merged == whole
    assert content(tmp_path / "merged") == content(tmp_path / "out")
    assert len(Catalogue.open(tmp_path / "merged").manifest.shards) > 3
    taken_twice = [failure for failure in failures if failure["reason"] == "an earlier listing has this id"]
    assert len(taken_twice) == 100
    assert sum(map(len, parts)) > whole.num_kept or num_parts == 1


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_every_kind_of_table_can_be_taken_in_parts(tmp_path: Path, kind: str) -> None:
    rows = [{"id": number % 90, "title": f"Pan {number}"} for number in range(100)]
    shop = write_table(tmp_path / "shop", "listings.jsonl", "\n".join(["", *map(json.dumps, rows), "{"]).encode())
    if kind == "parquet":
        (shop / "listings.jsonl").unlink()
        pq.write_table(pa.Table.from_pylist(rows[:60]), shop / "a.parquet", row_group_size=7)
        pq.write_table(pa.Table.from_pylist(rows[60:]), shop / "b.parquet", row_group_size=100)
    whole, _, _ = take(shop, params=SMALL_SHARDS)
    assert merge(in_parts(shop, num_parts=3), out=tmp_path / "merged") == whole
    assert content(tmp_path / "merged") == content(tmp_path / "out")


def test_a_part_may_keep_nothing_but_not_all_of_them(tmp_path: Path) -> None:
    shop = write_shop(tmp_path / "shop", [",no id,,,,", "2,Pan,,,,"])
    whole, _, _ = take(shop, params=SMALL_SHARDS)
    parts = in_parts(shop, num_parts=4)
    assert [len(part) for part in parts] == [0, 0, 0, 1]
    assert merge(parts, out=tmp_path / "merged") == whole
    assert content(tmp_path / "merged") == content(tmp_path / "out")

    (shop / "listings.csv").write_text(f"{HEADER}\n,no id,,,,\n")
    with pytest.raises(SourceError, match="no listing of the parts could be taken: the first failure, on line 2"):
        merge(in_parts(shop, num_parts=2), out=tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


def test_parts_that_do_not_make_a_whole_are_refused(tmp_path: Path) -> None:
    shop = write_shop(tmp_path / "one/shop", ["1,Pan,,,,", "2,Pot,,,,"])
    other = write_shop(tmp_path / "other/shop", ["3,Pan,,,,", "4,Pot,,,,"])
    first, second = in_parts(shop, num_parts=2)
    (whole,) = in_parts(shop, num_parts=1)
    for parts, message in [
        ([], "no parts are given"),
        ([first], "parts 1/2 are given: name each of the parts 1/2 to 2/2 once"),
        ([first, first], "parts 1/2, 1/2 are given"),
        ([first, in_parts(other, num_parts=2)[1]], "of different wholes"),
        ([first, second, whole], "of different wholes"),
    ]:
        with pytest.raises(CatalogueError, match=message) as caught:
            merge(parts, out=tmp_path / "merged")
        assert "\n" not in str(caught.value)


def test_parts_that_were_made_differently_are_refused(tmp_path: Path) -> None:
    shop = write_shop(tmp_path / "shop", ["1,Pan,images/a.jpg,,,", "2,Pot,images/a.jpg,,,"])
    first, _ = in_parts(shop, num_parts=2)
    _, unlike = in_parts(shop, num_parts=2, params=IngestParams(image_separator="|"))
    with pytest.raises(CatalogueError, match="ingested with different params"):
        merge([first, unlike], out=tmp_path / "merged")

    (shop / "taxonomy.yaml").write_text("Garden:\n")
    _, unlike = in_parts(shop, num_parts=2)
    with pytest.raises(CatalogueError, match="ingested with different taxonomies"):
        merge([first, unlike], out=tmp_path / "merged")


@pytest.mark.parametrize("name", ["listings.jsonl", "train.parquet"])
def test_parts_of_a_table_that_changed_in_between_are_refused(tmp_path: Path, name: str) -> None:
    shop = write_table(tmp_path / "shop", "listings.jsonl", b"")
    (shop / "listings.jsonl").unlink()
    parts = []
    for index, num_rows in enumerate((4, 2)):
        rows = [{"id": number, "title": f"Pan {number}"} for number in range(num_rows)]
        if name.endswith("parquet"):
            pq.write_table(pa.Table.from_pylist(rows), shop / name)
        else:
            (shop / name).write_text("\n".join(map(json.dumps, rows)))
        ingest(str(shop), params=SMALL_SHARDS, out=tmp_path / str(index), part=Part(index, 2))
        parts.append(Catalogue.open(tmp_path / str(index)))
    with pytest.raises(CatalogueError, match="the source changed between parts: ingest them again"):
        merge(parts, out=tmp_path / "merged")


def test_a_source_is_the_same_however_it_is_spelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_shop(tmp_path / "shop", ["1,Pan,,,,", "2,Pot,,,,"])
    monkeypatch.chdir(tmp_path)
    for index, source in enumerate(["shop", "./shop/"]):
        ingest(source, params=SMALL_SHARDS, out=tmp_path / str(index), part=Part(index, 2))
    parts = [Catalogue.open(tmp_path / str(index)) for index in range(2)]
    assert merge(parts, out=tmp_path / "merged").num_kept == 2


def test_what_another_stage_wrote_is_refused(tmp_path: Path) -> None:
    with CatalogueWriter(tmp_path, stage="clean", params=SMALL_SHARDS, taxonomy_yaml=TAXONOMY, parent=None) as writer:
        writer.add(Listing("1", title="Pan"))
    with pytest.raises(CatalogueError, match="written by the stage 'clean'"):
        merge([Catalogue.open(tmp_path)], out=tmp_path / "merged")


def test_parts_whose_records_are_damaged_are_refused(tmp_path: Path) -> None:
    shop = write_shop(tmp_path / "shop", ["1,Pan,,,,", "2,,,,,", "3,Pot,,,,", "4,,,,,"])
    for name, damage in [("part.json", "{"), ("lines.txt", "2\n3\n"), ("failures.jsonl", "{\n")]:
        parts = in_parts(shop, num_parts=2)
        (Path(parts[0].location) / name).write_text(damage)
        with pytest.raises(CatalogueError, match=f"{name}.*ingest this part again"):
            merge(parts, out=tmp_path / "merged")
    assert not (tmp_path / "merged").exists()
