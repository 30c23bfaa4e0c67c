"""Packed rows: nothing padded, nothing mixed, and the loss where it belongs."""

import pickle
from pathlib import Path

import pytest
import torch
from PIL import Image

from facetry.backbones.backbone import Backbone
from facetry.prompting import AnswerPart, Prompt
from facetry.taxonomy import load_yaml
from facetry.training.batching import ATTRIBUTE, CATEGORY, IGNORED, Batch, LearntTokens, Packer, learn
from facetry.training.dataset import Example
from facetry.training.features import FeatureStore, encode_images, fill
from facetry.training.segments import attend_within_segments
from tests.tiny_models import ANSWERING_MODEL_TYPES, write_tiny_model

TAXONOMY = load_yaml("Pans: {attributes: {lid: ['yes', 'no']}}", origin="test")
ANSWER = (AnswerPart("Pans\n", False), AnswerPart("lid:", True), AnswerPart(" yes\n", False))
SIDES = ((60, 90), (130, 70))


@pytest.fixture(scope="module", params=ANSWERING_MODEL_TYPES)
def backbone(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    folder = tmp_path_factory.mktemp("model") / str(request.param)
    write_tiny_model(folder, request.param, taxonomy=TAXONOMY, texts=["a pan with a lid", "much longer"])
    loaded = Backbone.load(folder)
    attend_within_segments(loaded.model)
    return loaded


def _example(text: str, *, num_images: int = 1, weight: float = 1.0) -> Example:
    images = tuple(Image.effect_noise(side, 60).convert("RGB") for side in SIDES[:num_images])
    content = [*({"type": "image"} for _ in images), {"type": "text", "text": text}]
    keys = tuple(f"{text}-{place}" for place in range(num_images))
    return Example(text, Prompt(({"role": "user", "content": content},), images), ANSWER, weight, keys)


EXAMPLES = (_example("a pan"), _example("a much longer pan", num_images=0), _example("lid", num_images=2))


def _learn(backbone: Backbone, batch: Batch) -> tuple[LearntTokens, dict[str, torch.Tensor]]:
    backbone.model.zero_grad()
    learnt = learn(backbone.model, batch, family=backbone.encoder.family)
    torch.autograd.backward(learnt.loss_sum)
    gradients = {name: p.grad.clone() for name, p in backbone.model.named_parameters() if p.grad is not None}
    return learnt, gradients


def test_a_packed_row_costs_and_teaches_the_same_as_its_examples_one_by_one(backbone: Backbone) -> None:
    pack = Packer(backbone.encoder, category_weight=4)
    together, gradients = _learn(backbone, pack(EXAMPLES))
    alone = [_learn(backbone, pack([example])) for example in EXAMPLES]
    for loss, (learnt, _) in zip(together.loss_by_listing(len(EXAMPLES)).tolist(), alone, strict=True):
        assert loss == pytest.approx(learnt.loss_by_listing(1).item(), rel=1e-4)
    for name, gradient in gradients.items():
        summed = sum(of_one[name] for _, of_one in alone if name in of_one)
        assert torch.allclose(gradient, torch.as_tensor(summed), atol=1e-4, rtol=1e-3), name


def test_a_packed_example_costs_what_the_plain_model_says(backbone: Backbone) -> None:
    example = EXAMPLES[0]
    learnt = learn(
        backbone.model, Packer(backbone.encoder, category_weight=1)([example]), family=backbone.encoder.family
    )
    batch = backbone.encode([example.prompt])
    answer = [token for part in ANSWER for token in backbone.token_ids(part)]
    ids = torch.cat([batch["input_ids"], torch.tensor([answer])], dim=1)
    images = {name: tensor for name, tensor in batch.items() if name not in ("input_ids", "position_ids")}
    images["attention_mask"] = torch.ones_like(ids)
    if "qwen" in backbone.encoder.family.model_type:
        images["mm_token_type_ids"] = (ids == backbone.encoder.image_token_id).int()
    backbone.model.set_attn_implementation("sdpa")
    logits = backbone.model(input_ids=ids, **images).logits[0].log_softmax(dim=-1)
    backbone.model.set_attn_implementation({"text_config": "segments"})
    question = backbone.token_ids(ANSWER[1])
    start, said = len(batch["input_ids"][0]), [*answer, backbone.encoder.end_id]
    first_of_question = len(backbone.token_ids(ANSWER[0]))
    asked = range(first_of_question, first_of_question + len(question))
    expected = [-float(logits[start - 1 + place, token]) for place, token in enumerate(said) if place not in asked]
    assert learnt.losses.tolist() == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_features_kept_on_disk_give_the_same_losses_as_pixels(backbone: Backbone, tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    batches = [encode_images(EXAMPLES[:2], encoder=backbone.encoder), {}]
    batches.append(encode_images(EXAMPLES[2:], encoder=backbone.encoder))
    assert fill(store, batches, model=backbone.model, encoder=backbone.encoder, name="rank-0") == 3
    assert fill(store, batches, model=backbone.model, encoder=backbone.encoder, name="rank-0") == 0
    blind = [Example(e.listing_id, Prompt(e.prompt.messages, ()), e.answer, e.weight, e.image_keys) for e in EXAMPLES]
    kept = pickle.loads(pickle.dumps(store))  # noqa: S301 - as it is sent to a process that loads data
    family = backbone.encoder.family
    from_features = learn(backbone.model, Packer(backbone.encoder, category_weight=1, store=kept)(blind), family=family)
    from_pixels = learn(backbone.model, Packer(backbone.encoder, category_weight=1)(EXAMPLES), family=family)
    assert torch.allclose(from_features.losses, from_pixels.losses, atol=1e-4)


def test_a_packer_does_the_same_in_a_process_that_loads_data(backbone: Backbone) -> None:
    packer = Packer(backbone.encoder, category_weight=1)
    sent: Packer = pickle.loads(pickle.dumps(packer))  # noqa: S301 - our own bytes
    assert torch.equal(sent(EXAMPLES)["targets"], packer(EXAMPLES)["targets"])


def test_only_the_learnt_parts_of_the_answer_bear_a_loss(backbone: Backbone) -> None:
    batch = Packer(backbone.encoder, category_weight=4)([_example("a pan", weight=0.5)])
    learnt = batch["targets"] != IGNORED
    assert "".join(backbone.encoder.tokenizer.decode(batch["targets"][learnt])).startswith("Pans\n yes\n")
    assert batch["targets"][learnt][-1] == backbone.encoder.end_id
    weights, kinds = batch["weights"][learnt].tolist(), batch["kinds"][learnt].tolist()
    assert {weight for weight, kind in zip(weights, kinds, strict=True) if kind == CATEGORY} == {2.0}
    assert {weight for weight, kind in zip(weights, kinds, strict=True) if kind == ATTRIBUTE} == {0.5}


def test_a_row_without_a_picture_has_one_that_nothing_is_learnt_from(backbone: Backbone) -> None:
    batch = Packer(backbone.encoder, category_weight=1)([EXAMPLES[1]])
    assert len(batch["model"]["pixel_values"]) > 0
    assert (batch["targets"] != IGNORED)[batch["owners"] == 1].sum() == 0
    assert (batch["targets"] != IGNORED)[batch["owners"] == 0].sum() > 0


def test_a_micro_batch_without_listings_can_be_run_and_teaches_nothing(backbone: Backbone, tmp_path: Path) -> None:
    for store in (None, FeatureStore(tmp_path)):
        learnt, gradients = _learn(backbone, Packer(backbone.encoder, category_weight=1, store=store)([]))
        assert float(learnt.loss_sum) == 0
        assert all(not gradient.any() for gradient in gradients.values())
