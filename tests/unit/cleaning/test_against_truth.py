"""A drawn shop says what it spoilt and what it repeats; cleaning must find that and nothing else."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from facetry.catalogue import Catalogue
from facetry.cleaning import clean
from facetry.config import CleanParams, DrawParams, IngestParams
from facetry.ingest import ingest
from facetry.listing import ListingImage, image_name
from facetry.synthetic import draw_listings

FAULT_OF = {"corrupt": "corrupt", "tiny": "small", "blurred": "blurred"}


@dataclass(frozen=True)
class CleanedShop:
    """The images after cleaning by path, whose they are, and what the truth file says of them."""

    images: Mapping[str, ListingImage]
    listing_ids: Mapping[str, str]
    truth: Mapping[str, Mapping[str, str | None]]

    def original(self, path: str) -> str:
        return self.truth[path]["duplicate_of"] or path

    def survivor(self, path: str) -> str | None:
        """The listing that the image is said to be a duplicate of."""
        reason, _, listing_id = (self.images[path].rejection or "").partition("duplicate of ")
        return listing_id if not reason and listing_id else None

    def clusters(self, path: str) -> frozenset[str]:
        """What the image resembles, or is resembled under: its own name is that of its place in its listing."""
        number = [other for other in self.truth if self.listing_ids[other] == self.listing_ids[path]].index(path)
        return frozenset({self.images[path].cluster or image_name(self.listing_ids[path], number)})

    def is_true_duplicate(self, path: str) -> bool:
        """Whether the survivor has the picture that this image repeats."""
        alike = {self.listing_ids[other] for other in self.truth if self.original(other) == self.original(path)}
        return self.survivor(path) in alike


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> CleanedShop:
    folder = tmp_path_factory.mktemp("shop")
    (folder / "drawn").mkdir()
    params = DrawParams(
        num_listings=300, num_brands=12, blurred_share=0.1, tiny_share=0.1, corrupt_share=0.1, duplicate_share=0.2
    )
    draw_listings(folder / "drawn", params=params)
    ingest(str(folder / "drawn"), params=IngestParams(), out=folder / "catalogue")
    clean(Catalogue.open(folder / "catalogue"), params=CleanParams(), out=folder / "clean")
    records = [json.loads(line) for line in (folder / "drawn/truth.jsonl").read_text().splitlines()]
    listings = list(Catalogue.open(folder / "clean").listings())
    return CleanedShop(
        images={image.path: image for listing in listings for image in listing.images},
        listing_ids={image.path: listing.id for listing in listings for image in listing.images},
        truth={image["path"]: image for record in records for image in record["images"]},
    )


def test_every_image_of_the_truth_is_still_there(shop: CleanedShop) -> None:
    assert shop.images.keys() == shop.truth.keys()


@pytest.mark.parametrize("defect", FAULT_OF)
def test_what_was_spoilt_is_found(shop: CleanedShop, defect: str) -> None:
    spoilt = [path for path, image in shop.truth.items() if image["defect"] == defect]
    found = [path for path in spoilt if shop.images[path].rejection == FAULT_OF[defect]]
    assert len(spoilt) > 20
    assert len(found) >= 0.98 * len(spoilt)


def test_duplicates_are_found_and_nothing_else_is_taken_for_one(shop: CleanedShop) -> None:
    claimed = [path for path in shop.images if shop.survivor(path) is not None]
    right = [path for path in claimed if shop.is_true_duplicate(path)]
    copies = [path for path, image in shop.truth.items() if image["duplicate_of"]]
    assert len(copies) > 40
    assert len(right) >= 0.99 * len(claimed)
    assert len(right) >= 0.99 * len(copies)


def test_at_most_one_good_image_of_a_hundred_is_rejected(shop: CleanedShop) -> None:
    good = [path for path, image in shop.truth.items() if image["defect"] is None]
    rejected = [path for path in good if shop.images[path].rejection and not shop.is_true_duplicate(path)]
    assert len(rejected) <= 0.01 * len(good)


def test_copies_share_a_cluster_with_their_original(shop: CleanedShop) -> None:
    copies = [path for path, image in shop.truth.items() if image["duplicate_of"]]
    together = [path for path in copies if shop.clusters(path) & shop.clusters(shop.original(path))]
    assert len(together) >= 0.99 * len(copies)
