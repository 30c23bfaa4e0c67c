"""LoRA and QLoRA: what an adapter learnt is in the weights afterwards, and nothing else of it is left."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from bitsandbytes.nn.modules import Linear4bit
from peft import PeftModel
from PIL import Image
from safetensors import safe_open
from torch import nn
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel

from facetry.backbones.backbone import load_weights
from facetry.backbones.encoder import PromptEncoder, model_positions
from facetry.backbones.family import Family
from facetry.backbones.registry import ANSWERING
from facetry.config import AdapterParams, PartsParams, TrainParams
from facetry.errors import TrainingError
from facetry.prompting import Prompt
from facetry.taxonomy import load_yaml
from facetry.training.adapters import add_adapter, check_quantisation, merge_adapter, quantisation_options, save_adapter
from facetry.training.parts import choose_trained, count_by_part, parameter_groups, vision_is_frozen
from tests.tiny_models import ANSWERING_MODEL_TYPES, write_tiny_model

FAMILY = ANSWERING["qwen2_vl"]
TAXONOMY = load_yaml("Pan:\nPot:\n", origin="the test")
LORA = AdapterParams(rank=4)
QLORA = AdapterParams(rank=4, quantise="nf4")
UNDER_ZERO3 = Path(__file__).with_name("adapter_under_zero3.py")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Qwen2-VL whose output layer is its embedding."""
    return written("qwen2_vl", tmp_path_factory.mktemp("models"))


def written(model_type: str, folder: Path) -> Path:
    write_tiny_model(folder / model_type, model_type, taxonomy=TAXONOMY, texts=["What is this ? a red pan"])
    return folder / model_type


def batch_for(folder: Path) -> dict[str, torch.Tensor]:
    """A listing with a picture, as the model takes it."""
    content = [{"type": "image"}, {"type": "text", "text": "What is this ? a red pan"}]
    prompt = Prompt(({"role": "user", "content": content},), (Image.new("RGB", (40, 32), "red"),))
    batch = PromptEncoder.load(folder).encode_batch([prompt])
    return {**batch, "position_ids": model_positions(batch["position_ids"])}


def adapted(
    folder: Path, *, adapter: AdapterParams = LORA, parts: PartsParams | None = None, seed: int = 7
) -> PeftModel:
    family = ANSWERING[folder.name]
    options = quantisation_options(adapter, family=family, dtype=torch.float32)
    model = load_weights(folder, family=family, dtype=torch.float32, **options)
    choose_trained(model, family=family, params=parts or PartsParams(vision="none"), adapter=adapter)
    return add_adapter(model, family=family, adapter=adapter, seed=seed)


