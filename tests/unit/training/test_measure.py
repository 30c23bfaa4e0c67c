"""What is measured of a listing is what it takes when it is learnt, whatever the model makes of its images."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facetry.backbones.encoder import PromptEncoder
from facetry.config import PromptParams, TrainParams
from facetry.errors import TrainingError
from facetry.listing import Listing, ListingImage, Split
from facetry.taxonomy import load_yaml
from facetry.training.batching import IGNORED, Packer
from facetry.training.dataset import ListingDataset
from facetry.training.feed import Feed, write_feed
from facetry.training.measure import Lengths, measure
from facetry.training.sampling import Draw
from tests.tiny_models import ANSWERING_MODEL_TYPES, NUM_CONTEXT_TOKENS, write_tiny_model
from tests.unit.training.shops import TAXONOMY, catalogue, jpeg, listing

PARAMS = TrainParams(prompt=PromptParams(max_images=2))
TREE = load_yaml(TAXONOMY, origin="the test")


def picture(width: int, height: int, *, orientation: int = 1) -> ListingImage:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(data, format="JPEG", exif=exif)
    return ListingImage(data.getvalue(), "a.jpg")


LISTINGS = (
    listing("words"),
    listing("wide", images=(picture(131, 40),), lid="yes"),
    listing("turned", images=(picture(90, 64, orientation=6),), title=None),
    listing("three", images=(picture(64, 64), picture(50, 70), picture(30, 30)), title="a pan " * 20),
    listing("unreadable", images=(ListingImage(b"no picture", "b.jpg"),)),
    listing("cut off", images=(ListingImage(jpeg(side=64)[:200], "c.jpg"), picture(64, 64)), category="Wok"),
)


def feed_of(folder: Path, *listings: Listing, params: TrainParams = PARAMS) -> Feed:
    write_feed(catalogue(folder / "shop", listings), split=Split.TRAIN, params=params, path=folder / "train.arrow")
    return Feed(folder / "train.arrow")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> PromptEncoder:
    folder = tmp_path_factory.mktemp("model")
    write_tiny_model(folder, "qwen2_vl", taxonomy=TREE)
    return PromptEncoder.load(folder)


@pytest.mark.parametrize("model_type", ANSWERING_MODEL_TYPES)
def test_a_listing_is_as_long_as_it_is_in_a_packed_row(tmp_path: Path, model_type: str) -> None:
    write_tiny_model(tmp_path, model_type, taxonomy=TREE)
    encoder = PromptEncoder.load(tmp_path)
    feed = feed_of(tmp_path, *LISTINGS)
    lengths = measure(feed, encoder=encoder, taxonomy=TREE, params=PARAMS)
    examples = ListingDataset(feed, taxonomy=TREE, params=PARAMS, varied=False)
    pack = Packer(encoder, category_weight=1.0)
    for index, name in enumerate(feed.ids):
        batch = pack([examples[Draw(0, index)]])
        num_tokens = int((batch["owners"] == 0).sum())
        if name in ("unreadable", "cut off"):  # only decoding them would tell that they are left out
            assert num_tokens <= lengths.total[index], name
        else:
            assert num_tokens == lengths.total[index], name
        assert lengths.answer_tokens[index] == (batch["targets"] != IGNORED).sum(), name
    assert lengths.image_tokens[feed.ids.index("words")] == 0


def test_a_title_is_measured_as_an_answer(tmp_path: Path, encoder: PromptEncoder) -> None:
    params = TrainParams(learn="title")
    one = listing("A", images=(picture(64, 64),), title="a pan", category=None)
    longer = listing("B", images=(picture(64, 64),), title="a pan of iron", category=None)
    lengths = measure(feed_of(tmp_path, one, longer, params=params), encoder=encoder, taxonomy=TREE, params=params)
    more = lengths.answer_tokens[1] - lengths.answer_tokens[0]
    assert more > 0
    assert lengths.text_tokens[1] - lengths.text_tokens[0] == more


def test_a_listing_longer_than_the_model_reads_is_named_with_its_numbers(
    tmp_path: Path, encoder: PromptEncoder
) -> None:
    params = TrainParams(prompt=PromptParams(max_field_characters=100_000))
    long = listing("A12", title="xyzzy " * NUM_CONTEXT_TOKENS, images=(picture(96, 96),))
    told = (
        rf"listing 'A12' takes \d+ tokens \(\d+ of text, 36 of 1 image\), the model reads {NUM_CONTEXT_TOKENS}: lower"
    )
    with pytest.raises(TrainingError, match=told):
        measure(feed_of(tmp_path, listing("A11"), long), encoder=encoder, taxonomy=TREE, params=params)


def test_an_image_that_the_model_cannot_be_shown_is_named(tmp_path: Path, encoder: PromptEncoder) -> None:
    with pytest.raises(TrainingError, match="listing 'A12': an image is 900 x 4 pixels"):
        measure(
            feed_of(tmp_path, listing("A12", images=(picture(900, 4),))), encoder=encoder, taxonomy=TREE, params=PARAMS
        )


def test_lengths_are_read_as_they_were_written(tmp_path: Path) -> None:
    lengths = Lengths(*(np.arange(5, dtype=np.int32) + part for part in range(3)))
    lengths.save(tmp_path / "lengths.npz")
    read = Lengths.load(tmp_path / "lengths.npz")
    assert read.total.tolist() == lengths.total.tolist() == [1, 3, 5, 7, 9]
    assert read.answer_tokens.tolist() == [2, 3, 4, 5, 6]
    assert [file.name for file in tmp_path.iterdir()] == ["lengths.npz"]


def test_lengths_are_told_as_quantiles() -> None:
    text, image = np.arange(1, 101, dtype=np.int32), np.full(100, 5, dtype=np.int32)
    assert Lengths(text, image, text).describe() == (
        "100 listings, in tokens: half of them up to 56, 95% up to 101, the longest 105\n"
        "their images: half of them up to 5, 95% up to 5, the longest 5"
    )
