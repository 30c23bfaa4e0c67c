"""What is trained of a model is what was asked for, part by part, or nothing is trained at all."""

from itertools import chain
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import AutoConfig, PreTrainedModel

from facetry.backbones.family import Family, PartName
from facetry.backbones.registry import ANSWERING, DUAL
from facetry.config import AdapterParams, PartRates, PartsParams, TrainParams
from facetry.errors import TrainingError
from facetry.taxonomy import load_yaml
from facetry.training.parts import (
    PartCount,
    choose_trained,
    count_by_part,
    describe,
    parameter_groups,
    plain_name,
    vision_is_frozen,
)
from tests.tiny_clip import DUAL_MODEL_TYPES, write_tiny_clip
from tests.tiny_models import ANSWERING_MODEL_TYPES, write_tiny_model

FAMILY = ANSWERING["qwen2_vl"]
TAXONOMY = load_yaml("Pan:\nPot:\n", origin="the test")
LAST_OF_EACH = PartsParams(vision="last 1", projector="all", language="last 1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Qwen2-VL of two vision blocks and two layers, whose output layer is its embedding."""
    folder = tmp_path_factory.mktemp("models") / "qwen2_vl"
    write_tiny_model(folder, "qwen2_vl", taxonomy=TAXONOMY)
    return folder


@pytest.fixture
def model(folder: Path) -> PreTrainedModel:
    return without_weights(folder, FAMILY)


def without_weights(folder: Path, family: Family) -> PreTrainedModel:
    with torch.device("meta"):
        model = family.model_class._from_config(AutoConfig.from_pretrained(folder))
    assert isinstance(model, PreTrainedModel)
    return model


def trained(model: nn.Module) -> set[str]:
    return {name for name, weight in model.named_parameters() if weight.requires_grad}


def named(model: nn.Module, *beginnings: str) -> set[str]:
    return {name for name, _ in model.named_parameters() if name.startswith(beginnings)}


def test_the_last_vision_block_the_merger_and_the_last_language_layer_are_one_line(model: PreTrainedModel) -> None:
    choose_trained(model, family=FAMILY, params=LAST_OF_EACH)
    assert trained(model) == named(
        model, "model.visual.blocks.1.", "model.visual.merger.", "model.language_model.layers.1."
    )
    # Widths: vision 32 and 64 inside, merger 4 * 32 to 64, language 64 and 128 inside with 2 of 4 heads for keys.
    vision = 2 * (32 + 32) + (32 * 96 + 96) + (32 * 32 + 32) + (32 * 64 + 64) + (64 * 32 + 32)
    projector = (32 + 32) + (128 * 128 + 128) + (128 * 64 + 64)
    language = (64 * 64 + 64) + 2 * (64 * 32 + 32) + 64 * 64 + 3 * 64 * 128 + 2 * 64
    counts = {count.name: count.num_trained for count in count_by_part(model, family=FAMILY)}
    assert counts == {"vision": vision, "projector": projector, "language": language}


def test_all_of_a_model_is_counted_once(model: PreTrainedModel) -> None:
    choose_trained(model, family=FAMILY, params=PartsParams())
    counts = count_by_part(model, family=FAMILY)
    num_all = sum(weight.numel() for weight in model.parameters())
    assert sum(count.num_all for count in counts) == sum(count.num_trained for count in counts) == num_all


def test_a_pattern_chooses_the_weights_whose_names_it_is_found_in(model: PreTrainedModel) -> None:
    params = PartsParams(vision=r"match blocks\.1\.attn", projector="none", language=r"match model\.norm")
    choose_trained(model, family=FAMILY, params=params)
    assert trained(model) == named(model, "model.visual.blocks.1.attn.", "model.language_model.norm.")
    choose_trained(model, family=FAMILY, params=PartsParams(vision="none", projector="none", language="match lm_head"))
    assert trained(model) == {"model.language_model.embed_tokens.weight"}, "the output layer is the embedding"


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            {"vision": r"match q_proj"},
            r"train\.parts\.vision: match q_proj matches none of its weights, .*model\.visual\.blocks\.0\.attn",
        ),
        ({"language": "last 3"}, r"train\.parts\.language: last 3, but it has 2 blocks: use fewer or all"),
        ({"projector": "last 1"}, r"train\.parts\.projector: last 1, but it has no blocks: use all, none or match"),
        (dict.fromkeys(("vision", "projector", "language"), "none"), r"train\.parts: nothing is trained"),
    ],
)
def test_what_cannot_be_chosen_is_refused(model: PreTrainedModel, parts: dict[PartName, str], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        choose_trained(model, family=FAMILY, params=PartsParams.model_validate(parts))


def test_an_adapter_learns_in_place_of_its_part(model: PreTrainedModel) -> None:
    adapter = AdapterParams(part="language")
    choose_trained(model, family=FAMILY, params=PartsParams(vision="none"), adapter=adapter)
    assert trained(model) == named(model, "model.visual.merger.")
    choose_trained(model, family=FAMILY, params=PartsParams(vision="none", projector="none"), adapter=adapter)
    assert trained(model) == set()
    with pytest.raises(TrainingError, match=r"train\.parts\.language: last 1, but train\.adapter learns in its place"):
        choose_trained(model, family=FAMILY, params=PartsParams(language="last 1"), adapter=adapter)


@pytest.mark.parametrize("model_type", [*ANSWERING_MODEL_TYPES, *DUAL_MODEL_TYPES])
def test_every_family_has_blocks_to_choose_from(model_type: str, tmp_path: Path) -> None:
    family: Family
    if model_type in DUAL:
        family = DUAL[model_type]
        write_tiny_clip(tmp_path, model_type, texts=["pan", "pot"])
    else:
        family = ANSWERING[model_type]
        write_tiny_model(tmp_path, model_type, taxonomy=TAXONOMY)
    model = without_weights(tmp_path, family)
    choose_trained(model, family=family, params=LAST_OF_EACH)
    for count in count_by_part(model, family=family):
        assert (
            count.num_trained == count.num_all if count.name == "projector" else 0 < count.num_trained < count.num_all
        )
    last_blocks = [family.parts[part].blocks for part in ("vision", "language")]
    chosen = named(model, *(f"{blocks}.1." for blocks in last_blocks), *family.parts["projector"].prefixes)
    assert trained(model) == chosen


def test_vision_is_frozen_when_neither_tower_nor_projector_learns(model: PreTrainedModel) -> None:
    for params, frozen in (
        (PartsParams(vision="none", projector="none"), True),
        (PartsParams(vision="none"), False),
        (PartsParams(projector="none", vision="last 1"), False),
    ):
        choose_trained(model, family=FAMILY, params=params)
        assert vision_is_frozen(model, family=FAMILY) == frozen


def test_each_part_learns_at_its_own_rate_and_vectors_do_not_decay(model: PreTrainedModel) -> None:
    params = TrainParams(
        parts=PartsParams(vision="none", projector="match weight$", language="last 1"),
        learning_rate=1e-3,
        learning_rates=PartRates(projector=1e-4),
        weight_decay=0.1,
    )
    choose_trained(model, family=FAMILY, params=params.parts)
    groups = parameter_groups(model, family=FAMILY, params=params)
    assert [(group["name"], group["lr"], group["weight_decay"]) for group in groups] == [
        ("projector matrices", 1e-4, 0.1),
        ("projector vectors", 1e-4, 0.0),
        ("language matrices", 1e-3, 0.1),
        ("language vectors", 1e-3, 0.0),
    ]
    names = {weight: name for name, weight in model.named_parameters()}
    optimizer = torch.optim.AdamW(groups)
    grouped = [[names[weight] for weight in group["params"]] for group in optimizer.param_groups]
    assert sorted(chain.from_iterable(grouped)) == sorted(trained(model))
    assert grouped[1] == ["model.visual.merger.ln_q.weight"]
    assert all(name.endswith(("bias", "layernorm.weight")) for name in grouped[3])


def test_a_rate_for_a_part_that_is_frozen_makes_no_group(model: PreTrainedModel) -> None:
    choose_trained(model, family=FAMILY, params=PartsParams(vision="none", projector="none"))
    params = TrainParams(learning_rates=PartRates(vision=1e-5))
    assert {group["name"] for group in parameter_groups(model, family=FAMILY, params=params)} == {
        "language matrices",
        "language vectors",
    }


def test_counts_are_shown_as_an_aligned_table() -> None:
    counts = (
        PartCount("vision", 12_288, 665_000_000),
        PartCount("projector", 45_000_000, 45_000_000),
        PartCount("language", 0, 7_000_000_000),
    )
    assert describe(counts).splitlines() == [
        "vision        12,288 of   665,000,000 trained (0.00%)",
        "projector 45,000,000 of    45,000,000 trained (100.00%)",
        "language           0 of 7,000,000,000 trained (0.00%)",
        "all       45,012,288 of 7,710,000,000 trained (0.58%)",
    ]


def test_names_are_the_same_with_and_without_an_adapter() -> None:
    name = "model.language_model.layers.0.self_attn.q_proj"
    for adapted in (f"{name}.base_layer.weight", f"{name}.lora_A.default.weight", f"{name}.lora_B.default.weight"):
        assert plain_name(f"base_model.model.{adapted}") == f"{name}.weight"
    assert plain_name("lm_head.weight") == plain_name("base_model.model.lm_head.weight") == "lm_head.weight"