def logits(model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    model.eval()
    with torch.no_grad():
        result: torch.Tensor = model(**batch).logits
    return result


def loss(model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """How badly the model foretells the last words of the prompt."""
    return cross_entropy(model(**batch).logits[0, -7:-1], batch["input_ids"][0, -6:])


def learn(
    model: nn.Module, batch: dict[str, torch.Tensor], *, num_steps: int, rate: float = 5e-3, family: Family = FAMILY
) -> list[float]:
    """The loss of each step."""
    params = TrainParams(learning_rate=rate)
    groups = parameter_groups(model.train(), family=family, params=params)
    optimizer = torch.optim.AdamW(groups)
    losses = []
    for _ in range(num_steps):
        step_loss = loss(model, batch)
        step_loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(step_loss.detach()))
    return losses


def saved_names(folder: Path) -> set[str]:
    with safe_open(folder / "model.safetensors", framework="pt") as file:
        return set(file.keys())


@pytest.mark.parametrize("model_type", ANSWERING_MODEL_TYPES)
def test_what_was_learnt_is_in_the_merged_weights_of_every_family(model_type: str, tmp_path: Path) -> None:
    base, family = written(model_type, tmp_path), ANSWERING[model_type]
    batch = batch_for(base)
    model = adapted(base)
    before = logits(model, batch)
    learn(model, batch, num_steps=2, family=family)
    learnt = logits(model, batch)
    save_adapter(model, tmp_path / "adapter")
    merge_adapter(tmp_path / "adapter", base_model=base, family=family, dtype=torch.float32, out=tmp_path / "merged")
    merged = load_weights(tmp_path / "merged", family=family, dtype=torch.float32)
    assert (learnt - before).abs().max() > 0.1
    torch.testing.assert_close(logits(merged, batch), learnt, atol=1e-5, rtol=1e-5)
    assert saved_names(tmp_path / "merged") == saved_names(base)
    assert {file.name for file in (tmp_path / "merged").iterdir()} == {
        "config.json",
        "generation_config.json",
        "model.safetensors",
    }


def test_what_is_trained_beside_an_adapter_is_merged_too(folder: Path, tmp_path: Path) -> None:
    batch = batch_for(folder)
    model = adapted(folder, parts=PartsParams(vision="last 1", projector="all"))
    assert all(count.num_trained for count in count_by_part(model, family=FAMILY))
    learn(model, batch, num_steps=2)
    save_adapter(model, tmp_path / "adapter")
    merge_adapter(tmp_path / "adapter", base_model=folder, family=FAMILY, dtype=torch.float32, out=tmp_path / "out")
    base, merged = (load_weights(path, family=FAMILY, dtype=torch.float32) for path in (folder, tmp_path / "out"))
    after = merged.state_dict()
    moved = {name for name, weight in base.state_dict().items() if not torch.equal(weight, after[name])}
    assert {name for name in moved if "language_model" not in name} == {
        name for name in after if name.startswith(("model.visual.blocks.1.", "model.visual.merger."))
    }
    assert {name.split(".")[-2] for name in moved if "language_model" in name} == {
        f"{kind}_proj" for kind in ("q", "k", "v", "o", "gate", "up", "down")
    }


def test_an_adapter_is_the_same_for_the_same_seed_and_leaves_chance_alone(folder: Path) -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first, again, other = (dict(adapted(folder, seed=seed).named_parameters()) for seed in (7, 7, 8))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(weight, again[name]) for name, weight in first.items())
    assert any(not torch.equal(weight, other[name]) for name, weight in first.items())


def test_an_adapter_counts_for_the_part_it_is_in(folder: Path) -> None:
    model = adapted(folder, adapter=AdapterParams(rank=4, part="vision", targets="qkv$"))
    counts = {count.name: count.num_trained for count in count_by_part(model, family=FAMILY)}
    assert counts["vision"] == 2 * 4 * (32 + 96), "two blocks, each with 4 x 32 and 96 x 4"
    assert counts["projector"] > 0
    assert counts["language"] > counts["vision"], "all of the language model is trained as well"


def test_vision_is_not_frozen_when_an_adapter_is_in_it(folder: Path) -> None:
    parts = PartsParams(vision="none", projector="none")
    for part, targets, frozen in (("vision", "qkv$", False), ("language", "q_proj$", True)):
        adapter = AdapterParams.model_validate({"part": part, "targets": targets})
        model = adapted(folder, adapter=adapter, parts=parts)
        base = model.get_base_model()
        assert isinstance(base, PreTrainedModel)
        assert vision_is_frozen(model, family=FAMILY) == vision_is_frozen(base, family=FAMILY) == frozen


def test_gradients_reach_an_adapter_through_checkpointed_layers(folder: Path) -> None:
    batch = batch_for(folder)
    gradients = []
    for checkpointed in (False, True):
        model = adapted(folder, parts=PartsParams(vision="none", projector="none")).train()
        if checkpointed:
            base = model.get_base_model()
            assert isinstance(base, PreTrainedModel)
            base.activation_checkpointing_enable()
        loss(model, batch).backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
        gradients.append({name: each.grad for name, each in model.named_parameters() if each.grad is not None})
    assert gradients[0].keys() == gradients[1].keys() == {name for name in gradients[0] if "lora_" in name}
    assert any(bool(gradient.any()) for gradient in gradients[0].values())
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient)


@pytest.mark.parametrize("targets", ["qkv$", "lm_head", "norm"])
def test_targets_that_match_no_layer_are_refused(folder: Path, targets: str) -> None:
    with pytest.raises(
        TrainingError,
        match=rf"train\.adapter\.targets: {targets.replace('$', '.')} matches no layer of the language part, .*_proj",
    ):
        adapted(folder, adapter=AdapterParams(targets=targets))


