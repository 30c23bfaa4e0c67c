import random

from facetry.config import TrainParams
from facetry.listing import Label, Listing, ListingImage
from facetry.taxonomy import load_yaml
from facetry.training.dataset import ListingDataset, mask_one_field

TAXONOMY = load_yaml("Pans:", origin="test")


def test_masking_takes_one_field_and_each_of_them_sometimes() -> None:
    listing = Listing("1", title="a", brand="b", images=(ListingImage(b"", "x"),), label=Label("Pans"))
    random.seed(0)
    masked = [mask_one_field(listing) for _ in range(50)]
    assert all(len(each.texts) + len(each.images) == 2 for each in masked)
    assert len({(each.title, each.brand, each.images) for each in masked}) == 3


def test_masking_never_takes_the_last_field() -> None:
    listing = Listing("1", title="a", label=Label("Pans"))
    assert mask_one_field(listing) is listing


def test_listings_without_a_label_or_without_content_are_no_examples() -> None:
    listings = [
        Listing("1", title="a"),
        Listing("2", label=Label("Pans")),
        Listing("3", title="a", label=Label("Pans")),
    ]
    assert len(ListingDataset(listings, taxonomy=TAXONOMY, params=TrainParams())) == 1
