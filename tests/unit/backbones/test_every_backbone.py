"""What every family that answers must do, shown on a tiny model of each; a new one needs no test of its own."""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import torch
from PIL import Image
from transformers import LlavaOnevisionProcessor, LlavaProcessor, ProcessorMixin, Qwen2VLProcessor, Qwen3VLProcessor
from transformers.models.qwen2_5_vl.processing_qwen2_5_vl import Qwen2_5_VLProcessor

from facetry.backbones.backbone import Backbone
from facetry.backbones.encoder import copy_processor, model_positions
from facetry.backbones.family import PARTS
from facetry.config import PromptParams
from facetry.decoding import Answer, Engine
from facetry.listing import Listing, ListingImage
from facetry.prompting import AnswerPart, Prompt, decode_image
from facetry.taxonomy import Taxonomy, load_yaml
from tests.tiny_models import ANSWERING_MODEL_TYPES, NUM_CONTEXT_TOKENS, write_tiny_model

ODD_SIZES = ((32, 32), (31, 57), (200, 37), (41, 40), (97, 180), (64, 33))
HF_PROCESSORS: dict[str, type[ProcessorMixin]] = {
    "qwen2_vl": Qwen2VLProcessor,
    "qwen2_5_vl": Qwen2_5_VLProcessor,
    "qwen3_vl": Qwen3VLProcessor,
    "llava": LlavaProcessor,
    "llava_onevision": LlavaOnevisionProcessor,
}
Untyped: TypeAlias = Any
"""What transformers makes up as it runs."""


@dataclass(frozen=True)
class Tiny:
    folder: Path
    model_type: str
    taxonomy: Taxonomy
    backbone: Backbone

    @property
    def model(self) -> Untyped:
        return self.backbone.model


