import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facetry.backbones.clip import Clip
from facetry.backbones.dual_encoder import PairEncoder
from facetry.config import ContrastiveParams, TrainParams
from facetry.decoding.captions import learnt_facets
from facetry.errors import TrainingError
from facetry.listing import Label, Listing, ListingImage, Split
from facetry.training.contrastive.captions import CaptionTable
from facetry.training.contrastive.dataset import PictureCollator, PictureDataset
from facetry.training.contrastive.lesson import ContrastiveLesson
from facetry.training.contrastive.losses import UNKNOWN
from facetry.training.feed import Feed, write_feed
from facetry.training.sampling import Draw
from tests.unit.contrastive.shop import TAXONOMY, pan, write_shop

PARAMS = TrainParams(contrastive=ContrastiveParams(learn=("colour", "lid")), category_weight=4)
BROKEN = ListingImage(b"\xff\xd8 no picture", "broken.jpg")


def feed_of(folder: Path, listings: list[Listing], *, params: TrainParams = PARAMS) -> Feed:
    path = folder / "train.arrow"
    shop = write_shop(folder / "shop", listings)
    write_feed(shop, split=Split.TRAIN, params=params, path=path, facts=params.contrastive.learn)
    return Feed(path)


def dataset_of(model_folder: Path, feed: Feed, *, params: TrainParams = PARAMS) -> PictureDataset:
    encoder = PairEncoder.load(model_folder, family=Clip())
    captions = CaptionTable.of(learnt_facets(TAXONOMY, params=params.contrastive), encoder=encoder)
    return PictureDataset(feed, captions=captions, encoder=encoder, params=params)


def test_a_listing_without_a_picture_or_without_a_label_that_is_asked_for_is_not_learnt(
    clip_folder: Path, tmp_path: Path
) -> None:
    bare = replace(pan(2), label=Label("Home > Pan"))
    feed = feed_of(tmp_path, [pan(0), pan(1, has_image=False), bare])
    assert feed.ids == ["train-0"]


def test_what_is_not_known_of_a_listing_has_no_weight(clip_folder: Path, tmp_path: Path) -> None:
    half_known = replace(pan(1), label=Label("Home > Pan", {"lid": "no"}))
    odd = replace(pan(2), label=Label("Home > Pan", {"lid": "yes", "colour": "mauve"}))
    dataset = dataset_of(clip_folder, feed_of(tmp_path, [pan(0), half_known, odd]))
    assert dataset.values.tolist() == [[0, 4], [UNKNOWN, 5], [UNKNOWN, 4]]
    assert [dataset[Draw(0, index)].weights.tolist() for index in range(3)] == [[1, 1], [0, 1], [0, 1]]


def test_rare_values_count_more_and_so_does_the_category(clip_folder: Path, tmp_path: Path) -> None:
    params = PARAMS.model_copy(
        update={"contrastive": ContrastiveParams(learn=("category", "lid")), "class_weights": "inverse"}
    )
    feed = feed_of(tmp_path, [pan(0), pan(4), pan(8), pan(3)], params=params)
    dataset = dataset_of(clip_folder, feed, params=params)
    weights = np.stack([dataset[Draw(0, index)].weights for index in range(4)])
    assert weights[:, 1].tolist() == pytest.approx([2 / 3, 2 / 3, 2 / 3, 2])
    assert weights.mean(axis=0).tolist() == pytest.approx([4, 1])


def test_the_first_picture_that_can_be_decoded_is_looked_at(clip_folder: Path, tmp_path: Path) -> None:
    whole = pan(0)
    damaged = replace(whole, id="damaged", images=(BROKEN, *whole.images))
    dataset = dataset_of(clip_folder, feed_of(tmp_path, [whole, damaged]))
    first, second = dataset[Draw(0, 0)], dataset[Draw(0, 1)]
    assert (first.pixels == second.pixels).all()
    assert (first.num_broken_images, second.num_broken_images) == (0, 1)


def test_a_listing_with_nothing_but_broken_pictures_is_named(clip_folder: Path, tmp_path: Path) -> None:
    dataset = dataset_of(clip_folder, feed_of(tmp_path, [replace(pan(0), id="P7", images=(BROKEN,))]))
    with pytest.raises(TrainingError, match="listing 'P7' has no picture that can be decoded: run `facetry clean`"):
        dataset[Draw(0, 0)]


def test_a_process_that_loads_data_sees_the_same(clip_folder: Path, tmp_path: Path) -> None:
    dataset = dataset_of(clip_folder, feed_of(tmp_path, [pan(0), pan(1)]))
    sent: PictureDataset = pickle.loads(pickle.dumps(dataset))  # noqa: S301 - our own
    assert (sent[Draw(0, 1)].pixels == dataset[Draw(0, 1)].pixels).all()
    assert sent[Draw(0, 1)].values.tolist() == dataset[Draw(0, 1)].values.tolist()


def test_a_batch_of_nothing_is_a_blank_picture_of_which_nothing_is_known(clip_folder: Path) -> None:
    encoder = PairEncoder.load(clip_folder, family=Clip())
    batch = PictureCollator(encoder, num_facets=2)([])
    assert batch["pixel_values"].shape == (1, 3, 32, 32)
    assert (batch["values"].tolist(), batch["weights"].tolist()) == ([[UNKNOWN, UNKNOWN]], [[0, 0]])
    assert batch["listing_ids"] == []


def lesson(model_folder: Path, params: TrainParams) -> ContrastiveLesson:
    return ContrastiveLesson(str(model_folder), family=Clip(), taxonomy=TAXONOMY, params=params)


def test_a_facet_that_no_picture_tells_is_refused(clip_folder: Path, tmp_path: Path) -> None:
    feed = feed_of(tmp_path, [replace(pan(0), label=Label("Home > Pan", {"colour": "red"}))])
    with pytest.raises(TrainingError, match="no listing with an image tells its 'lid'"):
        lesson(clip_folder, PARAMS).measure(feed)


def test_labels_that_are_no_values_are_counted(
    clip_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = replace(pan(2), label=Label("Home > Pan", {"lid": "yes", "colour": "mauve"}))
    lengths = lesson(clip_folder, PARAMS).measure(feed_of(tmp_path, [pan(0), odd]))
    assert "1 labels are no value of 'colour' and are not learnt" in capsys.readouterr().out
    assert lengths.image_tokens.tolist() == [16, 16]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"learn": "title"}, r"train\.learn: title is for models that answer in words"),
        ({"metric": "category_accuracy"}, r"train\.metric: category_accuracy, but"),
    ],
)
def test_settings_that_cannot_be_met_are_refused(clip_folder: Path, changes: dict[str, str], reason: str) -> None:
    with pytest.raises(TrainingError, match=reason):
        lesson(clip_folder, PARAMS.model_copy(update=changes))
