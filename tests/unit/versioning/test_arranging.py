"""The order of listings from version to version."""

from pathlib import Path
from random import Random

import pyarrow as pa
import pytest

from facetry.versioning import arranging
from facetry.versioning.arranging import arranged_order, is_in_order, write_arranged
from tests.unit.versioning.shop import listing, write


def _ids(*ids: str) -> pa.ChunkedArray:
    return pa.chunked_array([list(ids)], type=pa.string())


def test_known_listings_keep_the_order_of_the_latest_version_and_new_ones_that_of_the_source() -> None:
    order = arranged_order(_ids("new-b", "c", "new-a", "a"), latest=_ids("a", "b", "c"))
    assert order.tolist() == [3, 1, 0, 2]


def test_additions_at_the_end_are_in_order_already() -> None:
    assert is_in_order(arranged_order(_ids("a", "c", "new"), latest=_ids("a", "b", "c")))
    assert is_in_order(arranged_order(_ids("b", "a"), latest=pa.chunked_array([], type=pa.string())))


def test_an_order_is_kept_across_the_pieces_that_memory_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arranging, "BUCKET_BYTES", 20_000)
    listings = [listing(number) for number in range(100)]
    mixed = Random(1).sample(listings, k=100)
    given = write(tmp_path / "given", mixed)
    (tmp_path / "arranged").mkdir()
    order = arranged_order(_ids(*(each.id for each in mixed)), latest=_ids(*(each.id for each in listings)))
    arranged = write_arranged(given, order=order, folder=tmp_path / "arranged")
    assert list(arranged.listings()) == listings
    straight = write(tmp_path / "straight", listings)
    assert [shard.sha256 for shard in arranged.manifest.shards] == [shard.sha256 for shard in straight.manifest.shards]
