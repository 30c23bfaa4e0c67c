"""The engine on tiny, untrained models: its answers are held against scoring every caption with the model itself."""

import shutil
from pathlib import Path

import pytest
import torch

from facetry.backbones.dual_encoder import DualEncoder
from facetry.config import ContrastiveParams, PromptParams, TrainParams
from facetry.decoding import Answer, Engine
from facetry.decoding.caption_engine import CaptionEngine
from facetry.decoding.checkpoint import CARD_NAME, TAXONOMY_NAME, CheckpointCard
from facetry.errors import CheckpointError, ReleaseError, RequestError
from facetry.listing import Listing, ListingImage
from facetry.prompting import decode_image
from facetry.release.parity import engine_of
from facetry.storage import write_atomically
from tests.unit.contrastive.shop import TAXONOMY, TAXONOMY_YAML, pan, picture
from tests.unit.contrastive.test_dual_encoders import family_of

LISTINGS = [pan(0), Listing("shirt", title="a shirt", images=(picture("black", has_lid=False),))]


def checkpoint(model_folder: Path, folder: Path, *learn: str, stages: tuple[dict[str, object], ...] = ()) -> Path:
    params = TrainParams(contrastive=ContrastiveParams(learn=learn), stages=stages)
    card = CheckpointCard(
        base_model="clip",
        data_revision="d",
        code_revision="c",
        prompt=PromptParams(),
        params=params.model_dump(mode="json"),
        summary={},
    )
    shutil.copytree(model_folder, folder)
    write_atomically(folder / CARD_NAME, card.model_dump_json().encode())
    write_atomically(folder / TAXONOMY_NAME, TAXONOMY_YAML.encode())
    return folder


def fits(model_folder: Path, listing: Listing, captions: list[str]) -> torch.Tensor:
    """The probability of each caption by the model's own forward."""
    dual_encoder = DualEncoder.load(model_folder, family=family_of(model_folder))
    pixels = dual_encoder.encoder.encode_image(decode_image(listing.images[0].data))[None]
    arguments = dual_encoder.encoder.encode_captions(captions)
    with torch.inference_mode():
        logits: torch.Tensor = dual_encoder.model(pixel_values=pixels, **arguments).logits_per_image[0]
    return logits.double().softmax(dim=0)


def test_the_answer_is_the_caption_that_fits_best_with_its_probability(model_folder: Path, tmp_path: Path) -> None:
    engine = Engine.load(checkpoint(model_folder, tmp_path / "checkpoint", "category", "colour", "lid"))
    assert isinstance(engine, CaptionEngine)
    for listing, answer in zip(LISTINGS, engine.answer(LISTINGS), strict=True):
        assert isinstance(answer, Answer)
        category = fits(model_folder, listing, ["Pan", "Pot", "T-Shirt", "Dress"])
        assert answer.category == TAXONOMY.leaves[int(category.argmax())].path
        assert answer.probability == pytest.approx(float(category.max()), rel=1e-4)
        values = {each.name: each.values for each in TAXONOMY.category(answer.category).attributes}
        assert answer.attributes.keys() == values.keys()
        for name, said in answer.attributes.items():
            colour = fits(model_folder, listing, list(values[name]))
            assert said == values[name][int(colour.argmax())]
            assert answer.attribute_probabilities[name] == pytest.approx(float(colour.max()), rel=1e-4)


def test_where_the_category_was_not_learnt_it_does_not_decide_which_attributes_are_told(
    clip_folder: Path, tmp_path: Path
) -> None:
    answers = Engine.load(checkpoint(clip_folder, tmp_path / "checkpoint", "lid")).answer(LISTINGS)
    for answer in answers:
        assert isinstance(answer, Answer)
        assert answer.category in TAXONOMY.by_path
        assert answer.attributes.keys() == {"lid"}


def test_the_last_of_several_runs_says_what_was_learnt(clip_folder: Path, tmp_path: Path) -> None:
    stages: tuple[dict[str, object], ...] = ({}, {"contrastive": {"learn": ["colour"]}})
    (answer,) = Engine.load(checkpoint(clip_folder, tmp_path / "checkpoint", "lid", stages=stages)).answer(LISTINGS[:1])
    assert isinstance(answer, Answer)
    assert answer.attributes.keys() == {"colour"}


def test_a_listing_without_a_sound_picture_fails_alone(clip_folder: Path, tmp_path: Path) -> None:
    engine = Engine.load(checkpoint(clip_folder, tmp_path / "checkpoint", "category"))
    words = Listing("words", title="a pan")
    broken = Listing("broken", images=(ListingImage(b"<html>", "x"),))
    first, second, third, fourth = engine.answer([LISTINGS[0], words, broken, LISTINGS[1]])
    assert isinstance(second, RequestError)
    assert isinstance(third, RequestError)
    assert "no image" in str(second)
    assert [first, fourth] == engine.answer(LISTINGS)


def test_a_checkpoint_that_does_not_tell_its_captions_is_refused(clip_folder: Path, tmp_path: Path) -> None:
    folder = checkpoint(clip_folder, tmp_path / "checkpoint", "lid")
    card = CheckpointCard.model_validate_json((folder / CARD_NAME).read_bytes())
    write_atomically(folder / CARD_NAME, card.model_copy(update={"params": {}}).model_dump_json().encode())
    with pytest.raises(CheckpointError, match="does not tell its captions: train it again"):
        Engine.load(folder)


def test_it_cannot_be_released_yet(clip_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="a CLIP or SigLIP checkpoint cannot be released yet"):
        engine_of(checkpoint(clip_folder, tmp_path / "checkpoint", "lid"))
