"""What a run learns from: chosen as the settings say, whole, and without filling the memory."""

import os
import pickle
import subprocess
import sys
import tracemalloc
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from torch.utils.data import DataLoader, Dataset

from facetry.catalogue import Catalogue
from facetry.config import TrainParams
from facetry.errors import CatalogueError
from facetry.listing import LabelSource, Listing, ListingImage, Split
from facetry.training.feed import Feed, write_feed
from tests.unit.training.shops import catalogue, jpeg, listing

IMAGE = ListingImage(jpeg(), "a.jpg")
BLURRED = ListingImage(jpeg(), "b.jpg", rejection="blurred")
SOURCES = tuple(LabelSource)
WRITE = """
import sys, tracemalloc
from pathlib import Path
import pyarrow
from facetry.catalogue import Catalogue
from facetry.config import TrainParams
from facetry.listing import Split
from facetry.training.feed import write_feed
tracemalloc.start()
write_feed(Catalogue.open(sys.argv[1]), split=Split.TRAIN, params=TrainParams(), path=Path(sys.argv[2]))
print(tracemalloc.get_traced_memory()[1] + pyarrow.default_memory_pool().max_memory())
"""


def feed_of(
    shop: Catalogue,
    folder: Path,
    *,
    split: Split = Split.TRAIN,
    facts: Sequence[str] = (),
    **params: object,
) -> Feed:
    path = folder / f"{split}.arrow"
    write_feed(shop, split=split, params=TrainParams.model_validate(params), path=path, facts=facts)
    return Feed(path)


def shop_of(folder: Path, *listings: Listing) -> Catalogue:
    return catalogue(folder / "shop", listings)


def varied(num_listings: int) -> list[Listing]:
    """Mostly pans, some pots, few woks; a third with an image, a lid on a third of the pans."""
    return [
        listing(
            f"{number:04}",
            category="Wok" if number % 50 == 0 else "Pot" if number % 4 == 0 else "Pan",
            lid=("yes", "no")[number % 2] if number % 4 else None,
            source=SOURCES[number % len(SOURCES)],
            images=(IMAGE,) if number % 3 == 0 else (),
        )
        for number in range(num_listings)
    ]


def test_every_listing_that_can_be_learnt_from_comes_as_it_is_in_the_catalogue(tmp_path: Path) -> None:
    known = [
        listing("words"),
        listing("picture", title=None, images=(BLURRED, IMAGE)),
        listing("both", lid="yes", images=(IMAGE, IMAGE)),
    ]
    others = [
        listing("nothing but a bad picture", title=" ", images=(BLURRED,)),
        listing("no label", category=None),
        listing("another side", split=Split.TEST),
        listing("no side", split=None),
    ]
    feed = feed_of(shop_of(tmp_path, *known, *others), tmp_path)
    assert list(feed) == known
    assert feed[-1] == known[-1]
    assert feed[1:] == known[1:]
    assert feed.ids == [each.id for each in known]
    assert feed.categories == ["Pan"] * 3
    assert feed.values("lid") == [None, None, "yes"]


def test_only_labels_of_the_sources_asked_for_are_learnt(tmp_path: Path) -> None:
    shop = shop_of(tmp_path, *varied(40))
    feed = feed_of(shop, tmp_path, label_sources=["human", "teacher"])
    assert {each.label.source for each in feed if each.label} == {LabelSource.HUMAN, LabelSource.TEACHER}
    assert len(feed) == 20


def test_a_smaller_number_of_listings_is_part_of_a_larger_one_and_has_as_many_of_each_category(tmp_path: Path) -> None:
    shop = shop_of(tmp_path, *varied(400))
    shares = Counter(feed_of(shop, tmp_path).categories)
    smaller: set[str] = set()
    for number in (20, 50, 100, 200):
        feed = feed_of(shop, tmp_path, max_listings=number)
        assert len(feed) == number
        assert smaller < set(feed.ids)
        smaller = set(feed.ids)
        counts = Counter(feed.categories)
        assert all(abs(counts[name] - shares[name] * number / 400) <= 1 for name in shares)


