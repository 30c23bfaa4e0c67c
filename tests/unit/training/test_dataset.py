"""Listings as examples: what is shown, what is asked for, what it counts, and what happens to broken pictures."""

import pickle
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from facetry.catalogue import Catalogue
from facetry.config import FieldMasks, TrainParams
from facetry.errors import TrainingError
from facetry.listing import TEXT_FIELDS, Label, Listing, ListingImage, Split
from facetry.training.dataset import Example, ListingDataset, class_weights, content_key, masked
from facetry.training.feed import Feed, write_feed
from facetry.training.sampling import Draw
from tests.unit.training.shops import catalogue, jpeg, listing

RED, BLUE = ListingImage(jpeg("red"), "red.jpg"), ListingImage(jpeg("blue"), "blue.jpg")
BROKEN = ListingImage(b"no picture", "broken.jpg")
NO_MASKS = FieldMasks.model_validate(dict.fromkeys(FieldMasks.model_fields, 0.0))
FULL = Listing("1", "Calm pan", "Heavy.", "Acme", "Makes pans.", (RED, BLUE), Label("Pan", {"lid": "yes"}))


def dataset_of(folder: Path, *listings: Listing, varied: bool = False, **params: object) -> ListingDataset:
    shop: Catalogue = catalogue(folder / "shop", listings)
    checked = TrainParams.model_validate(params)
    path = folder / "train.arrow"
    write_feed(shop, split=Split.TRAIN, params=checked, path=path)
    return ListingDataset(Feed(path), taxonomy=shop.taxonomy, params=checked, varied=varied)


def look(dataset: ListingDataset, index: int = 0, *, epoch: int = 0) -> Example:
    return dataset[Draw(epoch, index)]


def text_of(example: Example) -> str:
    (message,) = example.prompt.messages
    content = message["content"]
    assert isinstance(content, list)
    assert [part["type"] for part in content] == ["image"] * len(example.image_keys) + ["text"]
    return str(content[-1]["text"])


def looks_of(dataset: ListingDataset, *, epoch: int) -> list[tuple[str, int]]:
    examples = [look(dataset, index, epoch=epoch) for index in range(len(dataset))]
    return [(text_of(example), len(example.prompt.images)) for example in examples]


def fields_of(shown: Listing) -> set[str]:
    return {*shown.texts, *(["images"] if shown.images else [])}


def test_an_example_shows_a_listing_as_when_served_and_answers_with_its_label(tmp_path: Path) -> None:
    example = look(dataset_of(tmp_path, listing("1", lid="yes", images=(RED, BLUE)), prompt={"max_images": 1}))
    assert example.listing_id == "1"
    assert text_of(example) == "Title: a title\nCategory?"
    assert [image.size for image in example.prompt.images] == [(32, 32)]
    assert [part.text for part in example.answer] == ["Pan\n", "lid:", " yes\n"]
    assert example.weight == 1


def test_equal_pictures_have_equal_keys(tmp_path: Path) -> None:
    dataset = dataset_of(
        tmp_path,
        listing("1", images=(RED, BLUE)),
        listing("2", images=(ListingImage(RED.data, "again.jpg"),)),
        prompt={"max_images": 2},
    )
    assert look(dataset, 0).image_keys == (content_key(RED.data), content_key(BLUE.data))
    assert look(dataset, 1).image_keys == look(dataset, 0).image_keys[:1]
    assert len(look(dataset, 0).prompt.images) == 2


def test_each_field_is_left_out_as_often_as_its_mask_says() -> None:
    masks = FieldMasks(title=0.5, description=0.0, brand=0.1, brand_description=1.0, images=0.25)
    looks = 2000
    kept = Counter(name for epoch in range(looks) for name in fields_of(masked(FULL, masks=masks, seed=7, epoch=epoch)))
    assert {name: round(kept[name] / looks, 1) for name in (*TEXT_FIELDS, "images")} == {
        "title": 0.5,
        "description": 1.0,
        "brand": 0.9,
        "brand_description": 0.0,
        "images": pytest.approx(0.75, abs=0.06),
    }


def test_fields_are_left_out_independently_of_each_other() -> None:
    masks = FieldMasks(title=0.5, description=0.0, brand=0.5, brand_description=0.0, images=0.0)
    shown = [fields_of(masked(FULL, masks=masks, seed=7, epoch=epoch)) for epoch in range(2000)]
    both_gone = sum(not {"title", "brand"} & fields for fields in shown) / len(shown)
    assert both_gone == pytest.approx(0.25, abs=0.04)


