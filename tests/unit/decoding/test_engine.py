"""The engine on a real, untrained Qwen2-VL: its answers are held against scoring every label one by one."""

import io
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from facetry.backbones.backbone import Backbone
from facetry.config import PromptParams
from facetry.decoding import Answer, Engine
from facetry.decoding.reading import Continuation, Reading
from facetry.errors import RequestError
from facetry.listing import Listing, ListingImage
from facetry.prompting import Prompt, category_part
from facetry.synthetic.models import write_base_model
from facetry.taxonomy import Taxonomy, load_yaml

SHOP = """
Beauty:
  attributes: {colour: [red, blue], container: [jar, bottle, tin]}
  categories: {Serum: , Mask: , Bath Oil: , Bath Salts: }
Home:
  categories:
    Pans: {attributes: {lid: ['yes', 'no']}}
    Towels:
"""


@pytest.fixture(scope="module")
def taxonomy() -> Taxonomy:
    return load_yaml(SHOP, origin="test")


@pytest.fixture(scope="module")
def model_folder(taxonomy: Taxonomy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "base-model"
    write_base_model(folder, texts=["Title: a rose serum in a bottle"] * 20, taxonomy=taxonomy, seed=3)
    return folder


@pytest.fixture(scope="module")
def engine(model_folder: Path, taxonomy: Taxonomy) -> Engine:
    backbone = Backbone.load(model_folder)
    with torch.no_grad():
        backbone.model.lm_head.weight *= 0.05  # flattens an untrained model's answers, so that all of them are in play
    return Engine(backbone, taxonomy=taxonomy, prompt=PromptParams(max_images=2))


def _encoded(image: Image.Image) -> ListingImage:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return ListingImage(buffer.getvalue(), "drawn.png")


def _image(seed: int) -> ListingImage:
    return _encoded(Image.effect_noise((120 + 40 * seed, 200), 40 + seed).convert("RGB"))


MIXED = [
    Listing("both", title="Rose serum", images=(_image(1),)),
    Listing("text", title="A pan", description="with a lid and a very long handle " * 4),
    Listing("image", images=(_image(2),)),
    Listing("two images", brand="Orla", images=(_image(3), _image(4))),
]


def _log_probability_of(engine: Engine, listing: Listing, label: str) -> float:
    """What the model makes of the prompt with a label after it, read as a whole."""
    prompt = engine.compose(listing)
    assert isinstance(prompt, Prompt)
    tokens = engine.backbone.token_ids(category_part(label))
    expected = _read_whole(engine, prompt, tokens)[-len(tokens) - 1 : -1]
    return float(expected[torch.arange(len(tokens)), tokens].sum())


def _read_whole(engine: Engine, prompt: Prompt, tokens: list[int]) -> torch.Tensor:
    """The log-probabilities of all tokens after each token of the prompt and of what follows it."""
    batch = engine.backbone.encode([prompt])
    ids = torch.cat([batch["input_ids"], torch.tensor([tokens])], dim=1)
    images = {name: batch[name] for name in ("pixel_values", "image_grid_thw") if name in batch}
    with torch.inference_mode():
        logits = engine.backbone.model(
            input_ids=ids,
            mm_token_type_ids=(ids == engine.backbone.model.config.image_token_id).int(),
            **images,
        ).logits
    log_probabilities: torch.Tensor = logits[0].double().log_softmax(dim=-1)
    return log_probabilities


def test_the_answer_is_the_most_probable_label_with_its_true_probability(engine: Engine) -> None:
    for listing, answer in zip(MIXED, engine.answer(MIXED), strict=True):
        scored = {leaf.path: _log_probability_of(engine, listing, leaf.path) for leaf in engine.taxonomy.leaves}
        best = max(scored, key=scored.__getitem__)
        assert isinstance(answer, Answer)
        assert answer.category == best
        assert math.isclose(answer.probability, math.exp(scored[best]), rel_tol=1e-4)


def test_what_is_expected_after_reading_is_what_is_expected_after_the_whole(engine: Engine) -> None:
    prompt = engine.compose(MIXED[0])
    assert isinstance(prompt, Prompt)
    first, second = engine.backbone.token_ids(category_part("Beauty > Serum")), [7, 8]
    every_token = list(range(engine.backbone.model.config.text_config.vocab_size))
    with torch.inference_mode():
        reading = Reading(engine.backbone, [prompt])
        reading.read([first])
        [tried] = reading.fork([0]).attempt([Continuation(0, second, every_token)])
        reading.read([second])
    whole = _read_whole(engine, prompt, [*first, *second])[-1].numpy()
    assert np.allclose(reading.expect(0, every_token), whole, atol=1e-5)
    assert np.allclose(tried.next_log_probabilities, whole, atol=1e-5)


def test_a_listing_is_answered_alike_alone_and_among_others(engine: Engine) -> None:
    together = engine.answer(MIXED)
    for listing, answer in zip(MIXED, together, strict=True):
        [alone] = engine.answer([listing])
        assert isinstance(answer, Answer)
        assert isinstance(alone, Answer)
        assert (alone.category, alone.attributes) == (answer.category, answer.attributes)
        assert math.isclose(alone.probability, answer.probability, rel_tol=1e-4)


def test_an_image_that_the_model_cannot_be_shown_fails_alone(engine: Engine) -> None:
    thread = Listing("thread", title="A thread", images=(_encoded(Image.new("RGB", (1000, 2))),))
    first, second = engine.answer([thread, MIXED[0]])
    assert isinstance(first, RequestError)
    assert str(first) == "an image is 1000 x 2 pixels: send one whose sides differ at most 200 times"
    assert isinstance(second, Answer)


def test_every_attribute_of_the_category_is_answered_from_its_own_values(engine: Engine) -> None:
    for answer in engine.answer(MIXED):
        assert isinstance(answer, Answer)
        attributes = {each.name: each.values for each in engine.taxonomy.category(answer.category).attributes}
        assert answer.attributes.keys() == attributes.keys() == answer.attribute_probabilities.keys()
        assert all(answer.attributes[name] in values for name, values in attributes.items())


def test_a_listing_that_cannot_be_answered_fails_alone(engine: Engine) -> None:
    empty, broken = Listing("empty"), Listing("broken", title="x", images=(ListingImage(b"<html>", "x"),))
    first, second, third, fourth = engine.answer([MIXED[0], empty, MIXED[1], broken])
    assert isinstance(second, RequestError)
    assert isinstance(fourth, RequestError)
    assert [first, third] == engine.answer([MIXED[0], MIXED[1]])