def test_the_choice_of_listings_follows_from_the_seed(tmp_path: Path) -> None:
    shop = shop_of(tmp_path, *varied(400))
    first, same, other = (set(feed_of(shop, tmp_path, max_listings=50, seed=seed).ids) for seed in (1, 1, 2))
    assert first == same
    assert len(first & other) < 30


def test_the_number_of_listings_limits_the_train_split_only(tmp_path: Path) -> None:
    shop = shop_of(tmp_path, *(listing(str(n), split=Split.VALIDATION) for n in range(9)))
    assert len(feed_of(shop, tmp_path, split=Split.VALIDATION, max_listings=5)) == 9


def test_titles_are_learnt_from_listings_with_a_picture_whether_labelled_or_not(tmp_path: Path) -> None:
    shop = shop_of(
        tmp_path,
        listing("learnt", category=None, images=(IMAGE,)),
        listing("no title", title=None, images=(IMAGE,)),
        listing("no picture"),
        listing("no sound picture", images=(BLURRED,)),
    )
    assert feed_of(shop, tmp_path, learn="title").ids == ["learnt"]


def test_what_pictures_are_to_tell_decides_which_listings_count_and_how_they_are_spread(tmp_path: Path) -> None:
    shop = shop_of(tmp_path, *varied(400))
    feed = feed_of(shop, tmp_path, facts=["lid"], max_listings=60)
    assert all(each.usable_images for each in feed)
    assert Counter(feed.values("lid")) == {"yes": 20, "no": 40}


def test_a_feed_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    shop = catalogue(tmp_path / "shop", varied(200), shard_megabytes=0.01)
    assert len(shop.manifest.shards) > 1
    before = feed_of(shop, tmp_path).ids
    assert {path.name for path in tmp_path.iterdir()} == {"shop", "train.arrow"}
    last = tmp_path / "shop" / shop.manifest.shards[-1].name
    last.write_bytes(last.read_bytes()[:-1])
    with pytest.raises(CatalogueError, match="damaged"):
        feed_of(shop, tmp_path, max_listings=5)
    with pytest.raises(CatalogueError, match="damaged"):
        feed_of(shop, tmp_path)
    assert Feed(tmp_path / "train.arrow").ids == before


def test_a_feed_may_be_empty(tmp_path: Path) -> None:
    shop = shop_of(tmp_path, listing("1", split=Split.TEST))
    feed = feed_of(shop, tmp_path, max_listings=5)
    assert (len(feed), list(feed), feed.ids) == (0, [], [])


class Ids(Dataset[tuple[str, int]]):
    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def __len__(self) -> int:
        return len(self._feed)

    def __getitem__(self, index: int) -> tuple[str, int]:
        return self._feed[index].id, os.getpid()


def test_processes_that_load_data_read_the_same_file(tmp_path: Path) -> None:
    feed = feed_of(shop_of(tmp_path, *varied(40)), tmp_path)
    assert pickle.loads(pickle.dumps(feed)).ids == feed.ids  # noqa: S301 - our own bytes
    assert len(pickle.dumps(feed)) < 500
    loader = DataLoader(Ids(feed), num_workers=2, batch_size=None)
    read = list(loader)
    assert [name for name, _ in read] == feed.ids
    assert os.getpid() not in {process for _, process in read}


def test_writing_and_reading_take_little_memory_whatever_the_size_of_the_catalogue(tmp_path: Path) -> None:
    noise = (listing(str(number), images=(ListingImage(os.urandom(20_000), "a.jpg"),)) for number in range(2000))
    shop = catalogue(tmp_path / "shop", noise, shard_megabytes=1)
    path = tmp_path / "train.arrow"
    written = subprocess.run([sys.executable, "-c", WRITE, shop.location, path], capture_output=True, check=True)
    assert path.stat().st_size > 40e6
    assert int(written.stdout) < 25e6
    tracemalloc.start()
    feed = Feed(path)
    assert sum(len(feed[index].images[0].data) for index in range(0, len(feed), 7)) > 5e6
    assert tracemalloc.get_traced_memory()[1] < 3e6
    tracemalloc.stop()
