import pytest
import torch
from PIL import Image

from facetry.decoding.backbone import Backbone
from facetry.prompting import AnswerPart, Prompt
from facetry.synthetic.models import write_base_model
from facetry.taxonomy import load_yaml
from facetry.training.batching import IGNORED, Batcher
from facetry.training.dataset import Example

ANSWER = [AnswerPart("Pans\n", False), AnswerPart("lid:", True), AnswerPart(" yes\n", False)]


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    folder = tmp_path_factory.mktemp("model") / "base-model"
    taxonomy = load_yaml("Pans: {attributes: {lid: ['yes', 'no']}}", origin="test")
    write_base_model(folder, texts=["a pan with a lid"], taxonomy=taxonomy, seed=1)
    return Backbone.load(folder)


def _example(text: str, *, images: tuple[Image.Image, ...] = (Image.new("RGB", (28, 28), "red"),)) -> Example:
    content = [*({"type": "image"} for _ in images), {"type": "text", "text": text}]
    return Example(prompt=Prompt(({"role": "user", "content": content},), images), answer=ANSWER)


def test_only_the_learnt_parts_of_the_answer_bear_a_loss(backbone: Backbone) -> None:
    batch = Batcher(backbone, category_weight=1)([_example("a pan"), _example("a much longer pan")])
    for targets in batch["targets"]:
        assert backbone.processor.tokenizer.decode(targets[targets != IGNORED]) == "Pans\n yes\n<|im_end|>"


def test_each_position_is_to_say_the_token_after_it_and_the_category_counts_most(backbone: Backbone) -> None:
    batch = Batcher(backbone, category_weight=4)([_example("a pan"), _example("a much longer pan")])
    rows = zip(batch["input_ids"], batch["targets"], batch["weights"], batch["attention_mask"], strict=True)
    for ids, targets, weights, mask in rows:
        said = [*ids[mask.bool()].tolist(), backbone.processor.tokenizer.eos_token_id]
        places = torch.nonzero(targets != IGNORED).flatten().tolist()
        assert [int(targets[place]) for place in places] == [said[place + 1] for place in places]
        num_of_category = len(backbone.token_ids(ANSWER[0]))
        assert {float(weights[place]) for place in places[:num_of_category]} == {4.0}
        assert {float(weights[place]) for place in places[num_of_category:]} == {1.0}


def test_a_row_ends_with_the_answer_as_it_is_asked_for_when_serving(backbone: Backbone) -> None:
    batch = Batcher(backbone, category_weight=1)([_example("a pan"), _example("a much longer pan")])
    for ids, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True):
        assert backbone.processor.tokenizer.decode(ids[mask.bool()]).endswith("<|im_start|>assistant\nPans\nlid: yes\n")


def test_a_batch_without_a_picture_still_has_one_for_the_vision_tower_and_learns_nothing_from_it(
    backbone: Backbone,
) -> None:
    texts = ("a pan", "a much longer pan")
    batch = Batcher(backbone, category_weight=1)([_example(text, images=()) for text in texts])
    assert len(batch["pixel_values"]) > 0
    assert (batch["targets"] != IGNORED).any(dim=1).tolist() == [True, True, False]
    assert (batch["input_ids"][:2] != backbone.model.config.image_token_id).all()