def test_quantised_layers_are_those_below_the_adapter(folder: Path) -> None:
    model = adapted(folder, adapter=QLORA)
    in_4_bits = {name for name, module in model.named_modules() if isinstance(module, Linear4bit)}
    assert len(in_4_bits) == 2 * 7
    assert all(".language_model.layers." in name for name in in_4_bits)
    plain, quantised = (count_by_part(adapted(folder, adapter=each), family=FAMILY) for each in (LORA, QLORA))
    assert plain == quantised, "a number in 4 bits counts as one"
    with pytest.raises(TrainingError, match="learns in its place"):
        adapted(folder, adapter=QLORA, parts=PartsParams(language="last 1"))


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated")
def test_qlora_first_then_full_precision_from_the_merged_weights(folder: Path, tmp_path: Path) -> None:
    batch = batch_for(folder)
    model = adapted(folder, adapter=QLORA)
    losses = learn(model, batch, num_steps=8)
    assert losses[-1] < losses[0] / 2
    save_adapter(model, tmp_path / "adapter")
    merge_adapter(tmp_path / "adapter", base_model=folder, family=FAMILY, dtype=torch.float32, out=tmp_path / "merged")

    assert "quantization_config" not in json.loads((tmp_path / "merged" / "config.json").read_text())
    whole = load_weights(folder, family=FAMILY, dtype=torch.float32)
    whole.load_state_dict(projector_of(model), strict=False)
    expected = logits(PeftModel.from_pretrained(whole, str(tmp_path / "adapter")), batch)
    merged = load_weights(tmp_path / "merged", family=FAMILY, dtype=torch.float32)
    torch.testing.assert_close(logits(merged, batch), expected, atol=1e-5, rtol=1e-5)

    choose_trained(merged, family=FAMILY, params=PartsParams())
    full = learn(merged, batch, num_steps=3, rate=1e-3)
    assert full[0] < losses[0]
    assert full[-1] < full[0]


def projector_of(model: PeftModel) -> dict[str, torch.Tensor]:
    return {
        name: weight
        for name, weight in model.get_base_model().state_dict().items()
        if name.startswith("model.visual.merger.")
    }


def test_a_quantised_model_cannot_be_spread_over_processes() -> None:
    with pytest.raises(TrainingError, match=r"train\.zero_stage: 3, but weights in 4 bits .* use zero_stage 0 to 2"):
        check_quantisation(QLORA, zero_stage=3)
    with pytest.raises(TrainingError, match=r"train\.offload: all, but weights in 4 bits"):
        check_quantisation(QLORA, offload="all")
    check_quantisation(QLORA, zero_stage=2, offload="optimizer")
    check_quantisation(LORA, zero_stage=3, offload="all")
    check_quantisation(None, zero_stage=3)
    assert quantisation_options(LORA, family=FAMILY, dtype=torch.float32) == {}


def test_quantising_without_bitsandbytes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(
        TrainingError, match=r"nf4 needs bitsandbytes, which is not installed: install facetry\[train\]"
    ):
        check_quantisation(QLORA)
    check_quantisation(LORA)


def test_an_adapter_is_saved_whole_when_its_pieces_are_on_several_ranks(folder: Path, tmp_path: Path) -> None:
    ranks = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(UNDER_ZERO3)]
    root = Path(__file__).parents[3]
    environment = {**os.environ, "DS_ACCELERATOR": "cpu", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)}
    ended = subprocess.run([*ranks, str(folder), str(tmp_path)], env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-2000:]

    alone = adapted(folder, adapter=LORA)
    counts, groups = json.loads((tmp_path / "counts.json").read_text())
    assert counts == [[each.name, each.num_trained, each.num_all] for each in count_by_part(alone, family=FAMILY)]
    assert groups == [group["name"] for group in parameter_groups(alone, family=FAMILY, params=TrainParams())]

    merge_adapter(tmp_path / "adapter", base_model=folder, family=FAMILY, dtype=torch.float32, out=tmp_path / "merged")
    merged = load_weights(tmp_path / "merged", family=FAMILY, dtype=torch.float32)
    before, after = (logits(model, batch_for(folder)) for model in (alone, merged))
    torch.testing.assert_close(after, torch.load(tmp_path / "logits.pt"), atol=1e-5, rtol=1e-5)
    assert (after - before).abs().max() > 0.1