@pytest.mark.parametrize(
    "given", [FULL, FULL.without("images"), Listing("1", title="t"), Listing("1", images=(RED,)), Listing("1")]
)
def test_one_field_always_stays(given: Listing) -> None:
    masks = FieldMasks.model_validate(dict.fromkeys(FieldMasks.model_fields, 1.0))
    kept = [fields_of(masked(given, masks=masks, seed=7, epoch=epoch)) for epoch in range(60)]
    assert {len(fields) for fields in kept} == {1 if given.says_something else 0}
    assert set().union(*kept) == fields_of(given)


def test_a_listing_looks_the_same_to_every_process_that_draws_it_and_otherwise_in_another_epoch(tmp_path: Path) -> None:
    masks = dict.fromkeys(FieldMasks.model_fields, 0.5)
    dataset = dataset_of(
        tmp_path, *(listing(str(n), images=(RED,)) for n in range(20)), varied=True, mask=masks, seed=3
    )
    copy: ListingDataset = pickle.loads(pickle.dumps(dataset))  # noqa: S301 - our own bytes
    assert looks_of(dataset, epoch=1) == looks_of(copy, epoch=1)
    assert looks_of(dataset, epoch=1) != looks_of(dataset, epoch=2)


def test_nothing_is_left_out_where_answers_are_measured(tmp_path: Path) -> None:
    masks = dict.fromkeys(FieldMasks.model_fields, 1.0)
    assert text_of(look(dataset_of(tmp_path, listing("1", images=(RED,)), mask=masks))) == "Title: a title\nCategory?"


def test_a_title_is_learnt_from_the_pictures_alone(tmp_path: Path) -> None:
    masks = dict.fromkeys(FieldMasks.model_fields, 1.0)
    given = listing("1", category=None, title="A <|image_pad|> pan", images=(RED,))
    others = [listing(name, images=(RED,)) for name in "23"]
    dataset = dataset_of(tmp_path, given, *others, learn="title", varied=True, mask=masks, class_weights="inverse")
    example = look(dataset)
    assert text_of(example) == "Title?"
    assert len(example.prompt.images) == 1
    assert [(part.text, part.is_question) for part in example.answer] == [("A pan\n", False)]
    assert example.weight == 1


def test_a_broken_picture_is_left_out_and_counted(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, listing("1", images=(BROKEN, RED, BROKEN)), prompt={"max_images": 3})
    example = look(dataset)
    assert (example.num_broken_images, len(example.prompt.images)) == (2, 1)
    assert example.image_keys == (content_key(RED.data),)


def test_a_broken_picture_leaves_the_words_even_when_their_turn_was_to_be_left_out(tmp_path: Path) -> None:
    masks = dict.fromkeys(TEXT_FIELDS, 1.0) | {"images": 0.0}
    example = look(dataset_of(tmp_path, listing("1", images=(BROKEN,)), varied=True, mask=masks))
    assert text_of(example) == "Title: a title\nCategory?"
    assert example.prompt.images == ()


def test_a_listing_with_nothing_but_broken_pictures_is_named(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, listing("A12", title=None, images=(BROKEN,)))
    with pytest.raises(TrainingError, match=r"listing 'A12' has nothing to show.*run `facetry clean`"):
        look(dataset)


def test_pictures_whose_features_are_known_are_not_decoded(tmp_path: Path) -> None:
    shop = catalogue(tmp_path / "shop", [listing("1", images=(RED,)), listing("2", images=(BLUE,))])
    path = tmp_path / "train.arrow"
    write_feed(shop, split=Split.TRAIN, params=TrainParams(), path=path)
    dataset = ListingDataset(
        Feed(path),
        taxonomy=shop.taxonomy,
        params=TrainParams(),
        varied=False,
        knows_images=lambda example: example.image_keys == (content_key(RED.data),),
    )
    known, unknown = look(dataset, 0), look(dataset, 1)
    assert (len(known.prompt.images), len(unknown.prompt.images)) == (0, 1)
    assert text_of(known) == text_of(unknown)


def test_an_example_counts_as_much_as_its_category_is_rare(tmp_path: Path) -> None:
    given = [listing("1"), listing("2"), listing("3", category="Pot")]
    dataset = dataset_of(tmp_path, *given, class_weights="inverse")
    assert [look(dataset, index).weight for index in range(3)] == pytest.approx([0.75, 0.75, 1.5])


def test_rare_categories_count_more_and_all_together_as_much_as_before() -> None:
    categories = ["Pan"] * 90 + ["Pot"] * 10
    weights = {
        kind: class_weights(categories, params=TrainParams.model_validate({"class_weights": kind}))
        for kind in ("none", "inverse", "inverse_root")
    }
    assert all(float(np.mean(each)) == pytest.approx(1) for each in weights.values())
    assert {kind: float(each[-1] / each[0]) for kind, each in weights.items()} == {
        "none": 1,
        "inverse": pytest.approx(9),
        "inverse_root": pytest.approx(3),
    }