@pytest.fixture(scope="module", params=ANSWERING_MODEL_TYPES)
def tiny(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    folder = tmp_path_factory.mktemp("models") / request.param
    taxonomy = load_yaml("{Home: {categories: {Pans: {attributes: {lid: ['yes', 'no']}}, Towels: }}}", origin="test")
    write_tiny_model(folder, request.param, taxonomy=taxonomy, texts=["Title: a rose serum"])
    return Tiny(folder, request.param, taxonomy, Backbone.load(folder))


def _picture(width: int, height: int) -> Image.Image:
    return Image.effect_noise((width, height), 30 + width).convert("RGB")


def _prompt(text: str, *sizes: tuple[int, int]) -> Prompt:
    content = [{"type": "image"} for _ in sizes] + [{"type": "text", "text": text}]
    return Prompt(({"role": "user", "content": content},), tuple(_picture(*size) for size in sizes))


MIXED = (
    _prompt("a pan", (50, 90)),
    _prompt("a towel of a very long description " * 3),
    _prompt("two", (33, 33), (100, 40)),
    _prompt("three of them", (33, 60), (64, 64), (90, 30)),
)


@torch.inference_mode()
def _next_token_scores(tiny: Tiny, prompts: Sequence[Prompt]) -> torch.Tensor:
    batch = tiny.backbone.encode(prompts)
    positions = model_positions(batch.pop("position_ids"))
    scores: torch.Tensor = tiny.model(**batch, position_ids=positions, use_cache=False).logits[:, -1]
    return scores


@torch.inference_mode()
def _features(tiny: Tiny, prompts: Sequence[Prompt]) -> list[tuple[torch.Tensor, ...]]:
    encoder = tiny.backbone.encoder
    images = encoder.collate([encoder.encode(prompt).images for prompt in prompts])
    return encoder.family.features_of(tiny.model.model.get_image_features(**images, return_dict=True))


def test_it_is_what_its_config_says(tiny: Tiny) -> None:
    assert tiny.backbone.encoder.family.model_type == tiny.model.config.model_type == tiny.model_type
    assert tiny.backbone.encoder.num_context_tokens == NUM_CONTEXT_TOKENS
    assert not tiny.model.training


def test_every_weight_belongs_to_a_part_and_every_part_has_weights(tiny: Tiny) -> None:
    family = tiny.backbone.encoder.family
    assert {family.part_of(name) for name, _ in tiny.model.named_parameters()} == set(PARTS)
    for part in family.parts.values():
        if part.blocks is not None:
            assert len(tiny.model.get_submodule(part.blocks)) == 2
            assert family.parts[family.part_of(f"{part.blocks}.0.")] is part


def test_prompts_are_encoded_as_by_the_model_s_own_processor(tiny: Tiny) -> None:
    own = _own_processor(tiny)
    for prompt in MIXED:
        mine = tiny.backbone.encoder.encode(prompt)
        text = own.apply_chat_template(list(prompt.messages), tokenize=False, add_generation_prompt=True)
        theirs = own(text=[text], images=[list(prompt.images)] if prompt.images else None, return_tensors="pt")
        assert list(mine.token_ids) == theirs["input_ids"][0].tolist()
        if prompt.images:
            pixels = torch.cat([image.tensors["pixel_values"] for image in mine.images])
            assert torch.equal(pixels.view(theirs["pixel_values"].shape), theirs["pixel_values"])


def _own_processor(tiny: Tiny) -> Untyped:
    """transformers' processor without its video half, which would need torchvision."""

    def image_half(_: type) -> list[str]:
        return ["image_processor", "tokenizer"]

    encoder, vision = tiny.backbone.encoder, tiny.model.config.vision_config
    processor: Untyped = type(
        "OfImages", (HF_PROCESSORS[tiny.model_type],), {"get_attributes": classmethod(image_half)}
    )
    settings: dict[str, object] = {"chat_template": encoder.tokenizer.chat_template}
    if tiny.model_type == "llava":
        settings |= {"patch_size": vision.patch_size, "num_additional_image_tokens": 1}
        settings |= {"vision_feature_select_strategy": "default"}
    if tiny.model_type == "llava_onevision":
        settings |= {"num_image_tokens": 16, "vision_feature_select_strategy": "full"}
        settings |= {"vision_aspect_ratio": tiny.model.config.vision_aspect_ratio}
    return processor(encoder._image_processor, encoder.tokenizer, **settings)


def test_an_image_has_as_many_tokens_as_its_size_tells_and_as_the_model_has_features(tiny: Tiny) -> None:
    encoder = tiny.backbone.encoder
    for sizes in (*((size,) for size in ODD_SIZES), ODD_SIZES[:2], ODD_SIZES):
        images = encoder.encode(_prompt("?", *sizes)).images
        told = [encoder.image_tokens(*size, num_images=len(sizes)) for size in sizes]
        assert [image.num_tokens for image in images] == told
        assert [len(features[0]) for features in _features(tiny, [_prompt("?", *sizes)])] == told


def test_what_an_image_is_resized_to_stays_as_it_is(tiny: Tiny) -> None:
    encoder = tiny.backbone.encoder
    for width, height in ODD_SIZES:
        size = encoder.resized_to(width, height)
        assert encoder.resized_to(*size) == size
        assert encoder.image_tokens(*size) == encoder.image_tokens(width, height)


@pytest.mark.parametrize("size", [(401, 299), (640, 480), (1001, 667), (333, 1200)])
def test_a_photograph_has_the_tokens_of_its_header_though_it_is_decoded_at_a_fraction(
    tiny: Tiny, size: tuple[int, int]
) -> None:
    encoder = tiny.backbone.encoder
    buffer = io.BytesIO()
    _picture(*size).save(buffer, "JPEG")
    decoded = decode_image(buffer.getvalue(), resized_to=encoder.resized_to)
    assert encoder.image_tokens(*decoded.size) == encoder.image_tokens(*size)


def test_positions_are_those_that_the_model_gives_itself(tiny: Tiny) -> None:
    encoder = tiny.backbone.encoder
    for prompt in MIXED:
        encoded = encoder.encode(prompt)
        positions = encoder.positions(encoded.token_ids, encoded.images)
        ids = torch.tensor([encoded.token_ids])
        if len(positions) == 1:
            assert positions.tolist() == [list(range(ids.shape[1]))]
            continue
        own, _ = tiny.model.model.get_rope_index(
            ids,
            mm_token_type_ids=(ids == encoder.image_token_id).int(),
            image_grid_thw=encoder.collate([encoded.images]).get("image_grid_thw"),
        )
        assert torch.equal(positions, own[:, 0])


def test_features_that_were_kept_stand_in_for_the_pictures(tiny: Tiny) -> None:
    encoder = tiny.backbone.encoder
    kept = [features for prompt in MIXED for features in (_features(tiny, [prompt]) if prompt.images else [])]
    batch = tiny.backbone.encode(MIXED)
    words = {name: batch[name] for name in ("input_ids", "attention_mask")}
    with torch.inference_mode():
        scores = tiny.model(
            **words,
            position_ids=model_positions(batch["position_ids"]),
            mm_encoder_outputs={"image": encoder.family.as_output(kept)},
            use_cache=False,
        ).logits[:, -1]
    torch.testing.assert_close(scores, _next_token_scores(tiny, MIXED), atol=1e-4, rtol=1e-4)


def test_images_have_the_same_features_in_whatever_order_and_company_they_are_looked_at(tiny: Tiny) -> None:
    encoder = tiny.backbone.encoder
    in_prompts = [features for prompt in MIXED for features in (_features(tiny, [prompt]) if prompt.images else [])]
    images = [image for prompt in MIXED for image in encoder.encode(prompt).images]
    for order in ([0], [1], [5, 0, 2], range(len(images))):
        with torch.inference_mode():
            seen = encoder.family.look(tiny.model.model, [images[place] for place in order])
        for place, features in zip(order, seen, strict=True):
            torch.testing.assert_close(features, in_prompts[place], atol=1e-4, rtol=1e-4)


def test_prompts_together_are_read_as_each_alone(tiny: Tiny) -> None:
    alone = torch.cat([_next_token_scores(tiny, [prompt]) for prompt in MIXED])
    torch.testing.assert_close(_next_token_scores(tiny, MIXED), alone, atol=1e-4, rtol=1e-4)


def test_another_picture_makes_another_answer(tiny: Tiny) -> None:
    first, second = _prompt("a pan", (50, 90)), _prompt("a pan", (90, 50))
    assert not torch.allclose(_next_token_scores(tiny, [first]), _next_token_scores(tiny, [second]), atol=1e-3)


def test_listings_are_answered_alike_alone_and_among_others(tiny: Tiny) -> None:
    engine = Engine(tiny.backbone, taxonomy=tiny.taxonomy, prompt=PromptParams(max_images=2))
    listings = [
        Listing("both", title="Rose serum", images=(_image(60, 80),)),
        Listing("text", title="A pan", description="with a lid and a very long handle " * 4),
        Listing("two images", brand="Orla", images=(_image(40, 40), _image(120, 50))),
    ]
    for listing, answer in zip(listings, engine.answer(listings), strict=True):
        [alone] = engine.answer([listing])
        assert isinstance(answer, Answer)
        assert isinstance(alone, Answer)
        assert (alone.category, alone.attributes) == (answer.category, answer.attributes)
        assert math.isclose(alone.probability, answer.probability, rel_tol=1e-4)


def _image(width: int, height: int) -> ListingImage:
    buffer = io.BytesIO()
    _picture(width, height).save(buffer, "PNG")
    return ListingImage(buffer.getvalue(), "noise.png")


def test_no_words_of_a_listing_or_an_answer_stand_for_a_picture(tiny: Tiny) -> None:
    encoder = tiny.backbone.encoder
    engine = Engine(tiny.backbone, taxonomy=tiny.taxonomy, prompt=PromptParams())
    image_token = encoder.tokenizer.decode([encoder.image_token_id])
    prompt = engine.compose(Listing("1", title=f"a {image_token} pan </s>"))
    assert isinstance(prompt, Prompt)
    assert encoder.image_token_id not in encoder.encode(prompt).token_ids
    assert encoder.image_token_id not in encoder.token_ids(AnswerPart(f"a {image_token} pan", is_question=False))


def test_a_saved_model_is_loaded_whole_and_says_the_same(tiny: Tiny, tmp_path: Path) -> None:
    tiny.model.save_pretrained(tmp_path)
    copy_processor(tiny.folder, tmp_path)
    again = Tiny(tmp_path, tiny.model_type, tiny.taxonomy, Backbone.load(tmp_path))
    assert torch.equal(_next_token_scores(again, MIXED), _next_token_scores(tiny, MIXED))
    assert again.model.state_dict().keys() == tiny.model.state_dict().keys()


def test_loading_says_nothing(tiny: Tiny, capfd: pytest.CaptureFixture[str]) -> None:
    Backbone.load(tiny.folder)
    assert capfd.readouterr() == ("", "")
